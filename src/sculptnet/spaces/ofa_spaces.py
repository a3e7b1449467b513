"""The three search spaces of Once-for-All (Cai et al., ICLR 2020, arXiv 1908.09791, section 3.2, and published code).

Up to 64 px the stem keeps the size and the first unit's stride is 1, as in `spaces.fbnet`, so that spaces compare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sculptnet.arch import Architecture, Block, OneOf, SearchSpace, choice, prefix, same
from sculptnet.blocks import (
    Activation,
    Bottleneck,
    Classifier,
    Conv,
    DeepStem,
    GlobalPool,
    InvertedResidual,
    MBPool,
    PooledConv,
    SqueezeExcite,
    round_channels,
)
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces.fbnet_space import LARGEST_SMALL_IMAGE

DEPTHS, EXPANSIONS, KERNEL_SIZES = (2, 3, 4), (3, 4, 6), (3, 5, 7)
PAPER_RESOLUTIONS = tuple(range(128, 225, 4))  # 25 sizes; specialised networks go up to 260 px

STRIDES = (1, 2, 2, 2, 1, 2)  # of the fixed first block and of the five units
SMALL_IMAGE_STRIDES = (1, 1, 2, 2, 1, 2)
MOBILENET_V3_UNITS = (  # width, activation, squeeze-and-excitation
    (24, Activation.RELU, False),
    (40, Activation.RELU, True),
    (80, Activation.HARD_SWISH, False),
    (112, Activation.HARD_SWISH, True),
    (160, Activation.HARD_SWISH, True),
)
PROXYLESS_CHANNELS = (24, 40, 80, 96, 192, 320)

RESNET_CHANNELS, RESNET_LAYERS = (256, 512, 1024, 2048), (2, 2, 4, 2)
RESNET_STRIDES = (1, 2, 2, 2)
RESNET_EXPANSIONS, RESNET_WIDTHS, RESNET_EXTRA_LAYERS = (0.2, 0.25, 0.35), (0.65, 0.8, 1.0), (0, 1, 2)


def ofa_mobilenet_v3(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    resolutions: tuple[int, ...] = (),
    depths: tuple[int, ...] = DEPTHS,
    expansions: tuple[int, ...] = EXPANSIONS,
    kernel_sizes: tuple[int, ...] = KERNEL_SIZES,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> SearchSpace:
    """Five units of 2 to 4 layers, each with its own kernel and expansion: 7371**5 = 2.18e19 networks per resolution.

    The backbone is MobileNetV3-Large's: ReLU in the first two units, h-swish behind them; squeeze-and-excitation to a
    quarter of the hidden width in units 2, 4 and 5; the widths of units are fixed.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: factor on all widths, rounded to multiples of 8: 1.0 and 1.2 are published.
        resolutions: open sizes, the largest of them `resolution`; `PAPER_RESOLUTIONS` in the paper. Without any, the
            resolution is decided.
        depths: layers of a unit.
        expansions: hidden width over input width.
        kernel_sizes: of the depthwise convolutions.
        strides: of the fixed first block and of each unit's first layer. By default the paper's, 1,2,2,2,1,2, or, up
            to 64 px, 1,1,2,2,1,2.
        stem_stride: by default 2, or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    strides, stem_stride = _strides(resolution, strides, stem_stride)
    _check("ofa_mobilenet_v3", num_classes, resolution, resolutions, width, strides, STRIDES)
    unit = _units(depths, expansions, kernel_sizes)
    first = round_channels(16 * width)
    stages: list[tuple[Block, ...]] = [(InvertedResidual(first, 3, 1, strides[0], expand_at_1=False),)]
    for (channels, activation, squeezed), stride in zip(MOBILENET_V3_UNITS, strides[1:], strict=True):
        squeeze = SqueezeExcite() if squeezed else None
        stages.append(unit(round_channels(channels * width), stride, activation, squeeze))
    stem = Conv(first, 3, stem_stride, activation=Activation.HARD_SWISH)
    head = MBPool(round_channels(1280 * width))
    return SearchSpace(Architecture(_open(resolution, resolutions), stem, tuple(stages), head, Classifier(num_classes)))


