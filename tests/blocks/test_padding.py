"""`Padding.SAME` is TensorFlow's."""

from __future__ import annotations

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame

from sculptnet.arch import TensorShape
from sculptnet.blocks import Conv, InvertedResidual, Padding
from sculptnet.blocks.layers import conv_bn
from sculptnet.errors import InvalidValue
from sculptnet.export.graph import to_onnx
from sculptnet.testing import BlockSuite


class TestSamePadding(BlockSuite):
    examples = (
        Conv(8, 3, 2, padding=Padding.SAME),
        Conv(8, padding=Padding.SAME),
        InvertedResidual(16, 5, 2, 2, padding=Padding.SAME),
    )


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("side", [1, 6, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_it_computes_what_timm_computes(kernel_size: int, side: int, stride: int) -> None:
    reference, images = Conv2dSame(4, 4, kernel_size, stride, bias=False), torch.randn(2, 4, side, side + 3)
    conv = conv_bn(4, 4, kernel_size, stride, padding=Padding.SAME).get_submodule("conv")
    conv.load_state_dict(reference.state_dict())
    torch.testing.assert_close(conv(images), reference(images))


def test_at_stride_1_it_is_the_symmetric_one() -> None:
    assert type(conv_bn(4, 4, 5, padding=Padding.SAME).get_submodule("conv")) is torch.nn.Conv2d


def test_a_plain_convolution_keeps_its_size() -> None:
    with pytest.raises(InvalidValue, match="Conv: padding must be half or same, got short"):
        Conv(8, padding=Padding.SHORT)


def test_an_exported_convolution_pads_by_itself() -> None:
    block = Conv(8, 3, 2, padding=Padding.SAME)
    (conv, relu) = to_onnx(block.build(4), TensorShape(4, 6, 7)).graph.node
    assert (conv.op_type, relu.op_type) == ("Conv", "Relu")
    assert {attribute.name: [*attribute.ints] for attribute in conv.attribute}["pads"] == [0, 1, 1, 1]
