"""MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381, table 2): the yardstick that found networks meet."""

from __future__ import annotations

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, PooledConv, round_channels
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
)
