"""Rewards as published, what the search proposes, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sculptnet.arch import Architecture, IntMatrix, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import Macs, Parameters
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.records import Event, Log, no_log, of_kind
from sculptnet.records.search_events import SearchBatch
from sculptnet.search import Limit, Objective, Problem, RandomSearch, Reinforce, Results, Reward, Search, drive
from sculptnet.search.protocol import Columns
from sculptnet.search.reinforcement.reward import HARD, SOFT
from sculptnet.spaces import mnasnet
from sculptnet.testing import SearchSuite

LAYERS = 10
SPACE = SearchSpace(
    Architecture(8, Conv(4), (tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(LAYERS)),), PooledConv(8), Classifier(2))
)
TOP1 = (Objective("top1"),)
TARGET = np.random.default_rng(5).integers(4, size=LAYERS)


def likeness(rows: IntMatrix) -> Columns:
    return {"top1": 0.1 + 0.8 * (rows == TARGET).mean(axis=1)}


def fast(problem: Problem, seed: int = 0, *, log: Log = no_log, **settings: Any) -> Search:
    """A small controller that learns fast."""
    return Reinforce(hidden=16, learning_rate=0.02, **settings).search(problem, seed, log=log)


class TestReinforce(SearchSuite):
    keeps_limits = False

    def search(self, problem: Problem, seed: int) -> Search:
        return fast(problem, seed, batch=6)


# ---------------------------------------------------------------------- the reward
def test_the_soft_reward_equals_five_percent_of_accuracy_and_twice_the_latency() -> None:
    """MnasNet, section 3: accuracy a at latency l is worth about a * 1.05 at 2 l, wherever T is."""
    assert Reward() == SOFT
    for target in (10.0, 75.0, 500.0):
        slow, quick = SOFT.of([0.7 * 1.05, 0.7], [([160.0, 80.0], target)])
        assert slow / quick == pytest.approx(1.05 * 2**-0.07) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("reward", [SOFT, HARD, Reward(-0.15, -0.15)])
def test_at_the_target_the_reward_is_the_accuracy(reward: Reward) -> None:
    assert reward.of([0.5, 0.25], [([80.0, 80.0], 80.0)]).tolist() == [0.5, 0.25]


def test_the_rewards_of_figure_3() -> None:
    """ACC = 0.5 and T = 80 ms, over latency: hard is flat up to T and then falls as 1 / LAT, soft falls slowly."""
    latencies = [40.0, 80.0, 120.0, 160.0]
    hard, soft = (reward.of(np.full(4, 0.5), [(latencies, 80.0)]) for reward in (HARD, SOFT))
    assert hard.tolist() == pytest.approx([0.5, 0.5, 1 / 3, 0.25])
    assert soft.tolist() == pytest.approx([0.5 * 2**0.07, 0.5, 0.5 * 1.5**-0.07, 0.5 * 2**-0.07])
    assert soft[3] / 0.5 == pytest.approx(0.953, abs=5e-4)


def test_the_factors_of_several_limits_are_multiplied() -> None:
    both = SOFT.of([0.5], [([2.0], 1.0), ([3.0], 4.0)])
    assert both[0] == 0.5 * SOFT.factor([2.0], 1.0)[0] * SOFT.factor([3.0], 4.0)[0]
    assert SOFT.of([0.5], []).tolist() == [0.5]


def test_rewards_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidValue) as caught:
        Reward(0.07, float("nan"))
    for text in ("alpha must be a number of at most 0, got 0.07; above 0, being slow would be", "beta must be", "nan"):
        assert text in str(caught.value)
    with pytest.raises(InvalidValue, match=r"every accuracy must be a number above 0, got 0\.0; the reward is a prod"):
        SOFT.of([0.5, 0.0], [([1.0, 1.0], 1.0)])
    with pytest.raises(InvalidValue) as caught:
        SOFT.factor([1.0, -2.0], 0.0)
    assert "the target must be a number above 0, got 0.0" in str(caught.value)
    assert "every cost must be a number above 0, got -2.0" in str(caught.value)


# ---------------------------------------------------------------------- the search
def test_it_finds_what_random_search_does_not() -> None:
    """A million candidates, 600 queries."""
    problem = Problem(SPACE, TOP1)
    learned = drive(fast(problem), likeness, 30)
    drawn = drive(RandomSearch(batch=20).search(problem, 0), likeness, 30)
    assert learned.column("top1").max() == pytest.approx(0.9)  # the optimum
    assert drawn.column("top1").max() < 0.75


def run_logged(
    problem: Problem, rounds: int, score: Any = likeness, **settings: Any
) -> tuple[Results, list[SearchBatch]]:
    events: list[Event] = []
    return drive(fast(problem, log=events.append, **settings), score, rounds), of_kind(events, SearchBatch)


def test_the_hard_reward_keeps_to_the_target_and_the_soft_one_weighs_it() -> None:
    """Accuracy grows as the root of the cost, so what is best lies at the target, or beyond it."""
    cost = Problem(SPACE, TOP1, (Limit(Macs(), 1e9),))
    median = float(np.median(cost.costs(SPACE.sample(np.random.default_rng(0), 1000))["macs"]))
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 0.9 * median),))

    def growing(rows: IntMatrix) -> Columns:
        return {"top1": 0.5 * np.sqrt(problem.costs(rows)["macs"] / median)}

    _, hard = run_logged(problem, 30, growing, alpha=0.0, beta=-1.0)
    _, soft = run_logged(problem, 30, growing)
    last = [np.mean([event.costs or () for event in events[-5:]]) / (0.9 * median) for events in (hard, soft)]
    assert last[0] == pytest.approx(1.0, abs=0.1)
    assert last[1] > 1.2
    assert np.mean([event.within or 0.0 for event in soft[-5:]]) < 0.2


def test_what_is_logged_of_a_batch_is_what_came_back() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 90_000.0), Limit(Parameters(), 500.0)))
    rows: list[IntMatrix] = []

    def score(choices: IntMatrix) -> Columns:
        rows.append(choices)
        return likeness(choices)

    _, events = run_logged(problem, 3, score, batch=7)
    assert [event.batch for event in events] == [1, 2]  # the third was not answered
    assert [event.candidates for event in events] == [7, 14]
    first, costs = events[0], problem.costs(rows[0])
    assert len(rows[0]) == 7  # none came twice
    expected = SOFT.of(likeness(rows[0])["top1"], [(costs["macs"], 90_000.0), (costs["parameters"], 500.0)])
    assert first.reward == pytest.approx(expected.mean())
    assert first.best_reward == expected.max()
    assert first.value == pytest.approx(likeness(rows[0])["top1"].mean())
    assert first.costs == tuple(costs["macs"])
    assert (first.cost, first.at_most, first.failed) == ("macs", 90_000.0, 0)
    assert first.within == problem.feasible(rows[0]).mean()
    assert 0.9 * np.log(4) < first.entropy <= np.log(4)
    assert first.baseline is None
    assert events[1].baseline == pytest.approx(first.reward)


def test_a_measured_cost_stands_for_the_first_limit() -> None:
    problem = Problem(SPACE, TOP1, (Limit(Macs(), 90_000.0),))

    def measured(rows: IntMatrix) -> Columns:
        return {**likeness(rows), "measured": np.arange(1.0, len(rows) + 1)}

    _, events = run_logged(problem, 2, measured, batch=5, cost_metric="measured")
    assert events[0].costs == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert events[0].within == 1.0


def replies(search: Search, values: list[list[float]]) -> list[IntMatrix]:
    """What is proposed, in turn, where results come back as `values`."""
    found = [next(search).choices]
    for row in values:
        rows = found[-1]
        errors = ["went wrong" if np.isnan(value) else None for value in row]
        results = Results(rows, {"top1": np.array(row)}, errors, [()] * len(rows), [None] * len(rows))
        found.append(search.send(results).choices)
    return found


def test_failed_and_hopeless_candidates_are_left_out_of_what_is_learned() -> None:
    problem, logged = Problem(SPACE, TOP1), list[Event]()
    search = fast(problem, batch=3, log=logged.append)
    nan = float("nan")
    replies(search, [[0.5, nan, 0.0], [nan, nan, nan], [0.2, 0.4, 0.6]])
    events = of_kind(logged, SearchBatch)
    assert [event.failed for event in events] == [2, 3, 0]
    assert events[0].reward == 0.5
    assert events[1].reward is None
    assert events[2].baseline == 0.5


def test_it_ends_after_its_batches() -> None:
    found = drive(fast(Problem(SPACE, TOP1), batches=3, batch=4), likeness)
    assert 4 < len(found) <= 12


def test_every_decision_of_mnasnet_s_space_is_drawn() -> None:
    space = mnasnet(10, 32, width=0.25)
    rows = next(Reinforce(batch=60).search(Problem(space, TOP1), 0)).choices
    np.testing.assert_array_equal(space.canonical(rows), rows)
    assert ((rows == 0).any(axis=0) & (rows == space.num_options - 1).any(axis=0)).all()


def test_few_candidates_teach_in_ten_small_steps_and_many_as_published() -> None:
    assert Reinforce().planned(8000) == Reinforce(batch=20, batches=400, learning_rate=3.5e-4)
    assert Reinforce().planned(400) == Reinforce(batch=20, batches=20, learning_rate=3.5e-4 * (400 * 20 / 400))
    assert Reinforce().planned(60) == Reinforce(batch=6, batches=10, learning_rate=0.01)
    assert Reinforce().planned(1) == Reinforce(batch=4, batches=1, learning_rate=0.01)
    given = Reinforce(batch=5, learning_rate=0.2)
    assert given.planned(60) == replace(given, batches=12)
    assert Reinforce(batches=3).planned(60).batch == 20


# ---------------------------------------------------------------------- errors
def test_every_wrong_argument_is_told_at_once() -> None:
    low = Problem(SPACE, (Objective("loss", maximize=False),))
    with pytest.raises(InvalidValue) as caught:
        Reinforce(alpha=0.1, batches=0, batch=0, hidden=0, learning_rate=0.0, clip=1.0)
    for text in (
        "alpha must be a number of at most 0, got 0.1",
        "batches must be at least 1, got 0",
        "batch must be at least 1, got 0",
        "hidden must be at least 1, got 0",
        "learning_rate must be above 0, got 0.0",
        "clip must be above 0 and below 1, got 1.0",
    ):
        assert text in str(caught.value)
    with pytest.raises(InvalidValue) as caught:
        Reinforce(cost_metric="ms").search(low, 0)
    for text in (
        "the reward takes one objective, to be high, got low loss; make what should be low a limit",
        "cost_metric 'ms' stands for the cost of the first limit, but there is no limit",
    ):
        assert text in str(caught.value)


def test_a_limit_below_everything_is_told_before_anything_is_proposed() -> None:
    with pytest.raises(Infeasible, match=r"reinforce: macs <= 1 cannot be met, the least in the space is \d+"):
        Reinforce().search(Problem(SPACE, TOP1, (Limit(Macs(), 1.0),)), 0)


def test_values_that_cannot_be_rewarded_are_told() -> None:
    problem = Problem(SPACE, TOP1)
    with pytest.raises(InvalidValue, match=r"top1 is -0\.5; rewards are products, so it must never be negative"):
        replies(fast(problem, batch=2), [[0.5, -0.5]])
    with pytest.raises(InvalidValue, match=r"top1 is 0 for every candidate of a batch, so all rewards are 0; train"):
        replies(fast(problem, batch=2), [[0.0, float("nan")]])