def ofa_proxyless(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.3,
    resolutions: tuple[int, ...] = (),
    depths: tuple[int, ...] = DEPTHS,
    expansions: tuple[int, ...] = EXPANSIONS,
    kernel_sizes: tuple[int, ...] = KERNEL_SIZES,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> SearchSpace:
    """Once-for-All's space for GPUs and CPUs: ProxylessNAS's backbone, ReLU6, no squeeze-and-excitation.

    Five units as in `ofa_mobilenet_v3`, then one more layer of open kernel and expansion: 9 * 7371**5 networks. The
    published supernet has width 1.3. Its batch norm has epsilon 1e-3, ours torch's 1e-5: adding the difference to
    the running variances makes published weights compute the same.

    Args:
        num_classes, resolution, width, resolutions, depths, expansions, kernel_sizes: as in `ofa_mobilenet_v3`.
        strides: of the fixed first block and of each unit's first layer; the last layer has stride 1.
        stem_stride: by default 2, or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    strides, stem_stride = _strides(resolution, strides, stem_stride)
    _check("ofa_proxyless", num_classes, resolution, resolutions, width, strides, STRIDES)
    unit = _units(depths, expansions, kernel_sizes)
    activation = Activation.RELU6
    first = InvertedResidual(round_channels(16 * width), 3, 1, strides[0], activation=activation, expand_at_1=False)
    *channels, last = (round_channels(count * width) for count in PROXYLESS_CHANNELS)
    units = [unit(count, stride, activation, None) for count, stride in zip(channels, strides[1:], strict=True)]
    stages = ((first,), *units, _units((1,), expansions, kernel_sizes)(last, 1, activation, None))
    stem = Conv(round_channels(32 * width), 3, stem_stride, activation=activation)
    head = PooledConv(round_channels(1280 * width), activation)
    return SearchSpace(Architecture(_open(resolution, resolutions), stem, stages, head, Classifier(num_classes)))


def ofa_resnet50(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    resolutions: tuple[int, ...] = (),
    widths: tuple[float, ...] = RESNET_WIDTHS,
    expansions: tuple[float, ...] = RESNET_EXPANSIONS,
    extra_layers: tuple[int, ...] = RESNET_EXTRA_LAYERS,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> SearchSpace:
    """ResNet-50D with open widths, bottleneck ratios and depth: 2,2,4,2 layers and up to two more in each stage.

    A width for each stage and for both parts of the stem, a ratio for every layer; the stem's middle convolution may
    be left out. The stem's inner widths 0.65 and 0.8 round to the same 24 channels, which is one option here.

    Args:
        num_classes, resolution, resolutions: as in `ofa_mobilenet_v3`.
        width: factor on all widths, beside the open ones; 1.0 in the published space.
        widths: open factors on a stage's width and on the stem's, rounded to multiples of 8.
        expansions: inner width of a bottleneck over its output width.
        extra_layers: open numbers of layers beyond 2,2,4,2.
        strides: of the first layer of each stage, by default 1,2,2,2.
        stem_stride: by default 4 (a strided convolution and max pooling), or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    strides = strides or RESNET_STRIDES
    stem_stride = stem_stride or (1 if resolution <= LARGEST_SMALL_IMAGE else 4)
    _check("ofa_resnet50", num_classes, resolution, resolutions, width, strides, RESNET_STRIDES)
    outs = [round_channels(64 * width * factor) for factor in widths]
    stem = DeepStem(
        choice(*outs), choice(*(round_channels(out // 2) for out in outs)), choice(True, False), stem_stride
    )
    stages = []
    for index, (channels, layers, stride) in enumerate(zip(RESNET_CHANNELS, RESNET_LAYERS, strides, strict=True)):
        out = choice(*(round_channels(channels * width * factor) for factor in widths))
        rest = _followed(out, f"stages.{index}.0.out_channels")
        blocks = [Bottleneck(out, choice(*expansions), stride=stride)]
        blocks += [Bottleneck(rest, choice(*expansions)) for _ in range(1, layers + max(extra_layers))]
        stages.append(prefix(tuple(blocks), *(layers + extra for extra in extra_layers)))
    head = GlobalPool(rest)
    return SearchSpace(Architecture(_open(resolution, resolutions), stem, tuple(stages), head, Classifier(num_classes)))


def _units(
    depths: tuple[int, ...], expansions: tuple[int, ...], kernel_sizes: tuple[int, ...]
) -> Callable[[int, int, Activation, SqueezeExcite | None], tuple[Block, ...]]:
    """A function that makes one unit of open depth: width and stride of its first layer, activation, squeeze."""

    def unit(
        out_channels: int, stride: int, activation: Activation, squeeze: SqueezeExcite | None
    ) -> tuple[Block, ...]:
        kernel, expansion = choice(*kernel_sizes), choice(*expansions)
        layers = tuple(
            InvertedResidual(
                out_channels,
                kernel,
                expansion,
                stride if index == 0 else 1,
                squeeze=squeeze,
                activation=activation,
                expand_at_1=False,
            )
            for index in range(max(depths))
        )
        return prefix(layers, *depths)

    return unit


def _followed(width: int, path: str) -> Any:
    """What later layers say to have `width`, which is open at `path` or decided."""
    return same(path) if isinstance(width, OneOf) else width


def _open(resolution: int, resolutions: tuple[int, ...]) -> int:
    return choice(*resolutions) if resolutions else resolution


def _strides(resolution: int, strides: tuple[int, ...] | None, stem_stride: int | None) -> tuple[tuple[int, ...], int]:
    small = resolution <= LARGEST_SMALL_IMAGE
    return strides or (SMALL_IMAGE_STRIDES if small else STRIDES), stem_stride or (1 if small else 2)


def _check(
    name: str,
    num_classes: int,
    resolution: int,
    resolutions: tuple[int, ...],
    width: float,
    strides: tuple[int, ...],
    expected: tuple[int, ...],
) -> None:
    problems = [
        f"{what} must be at least {low}, got {value}"
        for what, value, low in (("num_classes", num_classes, 2), ("resolution", min((resolution, *resolutions)), 8))
        if value < low
    ]
    if resolutions and max(resolutions) != resolution:
        problems.append(f"resolution must be the largest of resolutions ({max(resolutions)}), got {resolution}")
    if width <= 0:
        problems.append(f"width must be above 0, got {width}")
    if len(strides) != len(expected):
        problems.append(f"strides need {len(expected)} entries, such as {expected}, got {strides}")
    if problems:
        raise InvalidValue(collected(problems, name))
