"""FBNetV3's search space (Dai et al., CVPR 2021, arXiv 2006.02049, table 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sculptnet.arch import Architecture, Block, OneOf, SearchSpace, between, choice, prefix, same
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    Gate,
    InvertedResidual,
    MBPool,
    Padding,
    SqueezeBase,
    SqueezeExcite,
    round_channels,
)
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces.fbnet_space import LARGEST_SMALL_IMAGE, SMALL_IMAGE_STRIDES, STRIDES
from sculptnet.spaces.recipes import fbnetv3_recipe, with_recipe

FLOOR = 0.95  # rounded widths are never below this part of the exact ones: the authors' rule
SQUEEZE = SqueezeExcite(0.25, SqueezeBase.INPUT, Gate.HARD_SIGMOID, activation=Activation.HARD_SWISH, floor=FLOOR)
LOWEST_RESOLUTION, RESOLUTION, RESOLUTION_STEP = 224, 272, 8  # the paper's
HEAD_CHANNELS = 1984


@dataclass(frozen=True)
class Row:
    """A row of the published table.

    Attributes:
        channels: (lowest, highest, step) of its width.
        layers: (lowest, highest) number of them.
        first, rest: (lowest, highest) expansion, by steps of 1, of the first layer and of the others, or one number;
            None where the table prints one range for both.
        squeeze: with squeeze-and-excitation.
    """

    channels: tuple[int, int, int]
    layers: tuple[int, int]
    first: tuple[float, float] | float = (4.0, 7.0)
    rest: tuple[float, float] | None = (2.0, 5.0)
    squeeze: bool = False


STEM = (16, 24, 2)
ROWS = (
    Row((16, 24, 2), (1, 4), 1.0, None),
    Row((20, 32, 4), (4, 7)),
    Row((24, 48, 4), (4, 7), squeeze=True),
    Row((56, 84, 4), (4, 8)),
    Row((96, 144, 4), (6, 10), squeeze=True),
    Row((180, 224, 4), (5, 9), rest=None, squeeze=True),
    Row((180, 224, 4), (1, 1), 6.0, None, squeeze=True),
)


def fbnetv3(
    num_classes: int = 1000,
    resolution: int = RESOLUTION,
    *,
    lowest_resolution: int | None = None,
    resolution_step: int = RESOLUTION_STEP,
    width: float = 1.0,
    round_to: int = 1,
    fewer_layers: int = 0,
    as_printed: bool = False,
    open_recipe: bool = False,
    last_channels: tuple[int, ...] = ROWS[-1].channels,
    short: tuple[int, ...] = (),
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
    head_channels: int = HEAD_CHANNELS,
) -> SearchSpace:
    """Seven stages of open width and depth; kernel and expansion of each stage's first layer, and of all others.

    The table is recalled, not read, and checked by arithmetic and with the released networks. As it is printed, a stage
    has one kernel: 2.8e18 networks at each of seven resolutions, where the paper states 1e17; some rows share values in
    the paper, which ones is unverified. The released networks have two kernels in a stage, one for its first layer, and
    two expansions where the table prints one range: they need `as_printed=False`. Their widths are rounded to multiples
    of 8, and their layers are grouped otherwise (`in_rows`). D and E have 240 channels at the end, which is beyond the
    table (`last_channels`); F and G were scaled up and lie outside. Strides, activations (h-swish) and
    squeeze-and-excitation are the table's and decided.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels; the highest where it is open.
        lowest_resolution, resolution_step: what else is open, down to the lowest (224 in the paper); None leaves the
            resolution decided.
        width: factor on all widths but the head's, rounded to whole channels.
        round_to: widths are multiples of this, never below 95 % of the exact ones; equal options are one. 8 makes the
            widths of the released networks.
        fewer_layers: taken off both ends of every stage's range of layers; one layer stays.
        as_printed: one kernel a stage, and one expansion where one range is printed.
        open_recipe: search the training too: `with_recipe` of `fbnetv3_recipe`.
        last_channels: (lowest, highest, step) of the last stage's width; (180, 240, 4) holds D's and E's.
        short: numbers of strided stages whose first layer is padded by one pixel less, as 3 and 5 in A, B and C.
        strides: of the first layer of each stage. By default the paper's, or, up to 64 px, 1,1,2,2,1,2,1, as
            `spaces.fbnet` has them.
        stem_stride: by default 2, or 1 up to 64 px.
        head_channels: of the head's last convolution.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    small = resolution <= LARGEST_SMALL_IMAGE
    strides = strides or (SMALL_IMAGE_STRIDES if small else STRIDES)
    lowest = resolution if lowest_resolution is None else lowest_resolution
    counts = {"num_classes": (num_classes, 2), "lowest resolution": (lowest, 8), "round_to": (round_to, 1)}
    counts |= {"fewer_layers": (fewer_layers, 0), "head_channels": (head_channels, 1)}
    problems = [f"{name} must be at least {low}, got {value}" for name, (value, low) in counts.items() if value < low]
    problems += _problems(width, last_channels, strides, short)
    if problems:
        raise InvalidValue(collected(problems, "fbnetv3"))
    widths = _Widths(width, round_to)
    low, high, step = last_channels
    rows = (*ROWS[:-1], replace(ROWS[-1], channels=(low, high, step)))
    stages = tuple(
        _stage(
            f"stages.{index}",
            _fewer(row, fewer_layers),
            widths,
            strides[index],
            Padding.SHORT if index in short else Padding.HALF,
            as_printed,
        )
        for index, row in enumerate(rows)
    )
    stem = Conv(widths.of(STEM), 3, stem_stride or (1 if small else 2), activation=Activation.HARD_SWISH)
    sizes = between(lowest, resolution, resolution_step)
    space = SearchSpace(Architecture(sizes, stem, stages, MBPool(head_channels), Classifier(num_classes)))
    return with_recipe(space, fbnetv3_recipe()) if open_recipe else space


