"""The published accuracy predictor of Once-for-All's MobileNetV3 space at width 1.2 (Cai et al., ICLR 2020).

A file of weights: 128 features to 400, 400, 400 and one number. The features: for each of 20 layers (5 units of 4)
which kernel of 3, 5, 7 it has, then for each which expansion of 3, 4, 6, all 0 where a layer lies beyond its unit's
depth; then which of the sizes 112, 128, ..., 224. What it says is the accuracy on held-out *training* images of
ImageNet, 3 to 5 points above the validation accuracy: good for ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sculptnet.arch import IntMatrix, SearchSpace
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.nets.perceptron import outputs, perceptron
from sculptnet.spaces import ofa_mobilenet_v3
from sculptnet.zoo.weight_files import read_weights

WIDTH, RESOLUTIONS = 1.2, tuple(range(112, 225, 16))
UNITS, LAYERS = 5, 4  # of a unit
SHAPES = ((400, 128), (400,), (400, 400), (400,), (400, 400), (400,), (1, 400), (1,))
ABSENT = 128  # one more input, whose weights are 0: what a layer beyond the depth switches on


@final
@dataclass(frozen=True, eq=False)
class OfaAccuracy:
    """What the published predictor says of every candidate of `space`.

    Attributes:
        space: a part of the published space.
        perceptron: of 129 inputs.
        columns, features: for each of 41 places (20 kernels, 20 expansions, the resolution) the decision that sets it,
            and the input that each of its options switches on.
        depth_columns, depths: for each unit the decision that sets its depth, and the layers of each of its options.
    """

    space: SearchSpace
    perceptron: nn.Sequential
    columns: IntMatrix
    features: IntMatrix
    depth_columns: IntMatrix
    depths: IntMatrix

    def of(self, choices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The predicted accuracy of each row, a fraction, shape `(n,)`; `choices`: `(n, decisions)` or one row.

        Raises:
            InvalidValue: wrong number of columns, or an index out of range.
        """
        rows = self.space.checked(choices)
        on = self.features[np.arange(len(self.columns)), rows[:, self.columns]]
        depths = self.depths[np.arange(UNITS), rows[:, self.depth_columns]]
        absent = (np.arange(LAYERS) >= depths[:, :, None]).reshape(len(rows), -1)
        on[:, :-1][np.concatenate([absent, absent], axis=1)] = ABSENT
        inputs = np.zeros((len(rows), ABSENT + 1), dtype=np.float32)
        inputs[np.arange(len(rows))[:, None], on] = 1.0
        return outputs(self.perceptron, inputs)


def read_ofa_accuracy(path: Path, space: SearchSpace) -> OfaAccuracy:
    """The published predictor (`acc_predictor.pth`) for `space`: `ofa_mobilenet_v3(width=1.2)` or a part of it.

    Args:
        path: the file; it is read without running what it may hold.
        space: its resolutions are among 112, 128, ..., 224; fewer kernels, expansions and depths may be open.

    Raises:
        InvalidValue: the file holds something else, or the space has a candidate that the predictor does not know; the
            message names the place.
    """
    network = _network(read_weights(path), path)
    reference, wanted = _reference(), _in_reference(space)
    paths = list(reference.decisions)
    kernels, expansions, depths = (
        [index for index, name in enumerate(paths) if name.endswith(end)]
        for end in (".kernel_size", ".expansion", ".depth")
    )
    places = [*kernels, *expansions, reference.column["resolution"]]
    columns, options = wanted
    return OfaAccuracy(
        space,
        network,
        columns[places],
        options[places] + np.concatenate([3 * np.arange(2 * UNITS * LAYERS), [120]])[:, None],
        columns[depths],
        options[depths] + 2,
    )


@cache
def _reference() -> SearchSpace:
    return ofa_mobilenet_v3(width=WIDTH, resolutions=RESOLUTIONS)


def _network(weights: Mapping[str, Tensor], path: Path) -> nn.Sequential:
    """The published perceptron, with one more input for `ABSENT`, of weight 0."""
    shapes = tuple(tuple(tensor.shape) for tensor in weights.values())
    if shapes != SHAPES:
        raise InvalidValue(f"{path} is not the published accuracy predictor: its shapes are {shapes}, not {SHAPES}")
    first, *others = (tensor.float() for tensor in weights.values())
    tensors = [torch.cat([first, torch.zeros(len(first), 1)], dim=1), *others]
    network = perceptron([ABSENT + 1, *(len(tensor) for tensor in tensors[::2])], torch.Generator())
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
    return network


def _in_reference(space: SearchSpace) -> tuple[IntMatrix, IntMatrix]:
    """For each decision of the published space, the column of `space` that sets it and what each option is there."""
    reference = _reference()
    sizes = space.num_options
    rows = np.minimum(np.arange(sizes.max())[:, None], sizes - 1)  # every option of every decision, ...
    deepest = np.where([path.endswith(".depth") for path in space.decisions], sizes - 1, rows)  # ... of every layer
    rows = space.canonical(np.concatenate([deepest, rows]))
    try:
        expected = np.array([reference.encode(space.decode(row).architecture) for row in rows])
    except NotInSpace as error:
        raise InvalidValue(
            "the published predictor is for ImageNet, ofa_mobilenet_v3(width=1.2) and resolutions 112, 128, ..., 224: "
            f"{error}"
        ) from error
    columns = np.zeros(len(reference.decisions), dtype=np.int64)
    options = np.repeat(expected[:1].T, sizes.max(), axis=1)  # of a decided place, whatever column 0 is
    for index, (path, node) in enumerate(reference.decisions.items()):
        if path in space.decisions:
            columns[index] = space.column[path]
            known = [node.options.index(value) for value in space.decisions[path].options]
            options[index, : len(known)] = known
    found = reference.canonical(options[np.arange(len(columns)), rows[:, columns]])
    if (found != expected).any():
        raise InvalidValue("the published predictor is for spaces whose decisions are not tied to each other by same()")
    return columns, options
