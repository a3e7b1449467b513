from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sculptnet.arch import Architecture, Block, IntMatrix, SearchSpace, TensorShape, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import Macs, Parameters, Reduce, cost_of
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.search import Limit, Objective, Problem

SPACE = SearchSpace(
    Architecture(
        8,
        Conv(4),
        (tuple(Conv(choice(4, 6, 8), choice(1, 3, 5)) for _ in range(2)),),
        PooledConv(8),
        Classifier(2),
    )
)
TOP1 = (Objective("top1"),)
EVERY_ROW = np.array(list(itertools.product(range(3), repeat=4)), dtype=np.int64)


class Table:
    """One millisecond for each pixel of a kernel."""

    name = "latency_ms@phone"
    constant = 0.0
    reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        return block.kernel_size**2 if isinstance(block, Conv) else 0.0


def test_feasible_rows_are_those_whose_costs_meet_every_limit() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 60_000), Limit(Parameters(), 700)))
    networks = [SPACE.decode(row).architecture for row in EVERY_ROW]
    meets = [cost_of(Macs(), network) <= 60_000 and cost_of(Parameters(), network) <= 700 for network in networks]
    assert problem.feasible(EVERY_ROW).tolist() == meets
    assert 0 < sum(meets) < len(meets)
    assert problem.costs(EVERY_ROW).keys() == {"macs", "parameters"}


def test_what_a_table_says_of_a_device_is_a_prediction() -> None:
    assert Limit(Table(), 3.0).metric == "predicted_latency_ms"
    assert Limit(Macs(), 3.0).metric == "macs"


def test_draw_keeps_the_first_feasible_proposals() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 60_000),))
    rows = iter(np.array_split(EVERY_ROW, 40))
    drawn = problem.draw(lambda count: next(rows), 5)
    np.testing.assert_array_equal(drawn, EVERY_ROW[problem.feasible(EVERY_ROW)][:5])
    assert problem.draw(lambda count: EVERY_ROW[:count], 0).shape == (0, 4)


@pytest.mark.parametrize("pass_rate", [1.0, 0.3, 0.0])
def test_what_draw_returns_does_not_depend_on_how_many_it_asks_for(pass_rate: float) -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 60_000),))
    proposals = itertools.cycle(EVERY_ROW)

    def propose(count: int) -> IntMatrix:
        return np.array([next(proposals) for _ in range(count)])

    feasible = np.tile(EVERY_ROW[problem.feasible(EVERY_ROW)], (9, 1))
    np.testing.assert_array_equal(problem.draw(propose, 70, pass_rate=pass_rate), feasible[:70])


def test_draw_gives_up_and_names_the_limits_and_the_best_values() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 10), Limit(Table(), 100)))
    lowest = Macs().block("", Conv(4), TensorShape(3, 8, 8))
    with pytest.raises(Infeasible) as caught:
        problem.draw(lambda count: SPACE.sample(np.random.default_rng(0), count), 2, tries=50)
    message = str(caught.value)
    assert message.startswith("0 of 100 proposals meet macs <= 10 and latency_ms@phone <= 100; the lowest values seen")
    assert "raise the limits or widen the space" in message
    assert lowest > 10


def test_draw_gives_up_on_what_proposes_nothing() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 60_000),))
    with pytest.raises(Infeasible, match="0 of 400 proposals meet"):
        problem.draw(lambda count: EVERY_ROW[:0], 2)


@pytest.mark.parametrize("quantile", [0.05, 0.9])
def test_samples_are_uniform_over_what_is_feasible(quantile: float) -> None:
    problem = Problem(SPACE, TOP1)
    tight = [Limit(cost, float(np.quantile(cost_rows(cost), quantile))) for cost in (Macs(), Parameters())]
    problem = replace(problem, limits=tuple(tight))
    count = 3000
    rows = problem.sample(np.random.default_rng(0), count)
    found, times = np.unique(rows, axis=0, return_counts=True)
    feasible = EVERY_ROW[problem.feasible(EVERY_ROW)]
    np.testing.assert_array_equal(found, feasible)
    expected = count / len(feasible)
    assert np.abs(times - expected).max() <= 5 * np.sqrt(expected)


def cost_rows(cost: Macs | Parameters) -> list[float]:
    return [cost_of(cost, SPACE.decode(row).architecture) for row in EVERY_ROW]


def test_samples_under_the_tightest_possible_limit_are_the_cheapest() -> None:
    lowest = min(cost_rows(Macs()))
    problem = Problem(SPACE, TOP1, (Limit(Macs(), lowest),))
    assert problem.costs(problem.sample(np.random.default_rng(0), 3))["macs"].tolist() == [lowest] * 3
    with pytest.raises(Infeasible, match=f"the lowest is {lowest:g}"):
        replace(problem, limits=(Limit(Macs(), lowest - 1),)).sample(np.random.default_rng(0), 3)


def test_without_limits_everything_is_feasible() -> None:
    problem = Problem(SPACE, TOP1)
    assert problem.feasible(EVERY_ROW).all()
    assert problem.sample(np.random.default_rng(0), 7).shape == (7, 4)


@pytest.mark.parametrize("at_most", [0, -3.0, float("nan"), float("inf")])
def test_limits_are_above_zero(at_most: float) -> None:
    with pytest.raises(InvalidValue, match="the limit on macs must be a number above 0, got"):
        Limit(Macs(), at_most)


def test_objectives_and_limits_are_needed_once() -> None:
    with pytest.raises(InvalidValue, match="needs at least one objective"):
        Problem(SPACE, ())
    with pytest.raises(InvalidValue) as caught:
        Problem(SPACE, TOP1 * 2, (Limit(Macs(), 3), Limit(Macs(), 4)))
    assert "two objectives have the name top1" in str(caught.value)
    assert "two limits have the name macs" in str(caught.value)