def in_rows(architecture: Architecture) -> Architecture:
    """A network of the zoo with its layers grouped by rows of the table, as the space has them: then it can be encoded.

    The authors' code writes rows of one resolution as one stage. The last layer is a row of its own.
    """
    *first, last = architecture.stages
    rows = [tuple(row) for stage in first for _, row in groupby(stage, key=lambda layer: layer.out_channels)]
    return replace(architecture, stages=(*rows, last[:-1], last[-1:]))


@dataclass(frozen=True)
class _Widths:
    """Options of a width, scaled and rounded."""

    factor: float
    divisor: int

    def of(self, channels: tuple[int, int, int]) -> Any:
        """The distinct ones of (lowest, highest, step): a range, or one number."""
        low, high, step = channels
        exact = (value * self.factor for value in range(low, high + 1, step))
        options = tuple(dict.fromkeys(round_channels(value, self.divisor, FLOOR) for value in exact))
        return options[0] if len(options) == 1 else OneOf(options, ordered=True)


def _stage(path: str, row: Row, widths: _Widths, stride: int, padding: Padding, as_printed: bool) -> tuple[Block, ...]:
    """The first layer decides for itself, the second for all that follow; the width is the first one's."""
    channels, kernels, first = widths.of(row.channels), choice(3, 5), _expansion(row.first)
    rest, rest_kernels = first if row.rest is None else _expansion(row.rest), kernels
    if as_printed:
        rest_kernels = same(f"{path}.0.kernel_size")
        rest = _followed(first, f"{path}.0.expansion") if row.rest is None else rest
    followed = _followed(channels, f"{path}.0.out_channels")
    third = (_followed(rest_kernels, f"{path}.1.kernel_size"), _followed(rest, f"{path}.1.expansion"))
    layers = (
        _layer(row, channels, kernels, first, stride, padding),
        *(
            _layer(row, followed, *((rest_kernels, rest) if number == 1 else third))
            for number in range(1, row.layers[1])
        ),
    )
    return prefix(layers, *range(row.layers[0], row.layers[1] + 1))


def _layer(
    row: Row, channels: int, kernel: int, expansion: float, stride: int = 1, padding: Padding = Padding.HALF
) -> InvertedResidual:
    return InvertedResidual(
        channels,
        kernel,
        expansion,
        stride,
        squeeze=SQUEEZE if row.squeeze else None,
        activation=Activation.HARD_SWISH,
        expand_at_1=False,
        hidden_divisor=8,
        hidden_floor=FLOOR,
        padding=padding,
    )


def _expansion(values: tuple[float, float] | float) -> Any:
    return between(*values, 1.0) if isinstance(values, tuple) else values


def _followed(value: Any, path: str) -> Any:
    """What later layers say to have `value`, which is open at `path`, decided, or followed itself."""
    return same(path) if isinstance(value, OneOf) else value


def _fewer(row: Row, layers: int) -> Row:
    low, high = (max(1, count - layers) for count in row.layers)
    return replace(row, layers=(low, high))


def _problems(width: float, last: tuple[int, ...], strides: tuple[int, ...], short: tuple[int, ...]) -> list[str]:
    problems = [] if width > 0 else [f"width must be above 0, got {width}"]
    if len(last) != 3 or not (0 < last[0] <= last[1] and last[2] > 0 and (last[1] - last[0]) % last[2] == 0):
        problems.append(f"last_channels needs lowest, highest and a step that divides the range, got {last}")
    if len(strides) != len(ROWS):
        problems.append(f"strides need {len(ROWS)} entries, such as {STRIDES}, got {strides}")
        return problems
    wrong = [index for index in short if not 0 <= index < len(ROWS) or strides[index] == 1]
    if wrong:
        strided = [index for index, stride in enumerate(strides) if stride > 1]
        problems.append(f"short names the stages {wrong}; only those with a stride can be padded less: {strided}")
    return problems
