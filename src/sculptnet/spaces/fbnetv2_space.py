"""FBNetV2's search spaces (Wan et al., CVPR 2020, arXiv 2004.05565): open widths, expansions, blocks and resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias

from sculptnet.arch import Architecture, Block, SearchSpace, between, choice, same
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    Gate,
    InvertedResidual,
    PooledConv,
    Skip,
    SqueezeBase,
    SqueezeExcite,
)
from sculptnet.errors import InvalidValue, collected

LARGEST_SMALL_IMAGE = 64  # pixels; up to here the stem and the first strided stage of published rows keep the size
FLOOR = 0.95  # rounded widths are never below this part of the exact ones: the authors' rule
EXPANSION, COARSE_EXPANSION = (0.75, 4.5, 0.75), (1.5, 4.5, 1.5)
HEAD_CHANNELS, SMALL_HEAD_CHANNELS = 1984, 256
RESOLUTION_STEP, SMALL_RESOLUTION_STEP = 32, 4


class Family(Enum):
    """What a family of networks is frugal with: multiply-adds (F), parameters (P); L is the large one.

    S is ours, for small images: few layers, coarse steps and ReLU alone, which a CPU measures and searches in minutes.
    """

    F = "f"
    P = "p"
    L = "l"
    S = "s"


@dataclass(frozen=True)
class Stage:
    """A row, or two, of the published table.

    Attributes:
        channels: (lowest, highest, step) of each layer's width.
        layers: their number.
        stride: of the first.
        expansion: (lowest, highest, step) of hidden over input width, or one decided number.
    """

    channels: tuple[int, int, int]
    layers: int
    stride: int = 1
    expansion: tuple[float, float, float] | float = EXPANSION


_P = (
    Stage((12, 16, 4), 1, 1, 1),
    Stage((16, 28, 4), 3, 2),
    Stage((16, 40, 8), 3, 2),
    Stage((48, 96, 8), 3, 2),
    Stage((72, 128, 8), 4, 1),
    Stage((112, 216, 8), 4, 2),
)
_F = (
    Stage((12, 16, 4), 1, 1, 1),
    Stage((16, 24, 4), 3, 2),
    Stage((16, 40, 8), 3, 2),
    Stage((48, 80, 8), 3, 2),
    Stage((72, 112, 8), 3, 1),
    Stage((112, 184, 8), 4, 2),
)
_L = tuple(replace(row, layers=layers) for row, layers in zip(_P, (1, 4, 4, 4, 5, 5), strict=True))
_S = (
    Stage((8, 16, 8), 1, 1, 1),
    Stage((16, 32, 8), 2, 2, COARSE_EXPANSION),
    Stage((32, 64, 8), 2, 2, COARSE_EXPANSION),
    Stage((64, 128, 16), 2, 1, COARSE_EXPANSION),
)
STAGES = {Family.F: _F, Family.P: _P, Family.L: _L, Family.S: _S}
STEM = {Family.F: (8, 16, 4), Family.P: (16, 16, 4), Family.L: (16, 16, 4), Family.S: (8, 16, 4)}
Kind: TypeAlias = tuple[int, bool, Activation]  # kernel, squeeze-and-excitation, activation
KINDS: tuple[Kind, ...] = tuple(
    (kernel, squeeze, activation)
    for kernel in (3, 5)
    for squeeze in (False, True)
    for activation in (Activation.RELU, Activation.HARD_SWISH)
)


SMALL_KINDS = tuple(kind for kind in KINDS if kind[2] is Activation.RELU)


def fbnetv2(
    num_classes: int = 1000,
    resolution: int = 288,
    *,
    family: Family | None = None,
    lowest_resolution: int | None = None,
    resolution_step: int | None = None,
    width: float = 1.0,
    stages: tuple[Stage, ...] | None = None,
    layers: tuple[int, ...] | None = None,
    one_width_a_stage: bool = False,
    stem_stride: int | None = None,
    head_channels: int | None = None,
) -> SearchSpace:
    """In every layer a block (8 inverted residuals or a skip), a width and an expansion; the input's resolution.

    The blocks are kernel 3 or 5, with or without squeeze-and-excitation, ReLU or h-swish (family S: 4, with ReLU). The
    widths of P multiply to 4.4e14 choices, the paper's "10^14 times"; with blocks and expansions there are more
    networks than its 1e35, which is FBNet's 1e21 times that and no product of the table.

    What is certain: P's rows are recalled from the paper's table for inputs of 288 px; widths, steps and strides agree
    with public quotations of it and with the stated 10^14. F's widths are those of a public re-implementation; F4's
    fit, F1's first layer of 8 does not. L's table could not be read: P's rows with the numbers of layers of the
    released L1, a guess. Expansions are P's in all three. That a strided layer may be a skip (then a 1x1 convolution),
    which lowest resolutions are searched, and the head's activation are unverified. The released networks have
    fractional expansions such as 5.4566 and lie in no such grid. S is not published.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels; the highest where it is open. 288 in the table.
        family: F, P, L or S; by default P, and up to 64 px S, whose table of latencies is a twentieth of P's.
        lowest_resolution, resolution_step: what else is open, down to the lowest; None leaves the resolution decided.
            The step is by default 32, up to 64 px 4.
        width: factor on all widths and steps, which must stay whole numbers. The head keeps its own.
        stages: own rows in place of the family's. Up to 64 px the rows of F, P and L take strides 1,1,2,2,1,2.
        layers: numbers of layers in place of the rows' own; rows beyond them are left out.
        one_width_a_stage: the layers of a stage share one width, so that all but the first add their input; in the
            paper every layer has its own.
        stem_stride: by default 2; up to 64 px 1, as FBNet's, but in family S.
        head_channels: of the 1x1 convolution before pooling; by default 1984, in family S 256.

    Raises:
        InvalidValue: with everything that is wrong, and the stage that it is wrong in.
    """
    small = resolution <= LARGEST_SMALL_IMAGE
    family = family or (Family.S if small and stages is None else Family.P)
    published = family is not Family.S
    rows = stages or (_with_small_strides(STAGES[family]) if small and published else STAGES[family])
    layers = tuple(row.layers for row in rows) if layers is None else layers
    stem_stride = (1 if small and published else 2) if stem_stride is None else stem_stride
    head_channels = (HEAD_CHANNELS if published else SMALL_HEAD_CHANNELS) if head_channels is None else head_channels
    if resolution_step is None:
        resolution_step = SMALL_RESOLUTION_STEP if small else RESOLUTION_STEP
    least = {"num_classes": (num_classes, 2), "head_channels": (head_channels, 1), "stem_stride": (stem_stride, 1)}
    problems = [f"{name} must be at least {low}, got {value}" for name, (value, low) in least.items() if value < low]
    if not 1 <= len(layers) <= len(rows):
        problems.append(f"layers must have a number for each of 1 to {len(rows)} stages, got {layers}")
    rows = tuple(replace(row, layers=count) for row, count in zip(rows, layers, strict=False))
    widths = {"stem": STEM[family]} | {f"stages.{index}": row.channels for index, row in enumerate(rows)}
    for place, channels in widths.items():
        problems += _range_problems(f"{place}: channels {channels} times {width:g}", _scaled(channels, width))
    for index, row in enumerate(rows):
        if isinstance(row.expansion, tuple):
            problems += _range_problems(f"stages.{index}: expansion {row.expansion}", row.expansion)
        counts = {"layers": row.layers, "stride": row.stride}
        problems += [
            f"stages.{index}: {name} must be at least 1, got {count}" for name, count in counts.items() if count < 1
        ]
    lowest = resolution if lowest_resolution is None else lowest_resolution
    problems += _range_problems("resolution", (lowest, resolution, resolution_step))
    problems = problems or _vanishing(lowest, stem_stride, rows)
    if problems:
        raise InvalidValue(collected(problems, "fbnetv2"))
    stem = Conv(_open(_scaled(STEM[family], width)), 3, stem_stride, activation=Activation.HARD_SWISH)
    kinds = KINDS if published else SMALL_KINDS
    body = tuple(_stage(index, row, width, one_width_a_stage, kinds) for index, row in enumerate(rows))
    head = PooledConv(head_channels, Activation.HARD_SWISH)
    sizes = between(lowest, resolution, resolution_step)
    return SearchSpace(Architecture(sizes, stem, body, head, Classifier(num_classes)))


def _stage(index: int, row: Stage, width: float, one_width: bool, kinds: Sequence[Kind]) -> tuple[Block, ...]:
    channels = _scaled(row.channels, width)
    follows = f"stages.{index}.0[0].out_channels" if one_width else None
    first = _layer(f"stages.{index}.0", row, channels, row.stride, None, kinds)
    others = (
        _layer(f"stages.{index}.{position}", row, channels, 1, follows, kinds) for position in range(1, row.layers)
    )
    return first, *others


def _layer(
    path: str, row: Stage, channels: tuple[float, ...], stride: int, follows: str | None, kinds: Sequence[Kind]
) -> Block:
    """One layer: the decisions of its width and its expansion stand in its first block, the others follow them."""
    own_width = _open(channels)
    tied_width = own_width if isinstance(own_width, int) else same(follows or f"{path}[0].out_channels")
    own_expansion: Any = row.expansion
    tied_expansion: Any = row.expansion
    if isinstance(row.expansion, tuple):
        own_expansion, tied_expansion = between(*row.expansion), same(f"{path}[0].expansion")
    blocks: list[Block] = [
        _block(
            tied_width if number or follows else own_width, tied_expansion if number else own_expansion, stride, *kind
        )
        for number, kind in enumerate(kinds)
    ]
    return choice(*blocks, Skip(tied_width, stride))


def _block(width: int, expansion: float, stride: int, kernel: int, squeezed: bool, activation: Activation) -> Block:
    squeeze = SqueezeExcite(0.25, SqueezeBase.HIDDEN, Gate.HARD_SIGMOID, activation=activation, floor=FLOOR)
    return InvertedResidual(
        width,
        kernel,
        expansion,
        stride,
        squeeze=squeeze if squeezed else None,
        activation=activation,
        expand_at_1=expansion != 1,
        hidden_divisor=8 if expansion != 1 else 1,
        hidden_floor=FLOOR,
    )


def _open(channels: tuple[float, ...]) -> Any:
    low, high, step = (round(value) for value in channels)
    return between(low, high, step)


def _scaled(channels: tuple[int, int, int], width: float) -> tuple[float, float, float]:
    low, high, step = (value * width for value in channels)
    return low, high, step


def _with_small_strides(rows: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The first strided stage keeps the size."""
    first = next(index for index, row in enumerate(rows) if row.stride > 1)
    return tuple(replace(row, stride=1) if index == first else row for index, row in enumerate(rows))


# ---------------------------------------------------------------------- rules
def _range_problems(what: str, values: tuple[float, float, float]) -> list[str]:
    low, high, step = values
    if not (0 < low <= high and step > 0):
        return [f"{what}: needs 0 < lowest <= highest and a step above 0"]
    count = round((high - low) / step)
    if not math.isclose(low + count * step, high, rel_tol=1e-9):
        return [f"{what}: the step {step:g} must divide the range, {high:g} is not reached from {low:g}"]
    whole = "channels" not in what or all(math.isclose(value, round(value), abs_tol=1e-9) for value in values)
    return [] if whole else [f"{what} makes {low:g} to {high:g} by {step:g}; widths must stay whole numbers"]


def _vanishing(resolution: int, stem_stride: int, rows: tuple[Stage, ...]) -> list[str]:
    """The first place whose stride reduces a map of the lowest resolution below one pixel."""
    size = resolution
    for place, stride in (("stem", stem_stride), *((f"stages.{index}", row.stride) for index, row in enumerate(rows))):
        if size < stride:
            return [
                f"{place}: stride {stride} reduces a map of {size}x{size} below one pixel at resolution {resolution}; "
                "raise the lowest resolution, or leave out a stride"
            ]
        size = -(-size // stride)
    return []
