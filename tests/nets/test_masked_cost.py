"""The expected cost of open widths and resolutions is the mean over all networks, exactly."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

import pytest
import torch
from tests.nets.masked_reference import slot, soft_weights
from torch import Tensor

from sculptnet.arch import Architecture, SearchSpace, between
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cost import (
    CostModel,
    FactoredCost,
    LatencyTable,
    Macs,
    Parameters,
    check_covers,
    cost_of,
    entries_of,
    fill,
)
from sculptnet.cost.entries import Entry
from sculptnet.spaces import fbnetv2
from sculptnet.spaces.fbnetv2_space import Stage


def small_space() -> SearchSpace:
    stages = ((slot("stages.0.0", (6, 12, 6), 2), slot("stages.0.1", (6, 12, 6))),)
    stem = Conv(between(4, 8, 4), 3, activation=Activation.HARD_SWISH)
    return SearchSpace(Architecture(between(8, 12, 4), stem, stages, PooledConv(12), Classifier(3)))


def measured(space: SearchSpace) -> LatencyTable:
    """A table of numbers unlike each other."""

    def latency_ms(entry: Entry) -> float:
        return 0.1 + zlib.crc32(repr(entry).encode()) / 2**32

    entries = [entry for entry in entries_of(space) if not entry[0].is_identity(entry[1].channels)]
    return LatencyTable("made-up", {entry: latency_ms(entry) for entry in entries}, slope=1.5, constant=0.25)


def mean_over_all(space: SearchSpace, cost: CostModel, weights: dict[str, Tensor]) -> Tensor:
    """Every row of choices with its probability; rows of one network are priced once."""
    known: dict[tuple[int, ...], float] = {}
    total = torch.zeros((), dtype=torch.float64)
    rows = list(itertools.product(*(range(len(node.options)) for node in space.decisions.values())))
    for row, canonical in zip(rows, space.canonical(rows).tolist(), strict=True):
        key = tuple(canonical)
        if key not in known:
            known[key] = cost_of(cost, space.decode(canonical).architecture)
        factors = [vector[index] for vector, index in zip(weights.values(), row, strict=True)]
        total = total + torch.stack(factors).prod() * known[key]
    return total


@pytest.mark.parametrize(
    "make", [lambda _: Macs(), lambda _: Parameters(), measured], ids=["macs", "parameters", "latency"]
)
def test_the_expected_cost_is_the_mean_over_all_networks(make: Any) -> None:
    space = small_space()
    cost = make(space)
    found = []
    for expected in (FactoredCost(space, cost).expected, lambda w: mean_over_all(space, cost, w)):
        weights = {path: vector.requires_grad_() for path, vector in soft_weights(space, 1).items()}
        value = expected(weights)
        value.backward()  # type: ignore[no-untyped-call]
        found.append((value.item(), {path: vector.grad for path, vector in weights.items()}))
    (ours, our_gradients), (mean, mean_gradients) = found
    assert ours == pytest.approx(mean, rel=1e-12)
    for path, gradient in mean_gradients.items():  # on probabilities, of constant sum: apart from a constant
        assert gradient is not None
        own = our_gradients[path]
        own = torch.zeros_like(gradient) if own is None else own
        assert torch.allclose(own - own.mean(), gradient - gradient.mean(), rtol=1e-9, atol=1e-9 * ours), path


def test_the_cost_at_expected_shapes_is_another_number() -> None:
    """The paper's: widths and resolution replaced by their means. A width that appears squared makes it too low."""
    block = InvertedResidual(16, 3, 2, expand_at_1=True)
    space = SearchSpace(Architecture(8, Conv(between(8, 24, 8), 1), ((block,),), PooledConv(1), Classifier(2)))
    weights = {path: torch.full((3,), 1 / 3, dtype=torch.float64) for path in space.decisions}
    exact = float(FactoredCost(space, Macs()).expected(weights))
    mean = SearchSpace(Architecture(8, Conv(between(16, 24, 8), 1), ((block,),), PooledConv(1), Classifier(2)))
    at_mean = float(FactoredCost(mean, Macs()).of([[0]])[0])
    variance = (64 + 0 + 64) / 3
    assert exact - at_mean == pytest.approx(64 * 2 * variance)  # 64 pixels of expand: width times twice the width


def test_what_was_not_measured_is_predicted_for_open_shapes() -> None:
    rows = (Stage((8, 16, 8), 1, 2, (1.0, 2.0, 1.0)), Stage((8, 16, 8), 1, 1, 2.0))
    space = fbnetv2(3, 16, lowest_resolution=8, resolution_step=8, stages=rows, head_channels=16)
    whole = measured(space)
    assert len(whole.entries_ms) == 143
    half = LatencyTable("made-up", dict(list(whole.entries_ms.items())[::2]))
    filled = fill(half, space)
    check_covers(filled, space)
    assert len(filled.predicted) == 71
    assert float(FactoredCost(space, filled).expected(soft_weights(space, 0))) > 0
