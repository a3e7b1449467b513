"""The factored cost equals the cost of every single candidate, its expectation the sum over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from tests.cost.factored_spaces import (
    ADDED,
    LARGEST,
    SPACES,
    Arbitrary,
    every_row,
    one_by_one,
    row_chances,
    some_chances,
    space,
    spaces,
    tensors,
)
from torch import nn

from sculptnet.arch import Block, SearchSpace, TensorShape, between, choice
from sculptnet.blocks import Conv, Skip
from sculptnet.cost import FactoredCost, Macs, Parameters, PeakActivation, cost_of, entries_of
from sculptnet.errors import InvalidSpace, InvalidValue, NotMeasured
from sculptnet.spaces import fbnet


# ---------------------------------------------------------------------- exact identities
@pytest.mark.parametrize("cost", [ADDED, LARGEST, Macs(), Parameters(), PeakActivation()], ids=lambda cost: cost.name)
def test_of_equals_the_cost_of_every_candidate(made: SearchSpace, cost: Any) -> None:
    rows = every_row(made)
    np.testing.assert_allclose(FactoredCost(made, cost).of(rows), one_by_one(made, cost, rows), rtol=1e-12)


@given(spaces())
def test_of_equals_the_cost_of_candidates_of_random_spaces(made: SearchSpace) -> None:
    rows = np.random.default_rng(0).integers(made.num_options, size=(20, len(made.decisions)))
    for cost in (ADDED, LARGEST):
        np.testing.assert_allclose(FactoredCost(made, cost).of(rows), one_by_one(made, cost, rows), rtol=1e-12)


def test_of_equals_the_cost_in_fbnets_space() -> None:
    made = fbnet()
    rows = made.sample(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(FactoredCost(made, Macs()).of(rows), one_by_one(made, Macs(), rows))


@given(spaces())
def test_what_is_priced_once_at_each_place_is_what_a_table_of_the_space_holds(made: SearchSpace) -> None:
    asked: list[tuple[str, Block, TensorShape]] = []

    class Asked(Arbitrary):
        def block(self, path: str, block: Block, shape: TensorShape) -> float:
            asked.append((path, block, shape))
            return 1.0

    FactoredCost(made, Asked())
    assert len(asked) == len(set(asked))
    assert {(block, shape) for _, block, shape in asked} == set(entries_of(made))


def test_a_position_of_fbnets_space_depends_on_its_own_decision_alone() -> None:
    terms = FactoredCost(fbnet(10, 32), ADDED).terms
    assert [term.decisions for term in terms] == [(path,) for path in fbnet(10, 32).decisions]


def test_nested_decisions_of_different_options_do_not_multiply() -> None:
    sizes = [term.table.size for term in FactoredCost(SPACES["nested"], ADDED).terms]
    assert max(sizes) <= 3 * 2 * 2 * 2  # the block, its kernel, squeeze or not, the ratio


def test_decisions_of_the_recipe_cost_nothing(made: SearchSpace) -> None:
    assert not [path for path in FactoredCost(made, ADDED).decisions if path.startswith("recipe")]


def test_a_list_of_rows_and_one_row_are_priced() -> None:
    cost = FactoredCost(SPACES["blocks"], ADDED)
    rows = every_row(SPACES["blocks"])
    np.testing.assert_array_equal(cost.of(rows.tolist()), cost.of(rows))
    np.testing.assert_array_equal(cost.of(rows[3]), cost.of(rows)[3:4])
    assert cost.of(rows[:0]).shape == (0,)


# ---------------------------------------------------------------------- expectation
def test_the_expectation_is_the_sum_over_all_candidates(made: SearchSpace) -> None:
    rows, chances = every_row(made), some_chances(made)
    expected = row_chances(made, chances, rows) @ one_by_one(made, ADDED, rows)
    assert FactoredCost(made, ADDED).expected(tensors(chances)).item() == pytest.approx(expected, rel=1e-12)


@given(spaces())
def test_the_expectation_of_one_hot_weights_is_the_cost(made: SearchSpace) -> None:
    cost = FactoredCost(made, ADDED)
    rows = np.random.default_rng(0).integers(made.num_options, size=(3, len(made.decisions)))
    for row, value in zip(rows, cost.of(rows), strict=True):
        weights = {
            path: nn.functional.one_hot(torch.tensor(index), len(node.options)).double()
            for index, (path, node) in zip(row, made.decisions.items(), strict=True)
        }
        assert cost.expected(weights).item() == pytest.approx(value, rel=1e-12)


def test_the_gradient_of_the_expectation_is_exact(made: SearchSpace) -> None:
    cost = FactoredCost(made, ADDED)
    names = list(made.decisions)
    weights = [torch.from_numpy(values).requires_grad_() for values in some_chances(made).values()]
    assert torch.autograd.gradcheck(lambda *values: cost.expected(dict(zip(names, values, strict=True))), weights)


def test_the_expectation_has_the_type_of_the_weights() -> None:
    made = SPACES["blocks"]
    cost = FactoredCost(made, ADDED)
    weights = tensors(some_chances(made))
    exact = cost.expected(weights)
    assert exact.dtype is torch.float64
    for given_type, result in ((torch.float32, torch.float32), (torch.bfloat16, torch.float32)):
        rounded = cost.expected({path: weight.to(given_type) for path, weight in weights.items()})
        assert rounded.dtype is result
        assert rounded.item() == pytest.approx(exact.item(), rel=1e-2)


# ---------------------------------------------------------------------- extremes
@pytest.mark.parametrize("cost", [ADDED, LARGEST], ids=lambda cost: cost.name)
def test_extremes_are_the_cheapest_and_the_dearest_candidate(made: SearchSpace, cost: Any) -> None:
    factored = FactoredCost(made, cost)
    values = one_by_one(made, cost, every_row(made))
    lowest, highest = factored.extremes()
    assert (lowest.value, highest.value) == pytest.approx((values.min(), values.max()), rel=1e-12)
    for extreme in (lowest, highest):
        assert cost_of(cost, made.decode(extreme.choices).architecture) == pytest.approx(extreme.value, rel=1e-12)
        assert made.canonical(extreme.choices)[0].tolist() == list(extreme.choices)


# ---------------------------------------------------------------------- errors
@dataclass(frozen=True)
class Unmeasured(Arbitrary):
    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        if isinstance(block, Skip):
            raise NotMeasured(f"test has no latency of {block.label()} at {shape}")
        return super().block(path, block, shape)


@dataclass(frozen=True)
class Halving(Block):
    """Breaks a rule: its output is smaller than its stride says."""

    out_channels: int

    def module(self, in_channels: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(in_channels, self.out_channels, 1), nn.AvgPool2d(2))

    def out_shape(self, shape: TensorShape) -> TensorShape:
        return TensorShape(self.out_channels, shape.height // 2, shape.width // 2)


def test_what_was_not_measured_is_an_error_that_lists_it() -> None:
    with pytest.raises(NotMeasured) as caught:
        FactoredCost(SPACES["blocks"], Unmeasured())
    assert "2 of 8 combinations of block and input shape cannot be priced" in str(caught.value)
    assert "test has no latency of skip at 8x8x8" in str(caught.value)


def test_blocks_of_different_output_sizes_are_no_local_cost() -> None:
    with pytest.raises(InvalidSpace, match=r"stages\.0\.0 leave the sizes \[\(4, 4\), \(8, 8\)\]"):
        FactoredCost(space((choice(Halving(8), Conv(8)),)), ADDED)


def test_the_expectation_of_a_maximum_is_refused() -> None:
    with pytest.raises(InvalidValue, match="arbitrary_bytes is a maximum over blocks, its expectation is not a sum"):
        FactoredCost(SPACES["blocks"], LARGEST).expected({})


def test_choices_out_of_range_name_the_decision() -> None:
    cost = FactoredCost(SPACES["blocks"], ADDED)
    with pytest.raises(InvalidValue, match=r"row 1: stages\.0\.1 must lie in 0\.\.2, got 3"):
        cost.of([[0, 0, 0], [0, 3, 0]])
    with pytest.raises(InvalidValue, match="must lie in"):
        cost.of([[-1, 0, 0]])
    with pytest.raises(InvalidValue, match=r"3 columns, one per decision, got int64 \(1, 2\)"):
        cost.of([[0, 0]])
    with pytest.raises(InvalidValue, match="whole numbers"):
        cost.of([[0.0, 0.0, 0.0]])


def test_too_many_joint_choices_of_one_block_are_refused() -> None:
    wide = between(1, 5000, 1)
    with pytest.raises(InvalidValue, match=r"stages\.0\.1 depends on 25,000,000 joint choices"):
        FactoredCost(space((Conv(wide), Conv(wide))), ADDED)
