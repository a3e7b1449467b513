"""Facts that hold for every block family."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from sculptnet import blocks
from sculptnet.arch import Block, TensorShape, choice, from_json, to_json
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    Gate,
    InvertedResidual,
    PooledConv,
    Skip,
    SqueezeBase,
    SqueezeExcite,
)
from sculptnet.cost import count
from sculptnet.errors import InvalidValue, OpenValue

SHAPE = TensorShape(8, 9, 7)
EXAMPLES: list[Block] = [
    Conv(12),
    Conv(8, 5, 2, groups=4, activation=Activation.SWISH),
    InvertedResidual(8),
    InvertedResidual(8, expansion=1),
    InvertedResidual(8, expansion=1, expand_at_1=False),
    InvertedResidual(16, 5, 2.5, stride=2),
    InvertedResidual(8, 3, 1, groups=2),
    InvertedResidual(12, 3, 6, stride=2, depthwise_layers=2),
    InvertedResidual(8, 5, 3, squeeze=SqueezeExcite(), activation=Activation.HARD_SWISH),
    InvertedResidual(8, 3, 6, squeeze=SqueezeExcite(0.25, SqueezeBase.INPUT, Gate.SIGMOID, divisor=1)),
    Skip(8),
    Skip(16),
    Skip(8, 2),
    PooledConv(24),
    PooledConv(24, Activation.NONE),
]


@pytest.mark.parametrize("block", EXAMPLES, ids=repr)
@pytest.mark.parametrize("shape", [SHAPE, TensorShape(8, 1, 1), TensorShape(8, 2, 3)], ids=str)
def test_the_module_has_the_shape_the_value_says(block: Block, shape: TensorShape) -> None:
    output = block.build(shape.channels).eval()(torch.zeros(1, *shape))
    assert tuple(output.shape[1:]) == block.out_shape(shape) == count(block, shape).out


@pytest.mark.parametrize("block", EXAMPLES, ids=repr)
def test_blocks_come_back_from_json(block: Block) -> None:
    assert from_json(json.loads(json.dumps(to_json(block))), blocks.ALL) == block


@pytest.mark.parametrize("block", EXAMPLES, ids=repr)
def test_an_identity_has_no_parameters_and_returns_its_input(block: Block) -> None:
    module, images = block.build(SHAPE.channels).eval(), torch.randn(2, *SHAPE)
    if block.is_identity(SHAPE.channels):
        assert torch.equal(module(images), images)
        assert count(block, SHAPE)[:3] == (0, 0, 0)
    else:
        assert count(block, SHAPE).macs > 0


@pytest.mark.parametrize("block", EXAMPLES, ids=repr)
def test_no_convolution_in_front_of_batch_norm_has_a_bias(block: Block) -> None:
    names = {name for name, _ in block.build(8).named_parameters() if name.endswith("conv.bias")}
    assert names == set()


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (Conv(8, choice(3, 5)), r"Conv\.{what}.*Conv\.kernel_size is choice\(3, 5\)"),
        (InvertedResidual(choice(8, 16)), r"InvertedResidual\.{what}.*InvertedResidual\.out_channels is choice"),
        (
            InvertedResidual(8, squeeze=SqueezeExcite(choice(0.25, 0.5))),
            r"InvertedResidual\.{what}.*InvertedResidual\.squeeze\.ratio is choice\(0\.25, 0\.5\)",
        ),
        (Skip(choice(8, 16)), r"Skip\.{what}.*Skip\.out_channels"),
        (PooledConv(choice(8, 16)), r"PooledConv\.{what}.*PooledConv\.out_channels"),
        (Classifier(choice(8, 16)), r"Classifier\.{what}.*Classifier\.out_channels"),
    ],
)
def test_open_values_can_neither_be_built_nor_shaped(block: Block, place: str) -> None:
    with pytest.raises(OpenValue, match=place.replace("{what}", "build")):
        block.build(8)
    with pytest.raises(OpenValue, match=place.replace("{what}", "out_shape")):
        block.out_shape(SHAPE)


def wrong(value: Any) -> Any:
    """A value that the type checker would refuse."""
    return value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(0), "Conv: out_channels must be a whole number above 0, got 0"),
        (lambda: Conv(8, 4), "Conv: kernel_size must be odd and above 0, got 4"),
        (lambda: Conv(8, stride=0), "Conv: stride must be a whole number of at least 1, got 0"),
        (lambda: Conv(8, groups=wrong(1.5)), "Conv: groups must be a whole number of at least 1, got 1.5"),
        (lambda: Conv(choice(8, -8)), "Conv: out_channels must be a whole number above 0, got -8"),
        (lambda: Skip(8, -1), "Skip: stride must be a whole number of at least 1, got -1"),
        (lambda: PooledConv(wrong(8.0)), "PooledConv: out_channels must be a whole number above 0, got 8.0"),
        (lambda: Classifier(0), "Classifier: out_channels must be a whole number above 0, got 0"),
        (lambda: InvertedResidual(8, expansion=0), "InvertedResidual: expansion must be above 0, got 0"),
        (
            lambda: InvertedResidual(8, depthwise_layers=0),
            "depthwise_layers must be a whole number of at least 1, got 0",
        ),
        (lambda: SqueezeExcite(1.5), "SqueezeExcite: ratio must be above 0 and at most 1, got 1.5"),
        (lambda: SqueezeExcite(divisor=0), "SqueezeExcite: divisor must be a whole number of at least 1, got 0"),
    ],
)
def test_every_rule_has_its_message(make: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        make()


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(
        InvalidValue, match=r"InvertedResidual: 3 problems\n  - out_channels.*\n  - kernel_size.*\n  - exp"
    ):
        InvertedResidual(0, 2, -1)


def test_labels_are_short_and_tell_the_candidates_apart() -> None:
    assert [block.label() for block in EXAMPLES[:10]] == [
        "conv3x3",
        "conv5x5",
        "k3_e6",
        "k3_e1",
        "k3_e1",
        "k5_e2.5",
        "k3_e1_g2",
        "k3x2_e6",
        "k5_e3_se",
        "k3_e6_se",
    ]
    assert (Skip(8).label(), PooledConv(8).label(), Classifier(2).label()) == ("skip", "conv1x1+pool", "fc")


def test_the_classifier_takes_one_pixel() -> None:
    logits = Classifier(5).build(24)(torch.zeros(2, 24, 1, 1))
    assert tuple(logits.shape) == (2, 5)
    assert (
        Classifier(5).out_shape(TensorShape(24, 1, 1))
        == TensorShape(5, 1, 1)
        == count(Classifier(5), TensorShape(24, 1, 1)).out
    )
