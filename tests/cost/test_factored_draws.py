"""Draws follow the distribution conditioned on the budget exactly."""

from __future__ import annotations

import contextlib
import io
import math
from typing import Any

import numpy as np
import pytest
from tests.cost.factored_spaces import ADDED, LARGEST, SPACES, FloatArray, every_row, row_chances, some_chances

from sculptnet.arch import SearchSpace
from sculptnet.cost import FactoredCost
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.spaces import fbnet
from sculptnet.testing.elsewhere import run_elsewhere


def conditional(
    made: SearchSpace, cost: FactoredCost, chances: dict[str, FloatArray], at_most: float
) -> dict[tuple[int, ...], float]:
    """The exact probability of every canonical row, given the budget, and the pass rate under the key ()."""
    rows = every_row(made)
    weights = row_chances(made, chances, rows) * (cost.of(rows) <= at_most)
    result: dict[tuple[int, ...], float] = {(): weights.sum()}
    for row, weight in zip(made.canonical(rows).tolist(), weights / weights.sum(), strict=True):
        result[tuple(row)] = result.get(tuple(row), 0.0) + weight
    return result


@pytest.mark.parametrize("quantile", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("model", [ADDED, LARGEST], ids=lambda cost: cost.name)
def test_draws_follow_the_distribution_conditioned_on_the_budget(
    made: SearchSpace, model: Any, quantile: float
) -> None:
    cost, chances, count = FactoredCost(made, model), some_chances(made, 1), 4000
    at_most = float(np.quantile(cost.of(every_row(made)), quantile, method="inverted_cdf"))
    exact = conditional(made, cost, chances, at_most)
    draws = cost.draw_within(chances, at_most, np.random.default_rng(2), count)

    assert draws.choices.shape == (count, len(made.decisions))
    assert cost.of(draws.choices).max() <= at_most
    assert draws.pass_rate == pytest.approx(exact.pop(()), rel=0.1)
    rows, counts = np.unique(draws.choices, axis=0, return_counts=True)
    found = dict(zip(map(tuple, rows.tolist()), counts.tolist(), strict=True))
    assert all(exact[row] > 0 for row in found)
    statistic, freedom = _chi_square(found, exact, count)
    assert statistic <= freedom + 4 * math.sqrt(2 * freedom) + 4  # four standard deviations of a chi-square


def _chi_square(found: dict[Any, int], exact: dict[Any, float], count: int) -> tuple[float, int]:
    """Over the rows that are expected five times or more; the others count as one."""
    often = [row for row, chance in exact.items() if chance * count >= 5]
    expected = np.array([exact[row] * count for row in often])
    seen = np.array([found.get(row, 0) for row in often], dtype=float)
    rest, rest_seen = count - expected.sum(), count - seen.sum()
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return statistic + ((rest_seen - rest) ** 2 / rest if rest > 1 else 0.0), len(often)


def test_a_budget_that_only_the_cheapest_meets_draws_only_that() -> None:
    made = fbnet(10, 32)
    cost = FactoredCost(made, ADDED)
    cheapest, _ = cost.extremes()
    uniform = {path: np.full(9, 1 / 9) for path in made.decisions}
    draws = cost.draw_within(uniform, cheapest.value, np.random.default_rng(0), 5)
    assert {cost.of(row)[0] for row in draws.choices} == {cheapest.value}
    assert draws.pass_rate <= 9.0**-10


def test_a_distribution_that_nearly_always_breaks_the_budget_is_drawn_from_exactly() -> None:
    made = fbnet(10, 32)
    cost = FactoredCost(made, ADDED)
    dearest = cost.extremes()[1]
    chances = {path: np.full(9, 1e-12) for path in made.decisions}
    for path, index in zip(made.decisions, dearest.choices, strict=True):
        chances[path][index] = 1 - 8e-12
    draws = cost.draw_within(chances, dearest.value - 0.01, np.random.default_rng(0), 200)
    changed = (draws.choices != np.array(dearest.choices)).sum(axis=1)
    assert set(changed.tolist()) == {1}  # one change is 1e12 times as likely as two
    assert cost.of(draws.choices).max() <= dearest.value - 0.01
    assert 0 < draws.pass_rate < 1e-9


def test_probabilities_of_zero_are_never_drawn() -> None:
    made = SPACES["blocks"]
    chances = {path: np.eye(len(node.options))[0] for path, node in made.decisions.items()}
    chances["stages.0.0"] = np.array([0.0, 0.5, 0.5])
    draws = FactoredCost(made, ADDED).draw_within(chances, 1e9, np.random.default_rng(0), 50)
    assert set(map(tuple, draws.choices.tolist())) == {(1, 0, 0), (2, 0, 0)}
    assert draws.pass_rate == pytest.approx(1)


def test_the_same_seed_draws_the_same_in_another_process() -> None:
    program = """
import numpy as np
from sculptnet.cost import FactoredCost, Macs
from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
slots = tuple(choice(*(Conv(8, kernel) for kernel in (1, 3, 5))) for _ in range(5))
made = SearchSpace(Architecture(8, Conv(8), (slots,), PooledConv(8), Classifier(2)))
cost = FactoredCost(made, Macs())
uniform = {path: np.full(3, 1 / 3) for path in made.decisions}
print(cost.draw_within(uniform, sum(extreme.value for extreme in cost.extremes()) / 3, np.random.default_rng(7), 4))
"""
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(program, {})
    there = run_elsewhere(program)
    assert there == here.getvalue()


# ---------------------------------------------------------------------- errors
def test_an_impossible_budget_names_the_lowest_cost() -> None:
    cost = FactoredCost(SPACES["blocks"], ADDED)
    lowest = cost.extremes()[0].value
    with pytest.raises(Infeasible) as caught:
        cost.draw_within(some_chances(SPACES["blocks"]), lowest * 0.99, np.random.default_rng(0), 1)
    assert f"no candidate has arbitrary_ms@test <= {lowest * 0.99:g}: the lowest is {lowest:g}" in str(caught.value)


def test_all_problems_of_probabilities_are_told_at_once() -> None:
    chances: dict[str, Any] = {"stages.0.0": [0.5, 0.5], "stages.0.1": [0.2, 0.3, 0.5], "stages.1.1": [1.0]}
    with pytest.raises(InvalidValue) as caught:
        FactoredCost(SPACES["blocks"], ADDED).draw_within(chances, 9.0, np.random.default_rng(0), 1)
    message = str(caught.value)
    assert "stages.1.1 is no decision; did you mean" in message
    assert "stages.1.0 is missing" in message
    assert "stages.0.0 has the shape (2,), but 3 options" in message
    chances = some_chances(SPACES["blocks"]) | {"stages.0.0": np.array([0.5, 0.6, -0.1])}
    with pytest.raises(InvalidValue, match=r"stages\.0\.0 must be at least 0 and sum to 1"):
        FactoredCost(SPACES["blocks"], ADDED).draw_within(chances, 9.0, np.random.default_rng(0), 1)
