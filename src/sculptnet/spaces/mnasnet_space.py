"""MnasNet's factorised hierarchical search space (Tan et al., CVPR 2019, arXiv 1807.11626, section 4.1)."""

from __future__ import annotations

from typing import Any

from sculptnet.arch import Architecture, Block, OneOf, SearchSpace, choice, prefix, same
from sculptnet.blocks import Classifier, Conv, MnasNetLayer, Operation, PooledConv, Shortcut, round_channels
from sculptnet.blocks.mnasnet_layer import QUARTER_OF_INPUT
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces.fbnet_space import LARGEST_SMALL_IMAGE, SMALL_IMAGE_STRIDES, STRIDES

LAYERS = (2, 3, 4, 3, 3)  # MobileNetV2's stages of 24, 32, 64, 96 and 160 channels
FILTERS = ((16, 24, 32), (24, 32, 40), (48, 64, 80), (72, 96, 120), (120, 160, 200))
PUBLISHED_FILTERS = (*FILTERS[:3], (72, 96, 112, 120), (120, 160, 192, 200))


def mnasnet(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    filters: tuple[tuple[int, ...], ...] = FILTERS,
    layers: tuple[int, ...] = LAYERS,
    squeeze: bool = True,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
    stem_channels: int | None = None,
    first_channels: int | None = None,
    last_channels: int | None = None,
    head_channels: int = 1280,
) -> SearchSpace:
    """Five stages with one joint decision each: 432**5 = 1.5e13 networks.

    A stage decides operation (4), kernel (3 or 5), squeeze-and-excitation (none or 0.25), shortcut (3), filters
    (3) and number of layers (MobileNetV2's and one less or more); all layers of the stage follow. Decisions of a stage
    are named after its first layer, such as `stages.1.0.kernel_size`. Stem, first stage, last stage, head and
    classifier are fixed.

    Where the paper is silent, this is what we chose. The searched stages are MobileNetV2's of 24 to 160 channels: five
    of them with 432 options each is the paper's own example of a size. 432 needs four operations; the paper names
    three, and MBConv with the expansions 3 and 6 that its networks have makes four. 0.75 and 1.25 of 24 channels, 18
    and 30, are rounded to 16 and 32. "Pooling" as shortcut adds the mean of 3x3 pixels, at the layer's stride;
    shortcuts exist only where the width stays, so a stage of one layer that changes the width is the same network with
    any of the three. Squeeze-and-excitation follows the activation of the kxk convolution, of a regular one too, and
    squeezes to a quarter of the layer's input, as in the published networks.

    The published networks do not lie on the paper's grid of filters: A1 has 112 where it allows 72, 96 and 120, B1 has
    192 where it allows 120, 160 and 200. `filters=PUBLISHED_FILTERS` adds the two.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: factor on all widths but the head's, rounded to multiples of 8.
        filters: open widths of each searched stage, before `width`.
        layers: middle of the three numbers of layers of each searched stage; at least one layer stays.
        squeeze: search squeeze-and-excitation; without, the space that MnasNet-B1 is from.
        strides: of the first layer of each of the seven stages. By default MobileNetV2's, 1,2,2,2,1,2,1, or, up to
            64 px, 1,1,2,2,1,2,1, as `spaces.fbnet` has them.
        stem_stride: by default 2, or 1 up to 64 px.
        stem_channels, first_channels, last_channels: by default 32, 16 and 320 times `width`.
        head_channels: of the last convolution; `width` leaves it alone.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    small = resolution <= LARGEST_SMALL_IMAGE
    strides = strides or (SMALL_IMAGE_STRIDES if small else STRIDES)
    _check(num_classes, resolution, width, filters, layers, strides)
    first = fixed_first(first_channels or round_channels(16 * width), strides[0])
    stages: list[tuple[Block, ...]] = [(first,)]
    for index, (options, count) in enumerate(zip(filters, layers, strict=True), start=1):
        widths = tuple(round_channels(option * width) for option in options)
        stages.append(_stage(f"stages.{index}", widths, count, strides[index], squeeze))
    stages.append((MnasNetLayer(last_channels or round_channels(320 * width), stride=strides[-1]),))
    stem = Conv(stem_channels or round_channels(32 * width), 3, stem_stride or (1 if small else 2))
    head, classifier = PooledConv(head_channels), Classifier(num_classes)
    return SearchSpace(Architecture(resolution, stem, tuple(stages), head, classifier))


def fixed_first(out_channels: int, stride: int) -> MnasNetLayer:
    """The first layer of every network: a depthwise-separable convolution without shortcut."""
    return MnasNetLayer(out_channels, Operation.SEPARABLE, shortcut=Shortcut.NONE, stride=stride)


def _stage(path: str, widths: tuple[int, ...], layers: int, stride: int, squeeze: bool) -> tuple[Block, ...]:
    """One searched stage: its first layer decides, the others follow."""
    first = MnasNetLayer(
        choice(*widths),
        choice(*Operation),
        choice(3, 5),
        choice(None, QUARTER_OF_INPUT) if squeeze else None,
        choice(*Shortcut),
        stride,
    )
    names = ("out_channels", "operation", "kernel_size", "squeeze", "shortcut")
    followed = {name: _followed(getattr(first, name), f"{path}.0.{name}") for name in names}
    depths = [count for count in (layers - 1, layers, layers + 1) if count >= 1]
    return prefix((first, *(MnasNetLayer(**followed) for _ in range(layers))), *depths)


def _followed(value: Any, path: str) -> Any:
    """What the later layers say to have `value`, which is open at `path` or decided."""
    return same(path) if isinstance(value, OneOf) else value


def _check(
    num_classes: int,
    resolution: int,
    width: float,
    filters: tuple[tuple[int, ...], ...],
    layers: tuple[int, ...],
    strides: tuple[int, ...],
) -> None:
    problems = [
        f"{name} must be at least {low}, got {value}"
        for name, value, low in (("num_classes", num_classes, 2), ("resolution", resolution, 8))
        if value < low
    ]
    if width <= 0:
        problems.append(f"width must be above 0, got {width}")
    if not (len(filters) == len(layers) == len(strides) - 2 > 0):
        problems.append(
            "filters and layers need one entry per searched stage, strides two more, for the first and the last stage; "
            f"got {len(filters)}, {len(layers)} and {len(strides)}"
        )
    problems += [f"filters.{index} is empty; name at least one width" for index, row in enumerate(filters) if not row]
    problems += [f"layers must be at least 1, got {count}" for count in layers if count < 1]
    if problems:
        raise InvalidValue(collected(problems, "mnasnet"))
