"""The networks of MnasNet (Tan et al., CVPR 2019, arXiv 1807.11626, figure 7 and published code).

Weights that were trained with TensorFlow need its padding and its batch norm's epsilon of 1e-3; these networks pad
symmetrically, as those of timm and torchvision do, whose weights fit. A2, A3 and "search1" were never published.
"""

from __future__ import annotations

from dataclasses import replace

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Classifier, Conv, MnasNetLayer, Operation, PooledConv, Shortcut, round_channels
from sculptnet.blocks.mnasnet_layer import QUARTER_OF_INPUT
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces.fbnet_space import LARGEST_SMALL_IMAGE, SMALL_IMAGE_STRIDES, STRIDES
from sculptnet.zoo.published import Published
from sculptnet.zoo.tables import Word, stages

PAPER = "Tan et al., MnasNet, CVPR 2019 (arXiv 1807.11626)"
FLAGS = frozenset({"se", "alone"})  # squeeze-and-excitation, no shortcut
HEAD_CHANNELS = 1280
OPERATIONS = {1: Operation.SEPARABLE, 3: Operation.MBCONV3, 6: Operation.MBCONV6}

A1 = """
    k3_e1_c16_alone
    2*k3_e6_c24
    3*k5_e3_c40_se
    4*k3_e6_c80
    2*k3_e6_c112_se
    3*k5_e6_c160_se
    k3_e6_c320
"""
B1 = """
    k3_e1_c16_alone
    3*k3_e3_c24
    3*k5_e3_c40
    3*k5_e6_c80
    2*k3_e6_c96
    4*k5_e6_c192
    k3_e6_c320
"""
SMALL = """
    k3_e1_c8_alone
    k3_e3_c16
    2*k3_e6_c16
    4*k5_e6_c32_se
    3*k3_e6_c32_se
    3*k5_e6_c88_se
    k3_e6_c144
"""


def mnasnet_a1(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """MnasNet-A1, with squeeze-and-excitation; all widths but the head's times `width`, in multiples of 8.

    Args:
        num_classes: logits.
        resolution: height and width of the images, pixels.
        width: the published depth multiplier; any number above 0.
        strides: of the first layer of each of the seven stages. By default the paper's (1,2,2,2,1,2,1) or, up to
            64 px, 1,1,2,2,1,2,1, as `spaces.mnasnet` has them.
        stem_stride: by default 2, or 1 up to 64 px.

    Raises:
        InvalidValue: with everything that is wrong.
    """
    return from_table(A1, 32, num_classes, resolution, width, strides, stem_stride)


def mnasnet_b1(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """MnasNet-B1, found in the space without squeeze-and-excitation. Arguments and errors as for `mnasnet_a1`."""
    return from_table(B1, 32, num_classes, resolution, width, strides, stem_stride)


def mnasnet_small(
    num_classes: int = 1000,
    resolution: int = 224,
    *,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """MnasNet-small, the paper's "search2" for 22 ms. Arguments and errors as for `mnasnet_a1`.

    Its first layer has no shortcut: the authors' code declares 16 input channels there, where the stem leaves 8, and so
    adds nothing.
    """
    return from_table(SMALL, 8, num_classes, resolution, width, strides, stem_stride)


def from_table(
    table: str,
    stem_channels: int,
    num_classes: int = 1000,
    resolution: int = 224,
    width: float = 1.0,
    strides: tuple[int, ...] | None = None,
    stem_stride: int | None = None,
) -> Architecture:
    """The network whose stages `table` writes down (`zoo.tables`; flags `se`, `alone`); the rest as in `mnasnet_a1`."""
    rows = stages(table, FLAGS, _layer)
    small = resolution <= LARGEST_SMALL_IMAGE
    strides = strides or (SMALL_IMAGE_STRIDES if small else STRIDES)
    problems = [f"width must be above 0, got {width}"] if width <= 0 else []
    if len(strides) != len(rows):
        problems.append(f"strides must have one entry for each of {len(rows)} stages, got {strides}")
    if problems:
        raise InvalidValue(collected(problems, "mnasnet"))
    scaled = tuple(
        tuple(_scaled(layer, width, stride if index == 0 else 1) for index, layer in enumerate(row))
        for row, stride in zip(rows, strides, strict=True)
    )
    stem = Conv(round_channels(stem_channels * width), 3, stem_stride or (1 if small else 2))
    return Architecture(resolution, stem, scaled, PooledConv(HEAD_CHANNELS), Classifier(num_classes))


def _layer(word: Word) -> Block:
    return MnasNetLayer(
        word.out_channels,
        OPERATIONS[int(word.expansion)],
        word.kernel_size,
        QUARTER_OF_INPUT if "se" in word.flags else None,
        Shortcut.NONE if "alone" in word.flags else Shortcut.IDENTITY,
    )


def _scaled(layer: Block, width: float, stride: int) -> Block:
    assert isinstance(layer, MnasNetLayer)
    return replace(layer, out_channels=round_channels(layer.out_channels * width), stride=stride)


_PIXEL = "Pixel 1, one big core"
_GRID = "all numbers from the published code's table of multipliers, multiply-adds 1 to 3 % above those counted here"
ENTRIES = (
    Published(
        "mnasnet_a1",
        mnasnet_a1(),
        f"{PAPER}, figure 7",
        312e6,
        75.2,
        "all numbers from the paper's table 1",
        "semnasnet_100",
        latency_ms=78,
        latency_device=_PIXEL,
    ),
    *(
        Published(
            f"mnasnet_a1_{round(100 * width):03}",
            mnasnet_a1(width=width),
            f"{PAPER}, figure 7",
            macs,
            top1,
            _GRID,
            timm,
            latency_ms=latency_ms,
            latency_device=_PIXEL,
        )
        for width, macs, top1, latency_ms, timm in (
            (0.35, 63.2e6, 64.1, 22, None),
            (0.5, 105.2e6, 68.9, 32, "semnasnet_050"),
            (0.75, 226.7e6, 73.3, 61, "semnasnet_075"),
            (1.4, 591.5e6, 77.2, 135, "semnasnet_140"),
        )
    ),
    Published(
        "mnasnet_b1",
        mnasnet_b1(),
        f"{PAPER}, published code",
        315e6,
        74.5,
        "both recalled from the published code's documents",
        "mnasnet_100",
        "mnasnet1_0",
    ),
    Published(
        "mnasnet_small",
        mnasnet_small(),
        f"{PAPER}, table 4 (search2) and published code",
        68e6,
        66.0,
        "all numbers from the paper's table 4; timm's network of that name is mnasnet_small_residual",
        latency_ms=23.2,
        latency_device=_PIXEL,
    ),
    Published(
        "mnasnet_small_residual",
        from_table(SMALL.replace("_alone", ""), 8),
        f"{PAPER}, as timm builds it",
        None,
        None,
        "the first layer adds its input, as timm's mnasnet_small does; no numbers published with the paper",
        "mnasnet_small",
    ),
)
