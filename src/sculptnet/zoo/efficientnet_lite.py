"""EfficientNet-Lite (published code, github.com/tensorflow/tpu, models/official/efficientnet/lite).

EfficientNet (Tan and Le, ICML 2019, arXiv 1905.11946, table 1) for runtimes that lack its slower operations: ReLU6, no
squeeze-and-excitation; width and depth scale neither the stem and the head nor the first and the last stage's depth.
"""

from __future__ import annotations

import math

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, Padding, PooledConv, round_channels
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces.fbnet_space import LARGEST_SMALL_IMAGE, SMALL_IMAGE_STRIDES
from sculptnet.zoo.published import Published

STAGES = ((3, 1, 16, 1), (3, 6, 24, 2), (5, 6, 40, 2), (3, 6, 80, 3), (5, 6, 112, 3), (5, 6, 192, 4), (3, 6, 320, 1))
STRIDES = (1, 2, 2, 2, 1, 2, 1)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


def efficientnet_lite0(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    padding: Padding = Padding.SAME,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """EfficientNet-Lite0; the larger ones by `resolution`, `width` and `depth`.

    Published weights were trained with batch norm of epsilon 1e-3, ours has torch's 1e-5: adding the difference to the
    running variances makes them compute the same.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: factor on widths, rounded to multiples of 8; not on stem and head.
        depth: factor on the layers of stages, rounded up; not on the first and the last stage.
        padding: of strided convolutions. Published weights need TensorFlow's; a network of your own may do without.
        strides: of the first layer of each of the seven stages. By default 1,2,2,2,1,2,1 or, up to 64 px,
            1,1,2,2,1,2,1, as `spaces.fbnet` has them.
        stem_stride: by default 2, or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    small = resolution <= LARGEST_SMALL_IMAGE
    strides = strides or (SMALL_IMAGE_STRIDES if small else STRIDES)
    problems = [
        f"{name} must be above 0, got {value}" for name, value in (("width", width), ("depth", depth)) if value <= 0
    ]
    if len(strides) != len(STAGES):
        problems.append(f"strides must have one entry for each of {len(STAGES)} stages, got {strides}")
    if problems:
        raise InvalidValue(collected(problems, "efficientnet_lite0"))
    stages: list[tuple[Block, ...]] = []
    for index, ((kernel, expansion, channels, layers), stride) in enumerate(zip(STAGES, strides, strict=True)):
        count = layers if index in (0, len(STAGES) - 1) else math.ceil(layers * depth)
        out = round_channels(channels * width)
        stages.append(tuple(_layer(out, kernel, expansion, stride if i == 0 else 1, padding) for i in range(count)))
    stem_stride = stem_stride or (1 if small else 2)
    stem = Conv(STEM_CHANNELS, 3, stem_stride, activation=Activation.RELU6, padding=padding)
    head = PooledConv(HEAD_CHANNELS, Activation.RELU6)
    return Architecture(resolution, stem, tuple(stages), head, Classifier(num_classes))


def _layer(out_channels: int, kernel_size: int, expansion: int, stride: int, padding: Padding) -> Block:
    return InvertedResidual(
        out_channels,
        kernel_size,
        expansion,
        stride,
        activation=Activation.RELU6,
        expand_at_1=False,
        padding=padding,
    )


ENTRIES = tuple(
    Published(
        f"efficientnet_lite{number}",
        efficientnet_lite0(resolution=resolution, width=width, depth=depth),
        "EfficientNet-Lite, published code; Tan and Le, EfficientNet, ICML 2019 (arXiv 1905.11946), table 1",
        macs,
        top1,
        "all numbers from the published code's documents: float weights, float latency; their multiply-adds are 3 to "
        "6 % above those of convolutions and linear layers",
        f"tf_efficientnet_lite{number}",
        latency_ms=latency_ms,
        latency_device="Pixel 4 CPU, 4 threads",
    )
    for number, (resolution, width, depth, macs, top1, latency_ms) in enumerate(
        (
            (224, 1.0, 1.0, 407e6, 75.1, 12),
            (240, 1.0, 1.1, 631e6, 76.7, 18),
            (260, 1.1, 1.2, 899e6, 77.6, 26),
            (280, 1.2, 1.4, 1.44e9, 79.8, 41),
            (300, 1.4, 1.8, 2.64e9, 81.5, 76),
        )
    )
)
