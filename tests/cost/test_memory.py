from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from sculptnet.arch import Architecture, Block, SearchSpace, TensorShape
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.cost import (
    CostModel,
    FactoredCost,
    Macs,
    ModelBytes,
    PeakActivation,
    Precision,
    Reduce,
    TotalCost,
    cost_of,
    factored,
    model_bytes,
    peak_memory,
    peak_memory_bytes,
)
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.nets import Network
from sculptnet.zoo import mobilenet_v2

SE = Architecture(
    20,
    Conv(8, stride=2),
    ((InvertedResidual(8, 5, 3, squeeze=SqueezeExcite()), Skip(8)), (InvertedResidual(16, groups=2, stride=2),)),
    PooledConv(24),
    Classifier(5),
)
COSTS: list[CostModel] = [make(precision) for make in (ModelBytes, PeakActivation) for precision in Precision]


@pytest.mark.parametrize("architecture", [SE, mobilenet_v2(10, 32, width=0.35)], ids=["small", "mobilenet_v2"])
def test_a_model_is_its_weights_and_a_bias_for_every_channel(architecture: Architecture) -> None:
    with torch.device("meta"):
        network = Network(architecture)
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    weights, channels = sum(layer.weight.numel() for layer in layers), sum(len(layer.weight) for layer in layers)
    assert model_bytes(architecture) == 4 * (weights + channels)
    assert model_bytes(architecture, Precision.INT8) == weights + (4 + 4 + 1) * channels


def test_bytes_by_hand() -> None:
    conv, shape = Conv(16, 3, 2), TensorShape(8, 10, 6)
    assert ModelBytes().block("stem", conv, shape) == 4 * (9 * 8 * 16 + 16)
    assert PeakActivation().block("stem", conv, shape) == 4 * (8 * 60 + 16 * 15)
    assert PeakActivation(Precision.INT8).block("stem", conv, shape) == 8 * 60 + 16 * 15


def test_a_running_network_needs_its_numbers_and_the_largest_activations() -> None:
    for precision in Precision:
        needed = cost_of(ModelBytes(precision), SE) + cost_of(PeakActivation(precision), SE)
        assert peak_memory_bytes(SE, precision) == needed


def test_what_a_running_network_needs_is_a_cost_over_whole_spaces(
    tiny_fbnet: SearchSpace, rng: np.random.Generator
) -> None:
    for precision in Precision:
        total, rows = factored(tiny_fbnet, peak_memory(precision)), tiny_fbnet.sample(rng, 20)
        needed = [peak_memory_bytes(tiny_fbnet.decode(row).architecture, precision) for row in rows]
        assert total.of(rows).tolist() == needed


def test_draws_within_a_total_are_those_of_the_whole_space_that_are(
    tiny_fbnet: SearchSpace, rng: np.random.Generator
) -> None:
    total, chances = factored(tiny_fbnet, peak_memory()), tiny_fbnet.uniform()
    plain = tiny_fbnet.sample(rng, 4000)
    at_most = float(np.quantile(total.of(plain), 0.2))
    kept = plain[total.of(plain) <= at_most]
    drawn = total.draw_within(chances, at_most, rng, 1000)
    assert (total.of(drawn.choices) <= at_most).all()
    assert drawn.pass_rate == pytest.approx(0.2, abs=0.05)
    for column in range(plain.shape[1]):
        shares = [np.bincount(rows[:, column], minlength=9) / len(rows) for rows in (kept, drawn.choices)]
        assert np.abs(shares[0] - shares[1]).max() < 0.1, list(tiny_fbnet.decisions)[column]


@dataclass(frozen=True)
class Spared:
    """Multiply-adds that a block does not do: with those that it does, the same for all candidates."""

    name: str = "spared_macs"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Of a million."""
        return 1e6 - Macs().block(path, block, shape)


def test_a_total_that_nothing_meets_says_what_there_is(tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    total = factored(tiny_fbnet, TotalCost("all_macs", (Macs(), Spared())))
    (same,) = set(total.of(tiny_fbnet.sample(rng, 50)))
    with pytest.raises(
        Infeasible, match=rf"0 of 640 draws have all_macs <= .*; the lowest seen is {re.escape(f'{same:g}')}: raise"
    ):
        total.draw_within(tiny_fbnet.uniform(), same - 1, rng, 10)
    with pytest.raises(Infeasible, match=r"no candidate has all_macs <= 1: the least of its parts make .*; raise the"):
        total.draw_within(tiny_fbnet.uniform(), 1, rng, 10)
    with pytest.raises(InvalidValue, match="bytes must be a total of two costs at least, got 1"):
        TotalCost("bytes", (ModelBytes(),))


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.name)
def test_bytes_are_priced_over_whole_spaces(cost: CostModel, tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    rows = tiny_fbnet.sample(rng, 20)
    parts = [[cost.block(*place) for place in tiny_fbnet.decode(row).architecture.blocks()] for row in rows]
    joined = [sum(part) if cost.reduce is Reduce.SUM else max(part) for part in parts]
    np.testing.assert_array_equal(FactoredCost(tiny_fbnet, cost).of(rows), joined)


def test_limits_on_both_keep_the_sum_within_a_budget(tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    stored, alive = FactoredCost(tiny_fbnet, ModelBytes()), FactoredCost(tiny_fbnet, PeakActivation())
    uniform = {path: np.full(len(node.options), 1 / len(node.options)) for path, node in tiny_fbnet.decisions.items()}
    lowest, highest = (extreme.value for extreme in alive.extremes())
    rows = alive.draw_within(uniform, (lowest + highest) / 2, rng, 20).choices
    for row, bytes_stored in zip(rows, stored.of(rows), strict=True):
        assert peak_memory_bytes(tiny_fbnet.decode(row).architecture) <= bytes_stored + (lowest + highest) / 2


def test_names_carry_unit_and_precision() -> None:
    assert [cost.name for cost in COSTS] == [
        "model_bytes",
        "model_bytes-int8",
        "peak_activation_bytes",
        "peak_activation_bytes-int8",
    ]
