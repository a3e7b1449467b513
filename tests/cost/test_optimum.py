"""The best candidates under limits are those that enumeration finds."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from tests.cost.factored_spaces import (
    ADDED,
    LARGEST,
    SPACES,
    FloatArray,
    every_row,
    inverted,
    one_by_one,
    space,
    spaces,
)

from sculptnet.arch import Block, SearchSpace, TensorShape, choice
from sculptnet.cost import Alike, Bound, FactoredCost, Reduce, cost_of, diverse, front, optimum
from sculptnet.errors import Infeasible, InvalidValue


@dataclass(frozen=True)
class ByPlace:
    """A number that depends on the place as well, also below 0."""

    name: str = "score"
    constant: float = -1.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        return zlib.crc32(repr((path, block, shape)).encode()) / 2**32 - 0.3


def long_space(places: int = 6) -> SearchSpace:
    return space(tuple(inverted(8, kernel_size=choice(3, 5, 7), expansion=choice(1, 2)) for _ in range(places)))


def enumerated(made: SearchSpace) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Objective, sum and maximum of every canonical row."""
    rows = np.unique(made.canonical(every_row(made)), axis=0)
    score, added, largest = (FactoredCost(made, cost).of(rows) for cost in (ByPlace(), ADDED, LARGEST))
    return score, added, largest


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_budget_is_answered_as_enumeration_answers_it(name: str) -> None:
    made = SPACES[name]
    score, added, _ = enumerated(made)
    answers = front(FactoredCost(made, ByPlace()), [Bound(FactoredCost(made, ADDED), math.inf)])
    assert answers[0].slack == (0.0,)
    for budget in np.quantile(added, [0, 0.1, 0.3, 0.5, 0.8, 1]):
        best = [answer for answer in answers if answer.costs[0] <= budget][-1]
        assert best.objective == pytest.approx(score[added <= budget].min(), abs=1e-12)
    again = made.decode(answers[-1].choices).architecture
    assert cost_of(ByPlace(), again) == pytest.approx(answers[-1].objective)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_several_limits_hold_at_once_maxima_among_them(name: str) -> None:
    made = SPACES[name]
    score, added, largest = enumerated(made)
    for at_most, most in ((0.4, 0.9), (0.7, 0.5), (0.5, 0.5)):
        budget, peak = float(np.quantile(added, at_most)), float(np.quantile(largest, most))
        limits = [Bound(FactoredCost(made, ADDED), budget), Bound(FactoredCost(made, LARGEST), peak)]
        fits = (added <= budget) & (largest <= peak)
        if not fits.any():
            with pytest.raises(Infeasible, match="no candidate has arbitrary_ms@test <="):
                optimum(FactoredCost(made, ByPlace()), limits)
            continue
        best = optimum(FactoredCost(made, ByPlace()), limits)
        assert best.objective == pytest.approx(score[fits].min(), abs=1e-12)
        assert best.costs[0] <= budget
        assert best.costs[1] <= peak


@settings(max_examples=25)
@given(spaces())
def test_random_spaces_of_ties_and_depths_are_swept_exactly(made: SearchSpace) -> None:
    rows = made.canonical(made.sample(np.random.default_rng(0), 2_000))
    score, added = FactoredCost(made, ByPlace()), FactoredCost(made, ADDED)
    answers = front(score, [Bound(added, math.inf)])
    for budget in np.quantile(added.of(rows), [0.1, 0.5, 1.0]):
        best = [answer for answer in answers if answer.costs[0] <= budget][-1]
        assert best.objective <= score.of(rows)[added.of(rows) <= budget].min() + 1e-12
        assert cost_of(ByPlace(), made.decode(best.choices).architecture) == pytest.approx(best.objective)


def test_with_few_bins_the_stated_slack_holds_and_limits_hold_exactly() -> None:
    made = long_space()
    score, added, _ = enumerated(made)
    budget = float(np.quantile(added, 0.3))
    for bins in (5, 50):
        best = optimum(FactoredCost(made, ByPlace()), [Bound(FactoredCost(made, ADDED), budget)], bins=bins)
        assert best.costs[0] <= budget
        assert 0 < best.slack[0] <= len(made.decisions) * (added.max() - added.min()) / bins
        assert best.objective >= score[added <= budget].min() - 1e-12
        within = added <= budget - best.slack[0]
        assert not within.any() or best.objective <= score[within].min() + 1e-12


def test_diverse_answers_are_the_best_that_differ_enough() -> None:
    made = long_space(5)
    budget = float(np.quantile(enumerated(made)[1], 0.4))
    objective, limits = FactoredCost(made, ByPlace()), [Bound(FactoredCost(made, ADDED), budget)]
    answers = diverse(objective, limits, count=4, share=0.4)
    rows = every_row(made)
    fits = FactoredCost(made, ADDED).of(rows) <= budget
    for answer in answers:
        assert answer.objective == pytest.approx(objective.of(rows[fits]).min(), abs=1e-12)
        unlike = -FactoredCost(made, Alike(made.decode(answer.choices).architecture)).of(rows)
        fits &= unlike >= 2  # of five places


def test_alike_counts_the_blocks_that_differ() -> None:
    made = long_space(3)
    first, second = (made.decode(row).architecture for row in ([0] * 6, [0, 1, 0, 0, 2, 1]))
    assert cost_of(Alike(first), second) == -2.0
    assert cost_of(Alike(first), first) == 0.0


def test_fewer_diverse_answers_where_the_space_has_no_more() -> None:
    made = space((choice(inverted(8), inverted(8, kernel_size=5)),))
    every = [Bound(FactoredCost(made, ADDED), math.inf)]
    assert len(diverse(FactoredCost(made, ByPlace()), every, count=5, share=1.0)) == 2


def test_what_cannot_be_answered_is_said_with_all_reasons() -> None:
    made, other = SPACES["blocks"], SPACES["widths"]
    with pytest.raises(InvalidValue) as caught:
        optimum(FactoredCost(made, LARGEST), [Bound(FactoredCost(other, ADDED), math.nan)], bins=0)
    for part in ("is a maximum", "over another space", "is no number", "bins must be at least 1"):
        assert part in str(caught.value)
    with pytest.raises(InvalidValue, match="there must be a limit"):
        optimum(FactoredCost(made, ADDED), [])
    with pytest.raises(InvalidValue, match="share must lie in"):
        diverse(FactoredCost(made, ADDED), [Bound(FactoredCost(made, ADDED), 1.0)], count=0, share=2)


@pytest.mark.parametrize("name", ["blocks", "widths"])
def test_the_same_block_may_cost_something_else_at_another_place(name: str) -> None:
    made = SPACES[name]
    rows = every_row(made)
    np.testing.assert_allclose(FactoredCost(made, ByPlace()).of(rows), one_by_one(made, ByPlace(), rows))
