"""The networks of FBNet (Wu et al., CVPR 2019, arXiv 1812.03443), layer by layer as published.

Every layer keeps its first 1x1 convolution at expansion 1, as the code of the paper's time does; counted so,
multiply-adds and weights equal the authors' model files to the last digit. (Facebook's later library drops that
convolution, which gives other networks of the same names.)
"""

from __future__ import annotations

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.errors import InvalidValue
from sculptnet.spaces.fbnet_space import CHANNELS, STRIDES, candidate
from sculptnet.zoo.published import Published

PAPER = "Wu et al., FBNet, CVPR 2019 (arXiv 1812.03443), figure 4"
STACKED = "k3x2_e6"  # two 3x3 depthwise convolutions in a row: not among the nine candidates, but in FBNet-B and -C

# One stage between two bars, layers in order.
FBNET_A = """
    skip | k3_e3 k3_e1 skip skip | k5_e6 k3_e3 k5_e1 k3_e3 | k5_e6 k5_e3 k5_e1_g2 k5_e6
    | k3_e6 k5_e1_g2 k5_e3 k3_e1_g2 | k5_e6 k5_e6 k5_e3 k5_e6 | k5_e6
"""
FBNET_B = """
    k3_e1 | k3_e6 k5_e1 k3_e1 k3_e1 | k5_e6 k5_e3 k3_e6 k3x2_e6 | k5_e6 k5_e1 skip k5_e3
    | k5_e6 k3_e1 k5_e1 k5_e3 | k5_e6 k5_e1 k5_e6 k5_e6 | k3_e6
"""
FBNET_C = """
    k3_e1 | k3_e6 skip k3_e1 k3_e1 | k5_e6 k5_e3 k3x2_e6 k3_e6 | k5_e6 k5_e3 k5_e6 k5_e6
    | k5_e6 k3x2_e6 k5_e6 k5_e3 | k5_e6 k5_e6 k5_e6 k5_e6 | k3_e6
"""
FBNET_S8 = """
    k3_e1 | k3_e3 k3_e1 skip skip | k5_e6 k3_e3 k3_e3 k3_e6 | k5_e6 k5_e3 k5_e3 k5_e3
    | k3_e6 k5_e3 k5_e3 k5_e3 | k5_e6 k5_e6 k5_e3 k5_e6 | k5_e6
"""
FBNET_IPHONEX = """
    skip | k3_e6 k3_e1 k3_e1 k3_e1 | k3_e6 k3_e6 k3_e6 k3_e6 | k3_e6 k3_e6 k3_e3 k3_e6
    | k3_e6 k3_e3 k3_e3 k3_e3 | k5_e6 k5_e6 k5_e6 k5_e3 | k5_e6
"""
FBNET_96_035_1 = """
    k3_e1 | k3_e6 k3_e6 skip skip | k5_e6 k5_e6 skip skip | k5_e6 skip skip skip
    | k3_e6 skip skip skip | k5_e6 k5_e6 skip skip | k5_e6
"""
CHANNELS_96_035 = (8, 16, 16, 24, 40, 72, 128)


def from_table(
    table: str,
    *,
    head_channels: int,
    num_classes: int = 1000,
    resolution: int = 224,
    channels: tuple[int, ...] = CHANNELS,
    strides: tuple[int, ...] = STRIDES,
    stem_channels: int = 16,
    stem_stride: int = 2,
) -> Architecture:
    """The network whose layers `table` names: candidates of `spaces.fbnet` or `k3x2_e6`, stages between bars.

    Raises:
        InvalidValue: another number of stages than `channels` and `strides` have, or an unknown layer.
    """
    rows = [stage.split() for stage in table.split("|")]
    if not len(rows) == len(channels) == len(strides):
        raise InvalidValue(
            f"table, channels and strides need one entry per stage, got {len(rows)}, {len(channels)} and {len(strides)}"
        )
    stages = tuple(
        tuple(_layer(name, width, stride if index == 0 else 1) for index, name in enumerate(names))
        for names, width, stride in zip(rows, channels, strides, strict=True)
    )
    stem, head = Conv(stem_channels, 3, stem_stride), PooledConv(head_channels)
    return Architecture(resolution, stem, stages, head, Classifier(num_classes))


def _layer(name: str, out_channels: int, stride: int) -> Block:
    if name == STACKED:
        return InvertedResidual(out_channels, 3, 6, stride, depthwise_layers=2)
    return candidate(name, out_channels, stride)


_ZOO_FILE = "multiply-adds: the authors' model file of 2019"
_K5 = "the stacked layers are single 5x5 ones, as later code bases have them; "
_PHONE = "Samsung Galaxy S8, int8"
ENTRIES = (
    Published(
        "fbnet_a",
        from_table(FBNET_A, head_channels=1504),
        PAPER,
        249.921848e6,
        73.0,
        f"{_ZOO_FILE}; top-1 and latency: the paper's table, quoted by others",
        latency_ms=19.8,
        latency_device=_PHONE,
    ),
    Published(
        "fbnet_b",
        from_table(FBNET_B, head_channels=1984),
        PAPER,
        295.561032e6,
        74.1,
        f"{_ZOO_FILE}; top-1 and latency: the paper's abstract",
        latency_ms=23.1,
        latency_device=_PHONE,
    ),
    Published(
        "fbnet_c",
        from_table(FBNET_C, head_channels=1984),
        PAPER,
        382.98448e6,
        74.9,
        f"{_ZOO_FILE}; the paper's 375 M are those of a head of 1504 channels; top-1: Once-for-All's table 1; "
        "latency: the paper's table, quoted by others",
        latency_ms=28.1,
        latency_device=_PHONE,
    ),
    Published(
        "fbnet_b_k5",
        from_table(FBNET_B.replace(STACKED, "k5_e6"), head_channels=1984),
        PAPER,
        None,
        None,
        f"{_K5}no published numbers",
    ),
    Published(
        "fbnet_c_k5",
        from_table(FBNET_C.replace(STACKED, "k5_e6"), head_channels=1984),
        PAPER,
        None,
        None,
        f"{_K5}no numbers published with the paper",
        "fbnetc_100",
    ),
    Published(
        "fbnet_s8",
        from_table(FBNET_S8, head_channels=1504),
        PAPER,
        293e6,
        73.27,
        "both from the paper's device table; the layers, transcribed by others, reproduce its 293 M and 4.43 M",
    ),
    Published(
        "fbnet_iphonex",
        from_table(FBNET_IPHONEX, head_channels=1504),
        PAPER,
        322e6,
        73.20,
        "both from the paper's device table; the layers, transcribed by others, reproduce its 322 M and 4.47 M",
    ),
    Published(
        "fbnet_96_035_1",
        from_table(FBNET_96_035_1, head_channels=1416, resolution=96, channels=CHANNELS_96_035, stem_channels=8),
        PAPER,
        12.9e6,
        50.2,
        "all numbers from the paper's abstract and table; layers and widths from the authors' code",
        latency_ms=2.9,
        latency_device=_PHONE,
    ),
)
