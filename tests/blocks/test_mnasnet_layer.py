"""One field says what a layer of MnasNet computes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d

from sculptnet.arch import TensorShape
from sculptnet.blocks import InvertedResidual, MnasNetLayer, Operation, Shortcut
from sculptnet.blocks.layers import Residual
from sculptnet.blocks.mnasnet_layer import QUARTER_OF_INPUT
from sculptnet.cost import count
from sculptnet.testing import BlockSuite

IMAGES = torch.randn(2, 16, 8, 8)


class TestMnasNetLayer(BlockSuite):
    examples = (
        MnasNetLayer(16, Operation.CONV, 5, QUARTER_OF_INPUT),
        MnasNetLayer(16, Operation.CONV, shortcut=Shortcut.POOLING, stride=2),
        MnasNetLayer(16, Operation.SEPARABLE, squeeze=QUARTER_OF_INPUT, shortcut=Shortcut.POOLING),
        MnasNetLayer(24, Operation.MBCONV3, 5, stride=2),
        MnasNetLayer(16, shortcut=Shortcut.NONE),
    )


@pytest.mark.parametrize(
    ("operation", "expansion"), [(Operation.SEPARABLE, 1), (Operation.MBCONV3, 3), (Operation.MBCONV6, 6)]
)
def test_an_expanded_layer_has_the_parts_of_an_inverted_residual(operation: Operation, expansion: int) -> None:
    layer = MnasNetLayer(16, operation, 5, QUARTER_OF_INPUT, stride=2).build(8)
    twin = InvertedResidual(16, 5, expansion, 2, squeeze=QUARTER_OF_INPUT, expand_at_1=False).build(8)
    shapes = [{name: tensor.shape for name, tensor in module.state_dict().items()} for module in (layer, twin)]
    assert shapes[0] == shapes[1]


def test_a_regular_convolution_costs_what_it_says() -> None:
    assert count(MnasNetLayer(24, Operation.CONV, 5), TensorShape(16, 8, 8)).macs == 25 * 16 * 24 * 64


def test_the_squeezed_width_is_a_quarter_of_the_input() -> None:
    squeeze = MnasNetLayer(24, squeeze=QUARTER_OF_INPUT).build(16).get_submodule("body.squeeze.squeeze")
    assert squeeze.get_parameter("weight").shape[:2] == (4, 96)


def test_squeezing_follows_the_activation_of_the_convolution() -> None:
    for operation, before in ((Operation.CONV, "conv"), (Operation.MBCONV6, "depthwise")):
        body = MnasNetLayer(16, operation, squeeze=QUARTER_OF_INPUT).build(16).get_submodule("body")
        names = [name for name, _ in body.named_children()]
        assert names[names.index("squeeze") - 1] == before
        assert [name for name, _ in body.get_submodule(before).named_children()][-1] == "act"


@pytest.mark.parametrize("stride", [1, 2])
def test_pooling_adds_the_mean_of_nine_pixels_at_the_layers_stride(stride: int) -> None:
    module = MnasNetLayer(16, Operation.SEPARABLE, shortcut=Shortcut.POOLING, stride=stride).build(16).eval()
    pooled = avg_pool2d(IMAGES, 3, stride, 1, count_include_pad=False)
    torch.testing.assert_close(module(IMAGES), module.get_submodule("body")(IMAGES) + pooled)


@pytest.mark.parametrize(
    ("layer", "added"),
    [
        (MnasNetLayer(16), True),
        (MnasNetLayer(16, stride=2), False),
        (MnasNetLayer(24), False),
        (MnasNetLayer(24, shortcut=Shortcut.POOLING), False),
        (MnasNetLayer(16, shortcut=Shortcut.POOLING, stride=2), True),
        (MnasNetLayer(16, shortcut=Shortcut.NONE), False),
    ],
)
def test_something_is_added_only_where_widths_agree(layer: MnasNetLayer, added: bool) -> None:
    module = layer.build(16)
    assert isinstance(module, Residual)
    assert module.residual == added


def test_labels() -> None:
    layers = (MnasNetLayer(8, Operation.CONV), MnasNetLayer(8, Operation.MBCONV3, 5, QUARTER_OF_INPUT))
    assert [layer.label() for layer in layers] == ["conv3x3", "k5_e3_se"]
    assert MnasNetLayer(8, Operation.SEPARABLE, shortcut=Shortcut.POOLING).label() == "k3_e1_pool"
