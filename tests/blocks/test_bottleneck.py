"""The bottleneck and the deep stem are those of ResNet-50D."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sculptnet.arch import TensorShape
from sculptnet.blocks import Bottleneck, DeepStem
from sculptnet.cost import count
from sculptnet.errors import InvalidValue
from sculptnet.testing import BlockSuite

IMAGES = torch.randn(2, 16, 9, 7)


class TestBottleneck(BlockSuite):
    examples = (Bottleneck(16), Bottleneck(32, 0.35), Bottleneck(16, stride=2), Bottleneck(24, 0.2, 5, 2))


class TestDeepStem(BlockSuite):
    examples = (DeepStem(8, 8), DeepStem(16, 8, False, 2), DeepStem(8, 8, stride=1))


def test_nothing_but_the_sum_is_between_the_branches_and_the_activation() -> None:
    module = Bottleneck(16, 0.5).build(16).eval()
    residual = module.get_submodule("residual")
    expected = torch.relu(residual.get_submodule("body")(IMAGES) + IMAGES)
    assert torch.equal(module(IMAGES), expected)


def test_a_strided_shortcut_is_pooled_before_it_is_projected() -> None:
    shortcut = Bottleneck(32, stride=2).build(16).get_submodule("residual.shortcut")
    assert [type(layer).__name__ for layer in shortcut.children()] == ["AvgPool2d", "Sequential"]


def test_an_unstrided_shortcut_is_projected_alone() -> None:
    shortcut = Bottleneck(32).build(16).get_submodule("residual.shortcut")
    assert [name for name, _ in shortcut.named_children()] == ["project"]


@pytest.mark.parametrize(
    ("out_channels", "expansion", "hidden"), [(256, 0.25, 64), (168, 0.2, 32), (2048, 0.35, 720), (8, 0.1, 8)]
)
def test_the_inner_width_is_a_multiple_of_eight(out_channels: int, expansion: float, hidden: int) -> None:
    assert Bottleneck(out_channels, expansion).hidden_channels() == hidden


def test_the_stride_is_in_the_middle_convolution() -> None:
    body = Bottleneck(16, stride=2).build(16).get_submodule("residual.body")
    strides = [layer.stride[0] for layer in body.modules() if isinstance(layer, nn.Conv2d)]
    assert strides == [1, 2, 1]


@pytest.mark.parametrize(("stride", "side"), [(1, 31), (2, 16), (4, 8)])
def test_the_stem_divides_the_size_by_its_stride(stride: int, side: int) -> None:
    assert count(DeepStem(8, 8, stride=stride), TensorShape(3, 31, 31)).out == TensorShape(8, side, side)


def test_the_stem_without_its_middle_convolution_lacks_its_weights() -> None:
    whole, short = (count(DeepStem(8, 24, middle), TensorShape(3, 32, 32)) for middle in (True, False))
    assert whole.conv_fc_weights - short.conv_fc_weights == 9 * 24 * 24


def test_all_that_is_wrong_is_said() -> None:
    with pytest.raises(
        InvalidValue, match=r"DeepStem: 2 problems\n  - mid_channels .*\n  - stride must be one of 1, 2"
    ):
        DeepStem(8, 0, stride=3)
    with pytest.raises(
        InvalidValue, match=r"Bottleneck: 2 problems\n  - kernel_size .*\n  - expansion must be above 0"
    ):
        Bottleneck(8, 0, 4)
