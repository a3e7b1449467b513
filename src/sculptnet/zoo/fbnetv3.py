"""The networks of FBNetV3 (Dai et al., CVPR 2021, arXiv 2006.02049), layer by layer as the authors' code has them.

All activations are h-swish; squeezed widths are a quarter of the block's input; widths are rounded to multiples of 8,
never below 95 %; blocks of expansion 1 have no first 1x1 convolution. Some strided layers of A, B, C, E and F are
padded by one pixel less than half their kernel (`short`), so that maps shrink faster: 28, 13, 6 pixels in A, not 28,
14, 7.
"""

from __future__ import annotations

from sculptnet.arch import Architecture, Block
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
)
from sculptnet.zoo.published import Published
from sculptnet.zoo.tables import Word, stages

PAPER = "Dai et al., FBNetV3, CVPR 2021 (arXiv 2006.02049)"
FLAGS = frozenset({"se", "short"})
HEAD_CHANNELS = 1984
FLOOR = 0.95  # rounded widths are never below this part of the exact ones: the authors' rule
SQUEEZE = SqueezeExcite(0.25, SqueezeBase.INPUT, Gate.HARD_SIGMOID, activation=Activation.HARD_SWISH, floor=FLOOR)

A = """
    2*k3_e1_c16
    k5_e4_c24_s2 3*k5_e2_c24
    k5_e5_c40_s2_se 4*k5_e3_c40_se
    k5_e5_c72_s2_short 4*k3_e3_c72 k3_e5_c120_se 5*k5_e3_c120_se
    k3_e6_c184_s2_se_short 5*k5_e4_c184_se k5_e6_c224_se
"""
C = """
    2*k3_e1_c16
    k5_e5_c24_s2 4*k3_e3_c24
    k5_e5_c48_s2_se 4*k5_e2_c48_se
    k5_e4_c88_s2_short 4*k3_e3_c88 k3_e4_c120_se 5*k5_e3_c120_se
    k5_e5_c216_s2_se_short 5*k5_e5_c216_se k5_e6_c216_se
"""
D = """
    2*k3_e1_c16
    k3_e5_c24_s2 5*k3_e2_c24
    k5_e4_c40_s2_se 4*k3_e3_c40_se
    k3_e5_c72_s2 4*k3_e3_c72 k3_e5_c128_se 6*k5_e3_c128_se
    k3_e6_c208_s2_se 5*k5_e5_c208_se k5_e6_c240_se
"""
E = """
    3*k3_e1_c16
    k5_e4_c24_s2 4*k5_e2_c24
    k5_e4_c48_s2_se 4*k5_e3_c48_se
    k5_e5_c80_s2_short 4*k3_e3_c80 k3_e5_c128_se 7*k5_e3_c128_se
    k3_e6_c216_s2_se 5*k5_e5_c216_se k5_e6_c240_se
"""
F = """
    3*k3_e1_c24
    k5_e4_c32_s2 4*k5_e2_c32
    k5_e4_c56_s2_se 4*k5_e3_c56_se
    k5_e5_c88_s2 4*k3_e3_c88 k3_e5_c144_se 8*k5_e3_c144_se
    k3_e6_c248_s2_se_short 6*k5_e5_c248_se k5_e6_c272_se
"""
G = """
    3*k3_e1_c24
    k5_e4_c40_s2 4*k5_e2_c40
    k5_e4_c56_s2_se 4*k5_e3_c56_se
    k5_e5_c104_s2 4*k3_e3_c104 k3_e5_c160_se 8*k5_e3_c160_se
    k3_e6_c264_s2_se 6*k5_e5_c264_se 2*k5_e6_c288_se
"""


def from_table(table: str, *, stem_channels: int, resolution: int, num_classes: int = 1000) -> Architecture:
    """The network whose stages `table` writes down (`zoo.tables`; flags `se`, `short`).

    Raises:
        InvalidValue: with every word of the table that cannot be read.
    """
    stem = Conv(stem_channels, 3, 2, activation=Activation.HARD_SWISH)
    head = MBPool(HEAD_CHANNELS)
    return Architecture(resolution, stem, stages(table, FLAGS, _layer), head, Classifier(num_classes))


def _layer(word: Word) -> Block:
    return InvertedResidual(
        word.out_channels,
        word.kernel_size,
        word.expansion,
        word.stride,
        squeeze=SQUEEZE if "se" in word.flags else None,
        activation=Activation.HARD_SWISH,
        expand_at_1=False,
        hidden_divisor=8,
        hidden_floor=FLOOR,
        padding=Padding.SHORT if "short" in word.flags else Padding.HALF,
    )


_CODE = (
    "layers, multiply-adds and top-1 (of the released weights): the authors' code and model file, whose multiply-adds"
    " count pooling and squeeze-and-excitation, 0.4 % more; the paper's own tables: unverified"
)
ENTRIES = (
    Published("fbnetv3_a", from_table(A, stem_channels=16, resolution=224), PAPER, 356.60e6, 79.574, _CODE),
    Published("fbnetv3_b", from_table(A, stem_channels=16, resolution=248), PAPER, 461.55e6, 80.206, _CODE),
    Published("fbnetv3_c", from_table(C, stem_channels=16, resolution=248), PAPER, 556.97e6, 80.826, _CODE),
    Published(
        "fbnetv3_d", from_table(D, stem_channels=24, resolution=248), PAPER, 644.42e6, 81.042, _CODE, "fbnetv3_d"
    ),
    Published("fbnetv3_e", from_table(E, stem_channels=24, resolution=264), PAPER, 762.05e6, 81.254, _CODE),
    Published("fbnetv3_f", from_table(F, stem_channels=24, resolution=272), PAPER, 1181.6e6, 82.062, _CODE),
    Published(
        "fbnetv3_g", from_table(G, stem_channels=32, resolution=320), PAPER, 2129.7e6, 82.794, _CODE, "fbnetv3_g"
    ),
    Published(
        "fbnetv3_b_half",
        from_table(A.replace("_short", ""), stem_channels=16, resolution=224),
        PAPER,
        None,
        None,
        "A and B padded as usual, by half the kernel, as timm has them; no numbers published with the paper",
        "fbnetv3_b",
    ),
)
