"""The space of NAS-Bench-Macro (Su et al., CVPR 2021, arXiv 2103.11922)."""

from __future__ import annotations

from sculptnet.arch import Architecture, Block, SearchSpace, choice
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.errors import InvalidValue, collected

STEM_CHANNELS, CHANNELS, HEAD_CHANNELS = 32, (64, 128, 256), 1280
LAYERS = (2, 3, 3)


def nas_bench_macro(num_classes: int = 10, resolution: int = 32) -> SearchSpace:
    """Eight layers with three candidates each: 6,561 networks, all of which were trained on CIFAR-10.

    Option 0 of a layer is the identity, or, in the first layer of a stage, a 1x1 convolution with stride 2 and batch
    norm, without activation; 1 and 2 are inverted residuals with kernel 3 and expansion 3, and with 5 and 6. So a row
    of choices is the key of the published table (`evaluate.read_nas_bench_macro`), whose parameters and multiply-adds
    are exactly ours.

    An identity before and one after a block of the same stage are the same function: 3,969 of the 6,561 differ in more
    than names, and the table says the same of equal ones.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    problems = [
        f"{name} must be at least {low}, got {value}"
        for name, value, low in (("num_classes", num_classes, 2), ("resolution", resolution, 8))
        if value < low
    ]
    if problems:
        raise InvalidValue(collected(problems, "nas_bench_macro"))
    stages = tuple(
        tuple(layer(width, stride=2 if index == 0 else 1) for index in range(count))
        for width, count in zip(CHANNELS, LAYERS, strict=True)
    )
    stem, head = Conv(STEM_CHANNELS), PooledConv(HEAD_CHANNELS)
    return SearchSpace(Architecture(resolution, stem, stages, head, Classifier(num_classes)))


def layer(out_channels: int, stride: int) -> Block:
    """One layer: the three candidates in the order of the table's digits."""
    shortcut = Skip(out_channels) if stride == 1 else Conv(out_channels, 1, stride, activation=Activation.NONE)
    blocks = (InvertedResidual(out_channels, size, expansion, stride) for size, expansion in ((3, 3), (5, 6)))
    return choice(shortcut, *blocks)
