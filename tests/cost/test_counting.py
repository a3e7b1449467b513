from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import Architecture, SearchSpace, TensorShape, choice
from sculptnet.blocks import Bottleneck, Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.cost import (
    ConvFcWeights,
    CostModel,
    Macs,
    Parameters,
    Reduce,
    conv_fc_weights,
    cost_of,
    count,
    macs,
    parameters,
)
from sculptnet.errors import OpenValue
from sculptnet.nets import Network
from sculptnet.zoo import BY_NAME, mobilenet_v2

SE = Architecture(
    20,
    Conv(8, stride=2),
    ((InvertedResidual(8, 5, 3, squeeze=SqueezeExcite()), Skip(8)), (InvertedResidual(16, groups=2, stride=2),)),
    PooledConv(24),
    Classifier(5),
)


def architectures(space: SearchSpace) -> list[Architecture]:
    drawn = [space.decode(row).architecture for row in space.sample(np.random.default_rng(3), 5)]
    return [SE, BY_NAME["fbnet_96_035_1"].architecture, mobilenet_v2(10, 32, width=0.35), *drawn]


def test_the_sum_over_blocks_is_the_trace_of_the_whole_network(tiny_fbnet: SearchSpace) -> None:
    for architecture in architectures(tiny_fbnet):
        with torch.device("meta"):
            network = Network(architecture).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, 3, architecture.resolution, architecture.resolution, device="meta"))
        assert macs(architecture) == counter.get_total_flops() // 2


def test_the_sum_over_blocks_is_what_the_network_has(tiny_fbnet: SearchSpace) -> None:
    for architecture in architectures(tiny_fbnet):
        with torch.device("meta"):
            network = Network(architecture)
        layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        assert parameters(architecture) == sum(parameter.numel() for parameter in network.parameters())
        assert conv_fc_weights(architecture) == sum(layer.weight.numel() for layer in layers)


def test_counts_by_hand() -> None:
    counts = count(Conv(16, 3, 2), TensorShape(8, 10, 6))
    assert counts.macs == 5 * 3 * 9 * 8 * 16
    assert counts.conv_fc_weights == 9 * 8 * 16
    assert counts.parameters == 9 * 8 * 16 + 2 * 16
    assert counts.channels == 16
    assert counts.activations == 8 * 10 * 6 + 16 * 5 * 3
    assert counts.out == TensorShape(16, 5, 3)


def test_a_linear_layer_counts_its_bias_among_parameters_only() -> None:
    counts = count(Classifier(10), TensorShape(24, 1, 1))
    assert (counts.macs, counts.conv_fc_weights, counts.parameters) == (240, 240, 250)


def test_activations_alive_at_once_are_a_layers_input_and_output_and_what_is_added_at_the_end() -> None:
    shape, hidden = TensorShape(8, 6, 6), 48 * 36
    assert count(InvertedResidual(8, 3, 6), shape).activations == 2 * hidden + 8 * 36
    assert count(InvertedResidual(16, 3, 6), shape).activations == 2 * hidden
    assert count(InvertedResidual(8, 3, 6, 2), shape).activations == hidden + 48 * 9
    assert count(InvertedResidual(8, 3, 1, expand_at_1=False), shape).activations == 3 * 8 * 36
    assert count(Skip(8), shape).activations == 8 * 36
    assert count(Classifier(5), TensorShape(8, 1, 1)).activations == 8 + 5


def test_what_waits_for_a_shortcut_is_alive() -> None:
    """The shortcut reads the block's input and writes its output while the body's output waits."""
    assert count(Bottleneck(64, 0.125), TensorShape(16, 6, 6)).activations == (16 + 64 + 64) * 36


@pytest.mark.parametrize("cost", [Macs(), ConvFcWeights(), Parameters()])
def test_cost_models_join_blocks_as_they_say(cost: CostModel) -> None:
    parts = [cost.block(path, block, shape) for path, block, shape in SE.blocks()]
    assert cost_of(cost, SE) == (sum(parts) if cost.reduce is Reduce.SUM else max(parts))


def test_cost_models_and_functions_agree() -> None:
    assert (cost_of(Macs(), SE), cost_of(ConvFcWeights(), SE)) == (macs(SE), conv_fc_weights(SE))
    assert cost_of(Parameters(), SE) == parameters(SE)


def test_names_carry_the_unit() -> None:
    names = [cost.name for cost in (Macs(), ConvFcWeights(), Parameters())]
    assert names == ["macs", "conv_fc_weights", "parameters"]


def test_open_blocks_have_no_cost() -> None:
    with pytest.raises(OpenValue, match=r"Conv\.build needs decided values, but Conv\.kernel_size"):
        count(Conv(8, choice(3, 5)), TensorShape(8, 6, 6))


def test_counting_needs_no_memory_for_weights_or_images() -> None:
    counts = count(Conv(100_000, 3), TensorShape(100_000, 1000, 1000))
    assert counts.parameters == 9 * 100_000**2 + 200_000
