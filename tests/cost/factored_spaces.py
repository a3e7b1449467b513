"""Small spaces of everything that may be open, costs that tell blocks apart, and the slow way to price candidates."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import strategies as st
from torch import Tensor

from sculptnet.arch import (
    Architecture,
    Block,
    IntMatrix,
    Recipe,
    SearchSpace,
    TensorShape,
    between,
    choice,
    prefix,
    same,
)
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.cost import Reduce, cost_of

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arbitrary:
    """A number above 0 for every block and shape, unlike any other, and cheap to get."""

    name: str = "arbitrary_ms@test"
    constant: float = 0.3
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        return 0.0 if block.is_identity(shape.channels) else 0.1 + zlib.crc32(repr((block, shape)).encode()) / 2**32


ADDED, LARGEST = Arbitrary(), Arbitrary("arbitrary_bytes", 2.0, Reduce.MAX)


def space(*stages: Any, stem: Any = Conv(8), resolution: Any = 8, recipe: Recipe | None = None) -> SearchSpace:  # noqa: B008 (a value)
    return SearchSpace(Architecture(resolution, stem, stages, PooledConv(8), Classifier(2)), recipe or Recipe())


def inverted(width: int, **fields: Any) -> InvertedResidual:
    return InvertedResidual(width, **{"expansion": 2, **fields})


SPACES = {
    "blocks": space(
        tuple(choice(inverted(8), inverted(8, kernel_size=5), Skip(8)) for _ in range(2)),
        (choice(inverted(16, stride=2), Skip(16, 2)),),
    ),
    "widths": space(
        (
            Conv(between(8, 16, 4)),
            choice(inverted(between(8, 16, 8)), Skip(same("stages.0.1[0].out_channels"))),
            inverted(8),
        ),
        stem=Conv(choice(4, 8)),
    ),
    "width by block": space((choice(inverted(8), Conv(12)), Conv(8), Conv(8, choice(1, 3)))),
    "depth": space(
        prefix(tuple(inverted(8, kernel_size=choice(3, 5)) for _ in range(3)), 1, 2, 3), (Conv(choice(8, 12), 3, 2),)
    ),
    "depth of open width": space(
        prefix(
            (
                inverted(between(8, 16, 8), stride=2),
                choice(inverted(same("stages.0.0.out_channels")), Skip(same("stages.0.0.out_channels"))),
                inverted(same("stages.0.0.out_channels"), expansion=choice(1, 3)),
            ),
            1,
            3,
        ),
        (Conv(8, choice(1, 3)),),
    ),
    "ties": space(
        (inverted(8, kernel_size=choice(3, 5)), inverted(8, kernel_size=same("stages.0.0.kernel_size"))),
        (inverted(8, kernel_size=same("stages.0.0.kernel_size"), expansion=choice(1, 2)),),
        (inverted(8, expansion=same("stages.1.0.expansion")), Conv(8, same("stages.0.0.kernel_size"))),
    ),
    "nested": space(
        (
            choice(
                Conv(8, choice(1, 3)),
                inverted(
                    8,
                    kernel_size=choice(3, 5),
                    squeeze=choice(None, SqueezeExcite(ratio=choice(0.25, 0.5), divisor=2)),
                ),
                choice(Skip(8), inverted(8, depthwise_layers=2)),
            ),
        ),
        recipe=Recipe(epochs=choice(1, 2)),
    ),
    "recipe": space((Conv(8),), recipe=Recipe(epochs=choice(1, 2, 3))),
    "resolution": space(
        prefix((Conv(8, 3, 2), Conv(8, choice(1, 3))), 1, 2), resolution=between(8, 16, 4), stem=Conv(8, 3, 2)
    ),
}


@st.composite
def spaces(draw: Callable[..., Any]) -> SearchSpace:
    """Two or three stages of everything that may be open, kernels and widths tied at random."""
    kernels: list[str] = []

    def kernel(path: str) -> int:
        kind = draw(st.sampled_from(["decided", "open", "tied"]))
        if kind == "tied" and kernels:
            value: int = same(draw(st.sampled_from(kernels)))
            return value
        if kind == "open":
            kernels.append(f"{path}.kernel_size")
            return choice(1, 3)
        return 3

    def slot(path: str, width: Any, stride: int) -> Any:
        main = InvertedResidual(width, kernel(f"{path}[0]"), draw(st.sampled_from([1, choice(1, 2)])), stride)
        width = same(f"{path}[0].out_channels") if width == between(4, 8, 4) else width
        return choice(main, Conv(width, kernel(f"{path}[1]"), stride) if draw(st.booleans()) else Skip(width, stride))

    stages = []
    for index in range(draw(st.integers(1, 3))):
        stride, width = draw(st.integers(1, 2)), draw(st.sampled_from([4, 8, between(4, 8, 4)]))
        first = slot(f"stages.{index}.0", width, stride)
        width = same(f"stages.{index}.0[0].out_channels") if width == between(4, 8, 4) else width
        more = [slot(f"stages.{index}.{position}", width, 1) for position in range(1, draw(st.integers(1, 3)))]
        items = (first, *more)
        stages.append(prefix(items, len(items), *draw(st.sets(st.integers(1, len(items))))))
    return space(
        *stages, resolution=draw(st.sampled_from([8, choice(8, 12)])), stem=Conv(draw(st.sampled_from([4, 8])))
    )


def every_row(made: SearchSpace) -> IntMatrix:
    """All rows, canonical or not."""
    return np.array(list(itertools.product(*(range(count) for count in made.num_options))), dtype=np.int64)


def one_by_one(made: SearchSpace, cost: Any, rows: IntMatrix) -> FloatArray:
    return np.array([cost_of(cost, made.decode(row).architecture) for row in rows])


def some_chances(made: SearchSpace, seed: int = 0) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    return {path: rng.dirichlet(np.ones(len(node.options))) for path, node in made.decisions.items()}


def row_chances(made: SearchSpace, chances: dict[str, FloatArray], rows: IntMatrix) -> FloatArray:
    columns = np.stack([chances[path][rows[:, index]] for index, path in enumerate(made.decisions)])
    product: FloatArray = columns.prod(axis=0)
    return product


def tensors(chances: dict[str, FloatArray]) -> dict[str, Tensor]:
    return {path: torch.from_numpy(values) for path, values in chances.items()}
