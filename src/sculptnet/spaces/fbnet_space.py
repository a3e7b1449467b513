"""FBNet's search space (Wu et al., CVPR 2019, arXiv 1812.03443, tables 1 and 2)."""

from __future__ import annotations

from sculptnet.arch import Architecture, Block, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.blocks.squeeze import round_channels
from sculptnet.errors import InvalidValue, collected, suggestion

CHANNELS = (16, 24, 32, 64, 112, 184, 352)
LAYERS = (1, 4, 4, 4, 4, 4, 1)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
SMALL_IMAGE_STRIDES = (1, 1, 2, 2, 1, 2, 1)
LARGEST_SMALL_IMAGE = 64  # pixels; up to here the stem keeps the size and the strides above are used
CANDIDATES = ("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip")


def fbnet(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    channels: tuple[int, ...] = CHANNELS,
    layers: tuple[int, ...] = LAYERS,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
    stem_channels: int | None = None,
    head_channels: int | None = None,
) -> SearchSpace:
    """22 layers with 9 candidates each: 9**22 networks. Stem, head and classifier are fixed.

    The paper's scaled spaces (section 4.2) are `(resolution, width)` = (224, 0.35), (192, 0.50), (128, 1.0),
    (128, 0.50) and (96, 0.35). Widths are rounded to multiples of 8; the widths that the authors released for 96 px
    and 0.35 differ from any such rounding and are given by `channels=(8, 16, 16, 24, 40, 72, 128)`,
    `head_channels=1416`.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: factor on all widths but the head's, which it never shrinks.
        channels, layers: width and number of layers of each stage, before `width`.
        strides: of the first layer of each stage. By default the paper's, or, up to 64 px, 1,1,2,2,1,2,1, as
            HW-NAS-Bench uses on CIFAR.
        stem_stride: by default 2, or 1 up to 64 px.
        stem_channels: by default 16 times `width`.
        head_channels: by default 1984 (FBNet-B and -C); FBNet-A, -S8 and -iPhoneX have 1504.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    small = resolution <= LARGEST_SMALL_IMAGE
    strides = strides or (SMALL_IMAGE_STRIDES if small else STRIDES)
    stem_stride = stem_stride or (1 if small else 2)
    problems = [
        f"{name} must be at least {low}, got {value}"
        for name, value, low in (("num_classes", num_classes, 2), ("resolution", resolution, 8))
        if value < low
    ]
    if width <= 0:
        problems.append(f"width must be above 0, got {width}")
    if not len(channels) == len(layers) == len(strides):
        problems.append(
            f"channels, layers and strides need one entry per stage, got {len(channels)}, {len(layers)} "
            f"and {len(strides)}"
        )
    if problems:
        raise InvalidValue(collected(problems, "fbnet"))
    stages = tuple(
        tuple(layer(round_channels(depth * width), stride if index == 0 else 1) for index in range(count))
        for depth, count, stride in zip(channels, layers, strides, strict=True)
    )
    stem = Conv(stem_channels or round_channels(16 * width), 3, stem_stride)
    head = PooledConv(head_channels or max(1984, round_channels(1984 * width)))
    return SearchSpace(Architecture(resolution, stem, stages, head, Classifier(num_classes)))


def layer(out_channels: int, stride: int) -> Block:
    """One searchable layer: the nine candidates of table 2, in the order of `CANDIDATES`."""
    return choice(*(candidate(name, out_channels, stride) for name in CANDIDATES))


def candidate(name: str, out_channels: int, stride: int) -> Block:
    """The candidate of that name; a list of names types a published network in as it is printed.

    Raises:
        InvalidValue: no candidate has that name.
    """
    if name not in CANDIDATES:
        raise InvalidValue(f"fbnet has no candidate {name!r}; {suggestion(name, CANDIDATES)}")
    if name == "skip":
        return Skip(out_channels, stride)
    kernel, expansion, groups = name[1:2], name.partition("_e")[2][:1], name.partition("_g")[2] or "1"
    return InvertedResidual(out_channels, int(kernel), int(expansion), stride, int(groups))
