from __future__ import annotations

import pytest
import torch
from torch import nn

from sculptnet.arch import TensorShape
from sculptnet.blocks import InvertedResidual, SqueezeBase, SqueezeExcite
from sculptnet.blocks.layers import Residual
from sculptnet.cost import count
from sculptnet.errors import InvalidValue
from sculptnet.nets import initialise

IMAGES = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))


def body(block: InvertedResidual, in_channels: int = 8) -> nn.Module:
    module = block.build(in_channels)
    assert isinstance(module, Residual)
    return module.body


def test_layers_in_order() -> None:
    block = InvertedResidual(8, groups=2, squeeze=SqueezeExcite(), depthwise_layers=2)
    assert [name for name, _ in body(block).named_children()] == [
        "expand",
        "shuffle",
        "depthwise",
        "depthwise2",
        "squeeze",
        "project",
    ]


@pytest.mark.parametrize(
    ("expand_at_1", "expansion", "expands"), [(True, 1, True), (False, 1, False), (False, 3, True)]
)
def test_the_first_convolution_at_expansion_1_is_a_field(expand_at_1: bool, expansion: int, expands: bool) -> None:
    block = InvertedResidual(8, expansion=expansion, expand_at_1=expand_at_1)
    assert hasattr(body(block), "expand") == expands


def test_the_input_is_added_where_shapes_agree() -> None:
    block = InvertedResidual(8).build(8).eval()
    initialise(block, 0)
    assert isinstance(block, Residual)
    torch.testing.assert_close(block(IMAGES), IMAGES + block.body(IMAGES))


@pytest.mark.parametrize("block", [InvertedResidual(8, stride=2), InvertedResidual(16)])
def test_nothing_is_added_elsewhere(block: InvertedResidual) -> None:
    module = block.build(8).eval()
    assert isinstance(module, Residual)
    assert torch.equal(module(IMAGES), module.body(IMAGES))


def test_there_is_no_activation_after_the_projection() -> None:
    project = body(InvertedResidual(8)).get_submodule("project")
    assert [type(layer).__name__ for layer in project.children()] == ["Conv2d", "BatchNorm2d"]


@pytest.mark.parametrize(("expansion", "hidden"), [(6, 48), (2.5, 20), (1.3, 10), (0.05, 1)])
def test_the_hidden_width_is_a_whole_number(expansion: float, hidden: int) -> None:
    assert InvertedResidual(8, expansion=expansion).hidden_channels(8) == hidden


def test_stacked_depthwise_convolutions_cost_two_3x3_kernels() -> None:
    shape = TensorShape(8, 6, 6)
    single, stacked, wide = (
        count(InvertedResidual(8, kernel, 6, depthwise_layers=layers), shape).conv_fc_weights
        for kernel, layers in ((3, 1), (3, 2), (5, 1))
    )
    assert stacked - single == 9 * 48
    assert wide - stacked == (25 - 18) * 48


def test_only_the_first_stacked_convolution_is_strided() -> None:
    layers = body(InvertedResidual(8, stride=2, depthwise_layers=2))
    strides = [layer.stride for layer in layers.modules() if isinstance(layer, nn.Conv2d)]
    assert strides == [(1, 1), (2, 2), (1, 1), (1, 1)]


def test_groups_divide_both_1x1_convolutions_and_never_the_depthwise_one() -> None:
    layers = body(InvertedResidual(16, expansion=1, groups=2))
    assert [layer.groups for layer in layers.modules() if isinstance(layer, nn.Conv2d)] == [2, 8, 2]


def test_groups_that_do_not_divide_a_width_are_refused_with_every_width() -> None:
    with pytest.raises(InvalidValue, match=r"2 problems\n  - input channels \(8\) must be a multiple of groups \(3\)"):
        InvertedResidual(9, expansion=1, groups=3).build(8)


@pytest.mark.parametrize(("base", "squeezed"), [(SqueezeBase.HIDDEN, 16), (SqueezeBase.INPUT, 8)])
def test_the_squeezed_width_is_a_fraction_of_the_width_that_is_named(base: SqueezeBase, squeezed: int) -> None:
    squeeze = body(InvertedResidual(16, expansion=4, squeeze=SqueezeExcite(0.25, base)), 16).get_submodule("squeeze")
    assert squeeze.get_submodule("squeeze").get_parameter("weight").shape[0] == squeezed


def test_a_block_with_groups_mixes_both_groups() -> None:
    """Without the shuffle, the first half of the input would never reach the second half of the output."""
    module = InvertedResidual(8, expansion=1, groups=2).build(8).eval()
    initialise(module, 0)
    changed = IMAGES.clone()
    changed[:, :4] += 1
    moved = (module(changed) - module(IMAGES))[:, 4:]
    assert moved.abs().amax(dim=(0, 2, 3)).min() > 0
