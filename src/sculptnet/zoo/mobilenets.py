"""The yardsticks that found networks meet.

MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381, table 2), MobileNetV3 (Howard et al., ICCV 2019, arXiv
1905.02244, tables 1 and 2).
"""

from __future__ import annotations

from typing import TypeAlias

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    InvertedResidual,
    MBPool,
    PooledConv,
    SqueezeExcite,
    round_channels,
)
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces.fbnet_space import LARGEST_SMALL_IMAGE, SMALL_IMAGE_STRIDES, STRIDES
from sculptnet.zoo.published import Published

EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
CHANNELS = (16, 24, 32, 64, 96, 160, 320)
LAYERS = (1, 2, 3, 4, 3, 3, 1)


def mobilenet_v2(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """MobileNetV2 with all widths times `width`, rounded to multiples of 8; the head is never below 1280.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: the paper's width multiplier; any number above 0.
        strides: of the first layer of each of the seven stages. By default the paper's (1,2,2,2,1,2,1) or, up to
            64 px, 1,1,2,2,1,2,1, as `spaces.fbnet` has them, so that the two compare.
        stem_stride: by default 2, or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    small = resolution <= LARGEST_SMALL_IMAGE
    strides = strides or (SMALL_IMAGE_STRIDES if small else STRIDES)
    problems = [f"width must be above 0, got {width}"] if width <= 0 else []
    if len(strides) != len(CHANNELS):
        problems.append(f"strides must have one entry for each of {len(CHANNELS)} stages, got {strides}")
    if problems:
        raise InvalidValue(collected(problems, "mobilenet_v2"))
    stages = tuple(
        tuple(_layer(round_channels(channels * width), expansion, stride if i == 0 else 1) for i in range(count))
        for expansion, channels, count, stride in zip(EXPANSIONS, CHANNELS, LAYERS, strides, strict=True)
    )
    stem = Conv(round_channels(32 * width), 3, stem_stride or (1 if small else 2), activation=Activation.RELU6)
    head = PooledConv(round_channels(1280 * max(1.0, width)), Activation.RELU6)
    return Architecture(resolution, stem, stages, head, Classifier(num_classes))


def _layer(out_channels: int, expansion: int, stride: int) -> Block:
    return InvertedResidual(out_channels, 3, expansion, stride, activation=Activation.RELU6, expand_at_1=False)


Rows: TypeAlias = tuple[tuple[int, int, tuple[int, ...], Activation, bool], ...]
V3_LARGE: Rows = (  # width, kernel, hidden widths of the layers, activation, squeeze-and-excitation
    (16, 3, (16,), Activation.RELU, False),
    (24, 3, (64, 72), Activation.RELU, False),
    (40, 5, (72, 120, 120), Activation.RELU, True),
    (80, 3, (240, 200, 184, 184), Activation.HARD_SWISH, False),
    (112, 3, (480, 672), Activation.HARD_SWISH, True),
    (160, 5, (672, 960, 960), Activation.HARD_SWISH, True),
)
V3_SMALL: Rows = (
    (16, 3, (16,), Activation.RELU, True),
    (24, 3, (72, 88), Activation.RELU, False),
    (40, 5, (96, 240, 240), Activation.HARD_SWISH, True),
    (48, 5, (120, 144), Activation.HARD_SWISH, True),
    (96, 5, (288, 576, 576), Activation.HARD_SWISH, True),
)
V3_LARGE_STRIDES, V3_SMALL_STRIDES = (1, 2, 2, 2, 1, 2), (2, 2, 2, 1, 2)


def mobilenet_v3_large(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """MobileNetV3-Large with all widths times `width`, hidden ones and the head's as well, rounded to multiples of 8.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: the paper's multiplier; any number above 0.
        strides: of the first layer of each stage. By default the paper's or, up to 64 px, the same with 1 where the
            first 2 is.
        stem_stride: by default 2, or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.

    Reference: Howard et al., Searching for MobileNetV3, ICCV 2019 (arXiv 1905.02244), table 1.
    """
    return _v3(V3_LARGE, V3_LARGE_STRIDES, 1280, num_classes, resolution, width, strides, stem_stride)


def mobilenet_v3_small(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """MobileNetV3-Small (table 2). The last convolution has no squeeze-and-excitation, as in the authors' code.

    Arguments and errors as for `mobilenet_v3_large`.
    """
    return _v3(V3_SMALL, V3_SMALL_STRIDES, 1024, num_classes, resolution, width, strides, stem_stride)


def _v3(
    rows: Rows,
    paper_strides: tuple[int, ...],
    head_channels: int,
    num_classes: int,
    resolution: int,
    width: float,
    strides: tuple[int, ...] | None,
    stem_stride: int | None,
) -> Architecture:
    small = resolution <= LARGEST_SMALL_IMAGE
    first = paper_strides.index(2)
    strides = strides or ((*paper_strides[:first], 1, *paper_strides[first + 1 :]) if small else paper_strides)
    problems = [f"width must be above 0, got {width}"] if width <= 0 else []
    if len(strides) != len(rows):
        problems.append(f"strides must have one entry for each of {len(rows)} stages, got {strides}")
    if problems:
        raise InvalidValue(collected(problems, "mobilenet_v3"))
    into = round_channels(16 * width)
    stem = Conv(into, 3, stem_stride or (1 if small else 2), activation=Activation.HARD_SWISH)
    stages = []
    for (channels, kernel, hidden_widths, activation, squeezed), stride in zip(rows, strides, strict=True):
        out, squeeze, layers = round_channels(channels * width), SqueezeExcite() if squeezed else None, []
        for index, hidden in enumerate(hidden_widths):
            layers.append(
                InvertedResidual(
                    out,
                    kernel,
                    _over(round_channels(hidden * width), into),
                    stride if index == 0 else 1,
                    squeeze=squeeze,
                    activation=activation,
                    expand_at_1=False,
                )
            )
            into = out
        stages.append(tuple(layers))
    head = MBPool(round_channels(head_channels * width), bias=True)
    return Architecture(resolution, stem, tuple(stages), head, Classifier(num_classes))


def _over(hidden: int, channels: int) -> float:
    """The expansion that gives `hidden`; a whole number where it is one, as search spaces write it."""
    return hidden // channels if hidden % channels == 0 else hidden / channels


_V3_PAPER = "Howard et al., Searching for MobileNetV3, ICCV 2019 (arXiv 1905.02244)"
_V3_PHONE = "Pixel 1, one big core"
ENTRIES = (
    Published(
        "mobilenet_v2",
        mobilenet_v2(),
        "Sandler et al., MobileNetV2, CVPR 2018 (arXiv 1801.04381), table 2",
        300e6,
        72.0,
        "both from the paper's table 4",
        "mobilenetv2_100",
        "mobilenet_v2",
    ),
    Published(
        "mobilenet_v3_large",
        mobilenet_v3_large(),
        f"{_V3_PAPER}, table 1",
        219e6,
        75.2,
        "multiply-adds and top-1: Once-for-All's table 1; latency, and 217 M: the published code's documents",
        "mobilenetv3_large_100",
        "mobilenet_v3_large",
        51.2,
        _V3_PHONE,
    ),
    Published(
        "mobilenet_v3_small",
        mobilenet_v3_small(),
        f"{_V3_PAPER}, table 2",
        None,
        67.5,
        "top-1 and latency: the published code's documents; the 66 M there do not fit the 57 M of table 2's layers",
        "mobilenetv3_small_100",
        "mobilenet_v3_small",
        15.8,
        _V3_PHONE,
    ),
)
