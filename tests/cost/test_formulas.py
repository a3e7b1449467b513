from __future__ import annotations

import pytest

from sculptnet.arch import Block, TensorShape
from sculptnet.blocks import Conv, InvertedResidual, Skip, SqueezeBase, SqueezeExcite
from sculptnet.blocks.layers import Activation, Padding
from sculptnet.cost import count
from sculptnet.cost.formulas import formula
from sculptnet.cost.work import _on_module, work_of

BLOCKS = (
    InvertedResidual(24, 5, 4.5, 2, hidden_divisor=8, hidden_floor=0.95),
    InvertedResidual(16, 3, 0.75, squeeze=SqueezeExcite(0.25), hidden_divisor=8),
    InvertedResidual(16, 3, 1, squeeze=SqueezeExcite(0.5, SqueezeBase.INPUT), expand_at_1=False),
    InvertedResidual(16, 3, 1, depthwise_layers=2),
    InvertedResidual(8, 5, 3, 2, padding=Padding.SHORT),
    InvertedResidual(16, 3, 2, squeeze=SqueezeExcite(activation=Activation.NONE), activation=Activation.NONE),
    Skip(16),
    Skip(24),
    Skip(16, 2),
)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.label()}-{block.out_channels}-s{block.stride}")
@pytest.mark.parametrize("shape", [TensorShape(16, 7, 9), TensorShape(20, 8, 8)], ids=str)
def test_a_formula_is_what_counting_on_the_module_finds(block: Block, shape: TensorShape) -> None:
    counted = count(block, shape)
    assert formula(block, shape) == (counted.macs, counted.conv_fc_weights, counted.parameters)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.label()}-{block.out_channels}-s{block.stride}")
@pytest.mark.parametrize("shape", [TensorShape(16, 7, 9), TensorShape(20, 2, 2)], ids=str)
def test_the_work_in_closed_form_is_that_of_the_module(block: Block, shape: TensorShape) -> None:
    if block != InvertedResidual(8, 5, 3, 2, padding=Padding.SHORT) or shape.height > 2:
        assert work_of(block, shape) == _on_module(block, shape)


@pytest.mark.parametrize("block", [Conv(8), InvertedResidual(8, groups=2)], ids=lambda block: block.label())
def test_other_blocks_have_none(block: Block) -> None:
    assert formula(block, TensorShape(8, 4, 4)) is None
