"""Linear layers with ReLU between them: what predictors of accuracy are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from sculptnet.errors import InvalidValue, TrainingDiverged, collected
from sculptnet.streams import stream, stream_seed

ROWS = 1024  # at once, so that millions of rows take no gigabytes; fewer or more are no faster

RIDGE = 1.0  # penalty on the weights of the straight part, beside sums over samples of features between 0 and 1
FIRST_OUTPUT = 0.1

_Vector: TypeAlias = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Perceptron:
    """A function of feature vectors, computed in single precision.

    Attributes:
        layers: a weight `(inputs, outputs)` and a bias `(outputs,)` each; the last has one output.
        direct: weights `(inputs,)` from the features straight to the output, which are added.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    direct: Tensor | None = None

    @torch.inference_mode()
    def __call__(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """A number for each row of `features`, shape `(n, inputs)`."""
        rows = torch.from_numpy(np.asarray(features, dtype=np.float32))
        parts = [self.forward(rows[start : start + ROWS]) for start in range(0, len(rows), ROWS)]
        return torch.cat(parts or [torch.empty(0)]).double().numpy()

    def forward(self, rows: Tensor) -> Tensor:
        """What `__call__` computes, `(n,)`, with gradients where the layers have them."""
        *hidden, (weight, bias) = self.layers
        values = rows
        for inner_weight, inner_bias in hidden:
            values = torch.addmm(inner_bias, values, inner_weight).relu_()
        result = torch.addmm(bias, values, weight)[:, 0]
        return result if self.direct is None else result + rows @ self.direct

    def tensors(self) -> dict[str, Tensor]:
        """The layers by name: `0.weight`, `0.bias`, `1.weight`, ... and `direct`, if there is one."""
        named = {f"{i}.{name}": t for i, pair in enumerate(self.layers) for name, t in zip(_NAMES, pair, strict=True)}
        return named if self.direct is None else {**named, "direct": self.direct}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Perceptron:
        """The perceptron that `tensors` wrote down.

        Raises:
            InvalidValue: names or shapes are others.
        """
        layers: list[tuple[Tensor, Tensor]] = []
        while f"{len(layers)}.weight" in tensors and f"{len(layers)}.bias" in tensors:
            layers.append((tensors[f"{len(layers)}.weight"], tensors[f"{len(layers)}.bias"]))
        result = cls(tuple(layers), tensors.get("direct"))
        sizes = [tuple(weight.shape) for weight, _ in layers]
        fits = (
            sizes
            and all(w.ndim == 2 and b.shape == w.shape[1:] for w, b in layers)
            and all(left[1] == right[0] for left, right in pairwise(sizes))
            and sizes[-1][1] == 1
            and (result.direct is None or result.direct.shape == sizes[0][:1])
        )
        if not fits or result.tensors().keys() != tensors.keys():
            found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
            raise InvalidValue(f"these tensors are no perceptron with one output: {found or 'none'}")
        return result


_NAMES = ("weight", "bias")


def fit_perceptron(
    features: npt.NDArray[np.floating],
    targets: npt.NDArray[np.float64],
    *,
    seed: int,
    hidden: Sequence[int],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
) -> Perceptron:
    """Ridge regression, then a perceptron that learns what remains, by AdamW with a cosine.

    The straight part keeps what few samples teach well: how features add up. The result depends on the arguments and
    the number of torch's threads alone; settings do not depend on the unit of the targets, which are scaled.

    Args:
        features: `(n, inputs)`.
        targets: `(n,)`.
        seed: of the first weights and of the order of rows.
        hidden: widths of the layers between features and output.
        epochs: how often every row is seen.
        batch_size: rows in a step.
        learning_rate: at the start; it falls to 0.
        weight_decay: of AdamW.

    Raises:
        InvalidValue: a setting is out of range.
        TrainingDiverged: the loss is no longer finite.
    """
    _check(hidden, epochs, batch_size, learning_rate, weight_decay)
    direct, constant = _ridge(np.asarray(features, dtype=np.float64), targets)
    rest = targets - (features @ direct + constant)
    scale = float(rest.std())
    rows = torch.from_numpy(np.asarray(features, dtype=np.float32))
    wanted = torch.from_numpy((rest / (scale or 1.0)).astype(np.float32))
    learner = Perceptron(tuple(_first_layers([rows.shape[1], *hidden, 1], seed)))
    parameters = [tensor.requires_grad_() for pair in learner.layers for tensor in pair]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * math.ceil(len(rows) / batch_size))
    for epoch in range(epochs):
        order = torch.from_numpy(stream(seed, "fit_perceptron: order", epoch).permutation(len(rows)))
        for batch in torch.split(order, batch_size):
            loss = mse_loss(learner.forward(rows[batch]), wanted[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if not bool(loss.isfinite()):
            raise TrainingDiverged(
                f"fit_perceptron: the loss is {loss.item()} in epoch {epoch + 1}; lower learning_rate ({learning_rate})"
            )
    *inner, (weight, bias) = [(weight.detach(), bias.detach()) for weight, bias in learner.layers]
    layers = (*inner, (weight * scale, bias * scale + constant))
    return Perceptron(layers, torch.from_numpy(direct.astype(np.float32)))


def _ridge(features: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> tuple[_Vector, float]:
    """Weights and constant that minimise squared error plus `RIDGE` times the squared weights."""
    mean, center = features.mean(axis=0), float(targets.mean())
    inputs = features - mean
    weights: _Vector = np.linalg.solve(
        inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T @ (targets - center)
    )
    return weights, center - float(mean @ weights)


def _first_layers(sizes: Sequence[int], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """He-normal weights for ReLU, biases 0; the last layer starts small, so that the straight part is not disturbed."""
    generator = torch.Generator().manual_seed(stream_seed(seed, "fit_perceptron: weights"))
    for place, (inputs, outputs) in enumerate(pairwise(sizes), start=2):
        deviation = (FIRST_OUTPUT if place == len(sizes) else 1.0) * (2.0 / inputs) ** 0.5
        yield torch.randn(inputs, outputs, generator=generator) * deviation, torch.zeros(outputs)


def _check(hidden: Sequence[int], epochs: int, batch_size: int, learning_rate: float, weight_decay: float) -> None:
    whole = (("epochs", epochs), ("batch_size", batch_size), *((f"hidden[{i}]", n) for i, n in enumerate(hidden)))
    problems = [f"{name} must be at least 1, got {value}" for name, value in whole if value < 1]
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        problems.append(f"learning_rate must be a number above 0, got {learning_rate}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        problems.append(f"weight_decay must be a number, at least 0, got {weight_decay}")
    if problems:
        raise InvalidValue(collected(problems, "fit_perceptron"))
