"""The networks of FBNetV2 (Wan et al., CVPR 2020, arXiv 2004.05565), layer by layer as the authors' code has them.

Expansions are fractional because the search masks hidden channels one by one; hidden and squeezed widths are rounded to
multiples of 8, never below 95 %. A layer that the search skipped is the identity, or a 1x1 convolution where the width
changes. F stands for few multiply-adds, L for large; the P networks of the paper were never released.
"""

from __future__ import annotations

from dataclasses import replace

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    Gate,
    InvertedResidual,
    MBPool,
    Skip,
    SqueezeBase,
    SqueezeExcite,
)
from sculptnet.zoo.published import Published
from sculptnet.zoo.tables import Word, stages

PAPER = "Wan et al., FBNetV2, CVPR 2020 (arXiv 2004.05565)"
FLAGS = frozenset({"se", "hs", "skip"})  # squeeze-and-excitation, h-swish instead of ReLU, skipped
FLOOR = 0.95  # rounded widths are never below this part of the exact ones: the authors' rule

F1 = """
    k5_e1_c8
    k5_e5.4566_c24_s2 k5_e4.7912_c24
    k5_e5.3501_c32_s2_se k5_e4.5379_c24_se
    k5_e5.7133_c56_s2_hs k3_e4.1212_c56_hs k3_e5.1246_c56_se_hs skip_c80 k5_e4.507_c80_se_hs k5_e1.7712_c80_se_hs
    k3_e4.5685_c144_s2_se_hs k5_e5.84_c144_se_hs k5_e6.8754_c144_se_hs skip_c224
"""
F4 = """
    k3_e1_c16_hs
    k5_e5.4566_c24_s2_hs 2*k5_e1.7912_c24_hs
    k5_e5.3501_c32_s2_se k5_e3.5379_c32_se 2*k5_e4.5379_c32_se
    k5_e5.7133_c64_s2_hs k3_e2.1212_c64_hs skip_c64 k3_e5.0333_c104_hs k5_e2.507_c104_se_hs k5_e1.7712_c104_se_hs \
        k5_e3.7712_c112_se_hs
    k3_e5.5685_c184_s2_se_hs k5_e2.84_c184_se_hs k5_e4.8754_c184_se_hs skip_c224
"""
L1 = """
    k3_e1_c16_hs
    k5_e5.4566_c24_s2_hs k5_e1.7912_c24_hs k3_e1.7912_c24_hs k5_e1.7912_c24_hs
    k5_e5.3501_c40_s2_se_hs k5_e3.5379_c32_se_hs 2*k5_e4.5379_c32_se_hs
    k5_e5.7133_c64_s2_hs k3_e2.1212_c64_hs skip_c64 k3_e3.1246_c64_hs k3_e5.0333_c112_hs k5_e2.507_c112_se_hs \
        k5_e1.7712_c112_se_hs k5_e2.7712_c112_se_hs 2*k5_e3.7712_c112_se_hs
    k3_e5.5685_c184_s2_se_hs 2*k5_e2.84_c184_se_hs 2*k5_e4.8754_c184_se_hs skip_c224
"""
L3 = """
    k3_e1_c24
    k5_e5.4566_c32_s2 k5_e1.7912_c32 k3_e1.7912_c32 k5_e1.7912_c32
    k5_e5.3501_c48_s2_se k5_e3.5379_c40_se 2*k5_e4.5379_c40_se
    k5_e5.7133_c72_s2_hs k3_e2.1212_c72_hs skip_c72 k3_e3.1246_c72_hs k3_e5.0333_c120_hs k5_e2.507_c120_se_hs \
        k5_e1.7712_c120_se_hs k5_e2.7712_c120_se_hs 3*k5_e3.7712_c120_se_hs
    k3_e5.5685_c192_s2_se_hs 2*k5_e2.84_c192_se_hs 2*k5_e4.8754_c192_se_hs skip_c240
"""


def from_table(
    table: str, *, stem_channels: int, head_channels: int, resolution: int, num_classes: int = 1000
) -> Architecture:
    """The network whose stages `table` writes down (`zoo.tables`; flags `se`, `hs`, `skip`).

    Raises:
        InvalidValue: with every word of the table that cannot be read.
    """
    stem = Conv(stem_channels, 3, 2, activation=Activation.HARD_SWISH)
    return Architecture(resolution, stem, stages(table, FLAGS, _layer), MBPool(head_channels), Classifier(num_classes))


def _layer(word: Word) -> Block:
    if "skip" in word.flags:
        return Skip(word.out_channels, word.stride)
    activation = Activation.HARD_SWISH if "hs" in word.flags else Activation.RELU
    squeeze = SqueezeExcite(0.25, SqueezeBase.HIDDEN, Gate.HARD_SIGMOID, activation=activation, floor=FLOOR)
    return InvertedResidual(
        word.out_channels,
        word.kernel_size,
        word.expansion,
        word.stride,
        squeeze=squeeze if "se" in word.flags else None,
        activation=activation,
        expand_at_1=False,
        hidden_divisor=8,
        hidden_floor=FLOOR,
    )


def _without_rounding(rounded: Architecture) -> Architecture:
    """Hidden widths are whole numbers, not multiples of 8, and squeezed ones a quarter of them, rounded down."""
    blocks = {path: _whole(block, shape.channels) for path, block, shape in rounded.blocks()}
    whole = tuple(tuple(blocks[f"stages.{i}.{j}"] for j in range(len(stage))) for i, stage in enumerate(rounded.stages))
    return replace(rounded, stages=whole)


def _whole(block: Block, in_channels: int) -> Block:
    if not isinstance(block, InvertedResidual):
        return block
    block = replace(block, hidden_divisor=1)
    hidden = block.hidden_channels(in_channels)
    squeeze = block.squeeze and replace(block.squeeze, ratio=(hidden // 4) / hidden, divisor=1)
    return replace(block, squeeze=squeeze)


_CODE = (
    "layers, multiply-adds and top-1 (of the released weights): the authors' code and model file, whose multiply-adds"
    " count pooling and squeeze-and-excitation, 0.3 % more; the paper's own tables: unverified"
)


def _published(name: str, architecture: Architecture, macs: float, top1: float, remark: str = "") -> Published:
    return Published(f"fbnetv2_{name}", architecture, PAPER, macs, top1, _CODE + remark)


ENTRIES = (
    _published("f1", from_table(F1, stem_channels=8, head_channels=1600, resolution=128), 56.41e6, 68.28),
    _published("f2", from_table(F1, stem_channels=8, head_channels=1600, resolution=160), 85.44e6, 70.98),
    _published("f3", from_table(F1, stem_channels=8, head_channels=1984, resolution=192), 121.82e6, 73.03),
    _published("f4", from_table(F4, stem_channels=16, head_channels=1984, resolution=224), 238.35e6, 75.82),
    _published("l1", from_table(L1, stem_channels=16, head_channels=1984, resolution=224), 326.02e6, 77.04),
    _published("l2", from_table(L1, stem_channels=16, head_channels=1984, resolution=256), 423.91e6, 78.24),
    _published(
        "l3",
        _without_rounding(from_table(L3, stem_channels=24, head_channels=1984, resolution=288)),
        753.2e6,
        78.87,
        "; the code calls it dmasking_l3: that it is the paper's L3 is unverified",
    ),
)
