"""The head that convolves after pooling, and what FBNetV2 and FBNetV3 ask of other blocks."""

from __future__ import annotations

import pytest

from sculptnet.arch import TensorShape
from sculptnet.blocks import Activation, InvertedResidual, MBPool, Padding, SqueezeBase, SqueezeExcite
from sculptnet.cost import count
from sculptnet.errors import InvalidValue
from sculptnet.testing import BlockSuite


class TestMBPool(BlockSuite):
    examples = (MBPool(24), MBPool(8, 2, Activation.NONE, bias=True))


class TestShortPadding(BlockSuite):
    examples = (
        InvertedResidual(8, 3, 2, 2, padding=Padding.SHORT),
        InvertedResidual(8, 5, 1.3, 2, padding=Padding.SHORT, hidden_divisor=8, hidden_floor=0.95),
        InvertedResidual(8, 3, 2, 3, padding=Padding.SHORT),
    )
    shapes = (TensorShape(16, 9, 9), TensorShape(16, 4, 7), TensorShape(16, 3, 3))


class TestSqueezeOfFbnet(BlockSuite):
    examples = (
        InvertedResidual(16, 3, 2, squeeze=SqueezeExcite(activation=Activation.HARD_SWISH, floor=0.95)),
        InvertedResidual(16, 3, 2, squeeze=SqueezeExcite(0.5, SqueezeBase.INPUT, activation=Activation.SWISH)),
    )


@pytest.mark.parametrize(("bias", "weights"), [(False, 8 * 16 + 16 * 24), (True, 8 * 16 + 16 * 24)])
def test_the_second_convolution_sees_one_pixel(bias: bool, weights: int) -> None:
    counts = count(MBPool(24, 2, bias=bias), TensorShape(8, 5, 5))
    assert counts.macs == 8 * 16 * 25 + 16 * 24
    assert counts.conv_fc_weights == weights
    assert counts.parameters == weights + 2 * 16 + (24 if bias else 0)


@pytest.mark.parametrize(("side", "half", "short"), [(28, 14, 13), (13, 7, 6), (31, 16, 15), (3, 2, 1)])
def test_a_short_padding_shrinks_the_map_first(side: int, half: int, short: int) -> None:
    shape = TensorShape(8, side, side)
    for kernel_size in (3, 5):
        assert InvertedResidual(8, kernel_size, 1, 2).out_shape(shape) == TensorShape(8, half, half)
        block = InvertedResidual(8, kernel_size, 1, 2, padding=Padding.SHORT)
        assert block.out_shape(shape) == TensorShape(8, short, short)


@pytest.mark.parametrize(("divisor", "floor", "hidden"), [(1, 0.9, 26), (8, 0.9, 24), (8, 0.95, 32)])
def test_hidden_widths_are_rounded(divisor: int, floor: float, hidden: int) -> None:
    block = InvertedResidual(8, expansion=1.3, hidden_divisor=divisor, hidden_floor=floor)
    assert block.hidden_channels(20) == hidden


def test_short_padding_needs_a_stride_and_a_map() -> None:
    with pytest.raises(InvalidValue, match="padding must be half at stride 1: a short one shrinks the map, got short"):
        InvertedResidual(8, padding=Padding.SHORT)
    block = InvertedResidual(8, 3, 6, 2, padding=Padding.SHORT)
    with pytest.raises(InvalidValue, match="k3_e6 with short padding needs a map of at least 3x3, got 8x2x9"):
        block.out_shape(TensorShape(8, 2, 9))
