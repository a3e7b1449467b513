"""Finalists: measured whole while untrained, kept where they are within the budget, trained, and one chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.methods.flows import BUDGET_MS, job_of

from sculptnet.arch import Candidate, IntMatrix
from sculptnet.cost import cost_of, macs
from sculptnet.errors import Infeasible
from sculptnet.job import FitJob
from sculptnet.methods import FBNet, Random
from sculptnet.methods.beyond import DRAWN_WITHIN, tried_beyond
from sculptnet.methods.finalists import (
    ROUNDS,
    SPEED_MARGIN,
    Lasting,
    Measured,
    best_in_full,
    best_of_finalists,
    chosen,
    given,
    measured_by,
    until_one_fits,
    within,
)
from sculptnet.methods.searching import Target
from sculptnet.search import Job, Limit, Objective, Problem, Proposals, Results, TrialRecord
from sculptnet.search.protocol import Search
from sculptnet.stages.plan import SearchPlan


@dataclass(frozen=True)
class BySize:
    """Takes a network for the more accurate, the more multiply-adds it has, and for better after longer training."""

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """`top1`, and how long it was trained."""
        epochs = math.nan if job.epochs is None else float(job.epochs)
        return {"top1": macs(candidate.architecture) / 1e7, "epochs": epochs}


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the run says."""
    return []


@pytest.fixture(scope="module")
def job(said: list[str], tmp_path_factory: pytest.TempPathFactory) -> FitJob:
    """An open run."""
    return job_of(tmp_path_factory.mktemp("finalists") / "run", Random(), said=said)


@pytest.fixture(scope="module")
def target(job: FitJob) -> Target:
    """Its table, measured, and what may be proposed."""
    return Random().target(job)


@pytest.fixture(scope="module")
def evaluate(job: FitJob, target: Target) -> Measured:
    """Measures, and judges by size."""
    return measured_by(job, target, 1, BySize())


@pytest.fixture(scope="module")
def ends(target: Target) -> tuple[Candidate, Candidate]:
    """The fastest and the slowest network of the space."""
    (fast, _), (slow, _) = target.cost.extremes()
    return target.problem.space.decode(fast), target.problem.space.decode(slow)


def plan_of(trial_epochs: int, epochs: int, full_trials: int = 0) -> SearchPlan:
    """Three trials."""
    return SearchPlan(0, 0, 0, 3, 3, trial_epochs, epochs, {"training": 1.0}, 2**20, 1, full_trials)


def record(trial: int, top1: float | None, high_ms: float = 0.05, epochs: int | None = None) -> TrialRecord:
    """A trial that was measured; trained where it has an accuracy."""
    metrics = {"measured_latency_high_ms": high_ms}
    return TrialRecord(trial, (trial,), epochs, metrics=metrics if top1 is None else {**metrics, "top1": top1})


# ---------------------------------------------------------------------- measured whole
def test_a_network_is_measured_within_its_own_noise_of_what_the_table_says(
    evaluate: Measured, ends: tuple[Candidate, Candidate]
) -> None:
    found = evaluate(ends[0], Job(0))
    assert found["predicted_latency_ms"] == cost_of(evaluate.table, ends[0].architecture)
    assert found["measured_latency_low_ms"] <= found["measured_latency_ms"] <= found["measured_latency_high_ms"]
    assert found["measured_latency_ms"] == pytest.approx(found["predicted_latency_ms"], rel=0.05)


def test_what_is_over_the_budget_is_refused_only_where_training_would_follow(
    evaluate: Measured, ends: tuple[Candidate, Candidate]
) -> None:
    told = r"^measured 0\.\d+ ms \(95 %: up to 0\.\d+\), over 0\.09709 ms: the budget of 0\.1 ms less 3 % to spare; not"
    with pytest.raises(Infeasible, match=told):
        evaluate(ends[1], Job(0))
    alone = replace(evaluate, training=None)
    assert alone(ends[1], Job(0))["measured_latency_ms"] > evaluate.at_most
    anything = replace(evaluate, at_most=math.inf)
    assert anything(ends[1], Job(0)) == alone(ends[1], Job(0)), "timed once, kept in the run"


def test_finalists_have_to_keep_a_distance_to_the_budget(evaluate: Measured) -> None:
    assert evaluate.at_most == BUDGET_MS / SPEED_MARGIN


def test_latencies_are_stated_at_the_speed_that_the_device_had_when_the_table_was_made(
    evaluate: Measured, ends: tuple[Candidate, Candidate]
) -> None:
    table = evaluate.table
    assert table.reference_ms is not None
    twice = replace(evaluate, table=replace(table, reference_ms=2 * table.reference_ms))
    now = replace(evaluate, table=replace(table, reference_ms=None))
    at_table, slower, as_it_is = (one(ends[0], Job(0))["measured_latency_ms"] for one in (evaluate, twice, now))
    assert slower == pytest.approx(2 * at_table)
    assert as_it_is == pytest.approx(at_table, rel=0.01)


def test_a_length_that_the_search_asks_for_goes_before_that_of_the_plan(ends: tuple[Candidate, Candidate]) -> None:
    lasting = Lasting(BySize(), 7)
    assert lasting(ends[0], Job(0))["epochs"] == 7
    assert lasting(ends[0], Job(0, epochs=3))["epochs"] == 3


# ---------------------------------------------------------------------- rounds until one fits
def failed(rows: IntMatrix) -> Results:
    """All of them over the budget."""
    count = len(rows)
    return Results(rows, {}, ["over the budget"] * count, [()] * count, [None] * count)


def test_every_round_keeps_three_percent_more_distance_until_the_fastest_network(target: Target) -> None:
    limits: list[float] = []

    def propose(number: int, problem: Problem) -> IntMatrix:
        assert number == len(limits) + 1
        limits.append(problem.limits[0].at_most)
        return np.array([[0, 0, 0]], dtype=np.int64)

    search = until_one_fits(target.problem, propose)
    rows = next(search).choices
    for _ in range(ROUNDS - 1):
        search.send(failed(rows))
    with pytest.raises(StopIteration):
        search.send(failed(rows))
    assert limits == pytest.approx([BUDGET_MS / SPEED_MARGIN**number for number in range(1, ROUNDS + 1)])
    (_, fastest_ms), _ = target.cost.extremes()
    tight = replace(target.problem, limits=(Limit(target.table, 1.01 * fastest_ms),))
    limits.clear()
    next(until_one_fits(tight, propose))
    assert limits == [fastest_ms], "nothing is faster"


def test_rounds_end_with_the_first_network_that_fits(target: Target) -> None:
    search = until_one_fits(target.problem, lambda number, problem: np.zeros((2, 3), dtype=np.int64))
    rows = next(search).choices
    with pytest.raises(StopIteration):
        search.send(Results(rows, {}, ["over the budget", None], [(), ()], [None, None]))


def test_a_first_round_with_nothing_to_propose_is_an_error_and_a_later_one_the_end(target: Target) -> None:
    def propose(number: int, problem: Problem) -> IntMatrix:
        if number == empty:
            raise Infeasible("nothing is left")
        return np.zeros((1, 3), dtype=np.int64)

    empty = 1
    with pytest.raises(Infeasible, match="nothing is left"):
        next(until_one_fits(target.problem, propose))
    empty = 2
    search = until_one_fits(target.problem, propose)
    rows = next(search).choices
    with pytest.raises(StopIteration):
        search.send(failed(rows))


# ---------------------------------------------------------------------- which one
def test_within_counts_the_interval_and_errors() -> None:
    assert within(record(0, 0.5, high_ms=0.1), 0.1)
    assert not within(record(0, 0.5, high_ms=0.1001), 0.1)
    assert not within(replace(record(0, 0.5), error="diverged"), 0.1)


def test_the_most_accurate_is_chosen_and_where_none_was_trained_each_says_why(job: FitJob) -> None:
    assert chosen(job, [record(0, 0.4), record(1, 0.6), record(2, None)]).trial == 1
    over, diverged = record(0, None), replace(record(4, None), error="TrainingDiverged: the loss is nan")
    with pytest.raises(Infeasible) as caught:
        chosen(job, [over, diverged])
    assert str(caught.value) == (
        "none of 2 trials was trained; raise `latency_ms` a little, and lower `recipe.optimizer.learning_rate` where "
        "losses diverged\n  - trial 0: over the budget when measured\n  - trial 4: TrainingDiverged: the loss is nan"
    )
    with pytest.raises(Infeasible, match=r"^none of 1 trial was trained; raise `latency_ms` a little\n"):
        chosen(job, [replace(over, error="Infeasible: measured 2 ms")])
    with pytest.raises(Infeasible, match=r"^none of 1 trial was trained; lower `recipe.optimizer.learning_rate` where"):
        chosen(job, [diverged])


def test_a_search_of_given_rows_proposes_them_once_for_as_long_as_was_said() -> None:
    search = given(np.array([[1, 2], [3, 4]]), 5)
    asked = next(search)
    assert isinstance(asked, Proposals)
    assert (asked.choices.tolist(), asked.epochs) == ([[1, 2], [3, 4]], 5)
    with pytest.raises(StopIteration):
        search.send(failed(asked.choices))


def test_with_no_time_to_compare_the_first_that_fits_is_shipped_untrained(job: FitJob, evaluate: Measured) -> None:
    problem = Problem(job.space, (Objective("top1"),))
    assert best_of_finalists(job, problem, evaluate, plan_of(0, 2), [record(3, None), record(1, None)]).trial == 3


@pytest.fixture
def fresh(job: FitJob, tmp_path: Path) -> FitJob:
    """The same run without trials."""
    return replace(job, run=replace(job.run, folder=tmp_path / "run"))


def test_finalists_are_trained_as_long_as_the_plan_says_and_the_best_again_in_full(
    fresh: FitJob, target: Target, evaluate: Measured, said: list[str]
) -> None:
    within_budget = target.cost.draw_within(
        target.problem.space.uniform(), 0.8 * BUDGET_MS, np.random.default_rng(0), 6
    )
    rows = np.unique(within_budget.choices, axis=0)[:3]
    fitting = [TrialRecord(index, tuple(row.tolist()), metrics={}) for index, row in enumerate(rows)]
    best = best_of_finalists(fresh, target.problem, evaluate, plan_of(1, 2, full_trials=2), fitting)
    assert "3 finalists measured within the budget; training each for 1 epoch" in said
    assert "Training the best 2 of 3 trials for 2 epochs" in said
    trials = fresh.run.trials(said.append)
    assert [one.epochs for one in trials] == [1, 1, 1, 2, 2]
    assert best.epochs == 2
    assert best.metrics["top1"] == max(one.metrics["top1"] for one in trials)


def test_one_trial_within_the_budget_is_not_trained_again(fresh: FitJob, evaluate: Measured) -> None:
    problem = Problem(fresh.space, (Objective("top1"),))
    records = [record(0, 0.9, high_ms=1.0), record(1, 0.3), record(2, None)]
    assert best_in_full(fresh, problem, evaluate, plan_of(1, 2, full_trials=3), records).trial == 1
    assert best_in_full(fresh, problem, evaluate, plan_of(1, 2), [record(0, 0.9, high_ms=1.0)]).trial == 0
    assert not fresh.run.trials(print)


# ---------------------------------------------------------------------- beyond the budget
def proposing(rows: IntMatrix) -> Search:
    """A search that proposes `rows`."""
    yield Proposals(rows)


def test_where_no_trial_ran_within_the_budget_networks_within_it_are_drawn(
    fresh: FitJob, target: Target, evaluate: Measured, said: list[str]
) -> None:
    (fast, _), (slow, _) = target.cost.extremes()
    found = tried_beyond(fresh, proposing(np.array([slow])), target.problem, evaluate, 1)
    assert "None of 1 trials ran within the budget; drawing networks within it" in said
    assert 1 <= len(found) <= DRAWN_WITHIN
    assert all(one.metrics["predicted_latency_ms"] <= BUDGET_MS for one in found)
    trials = fresh.run.trials(said.append)
    assert trials[0].choices == tuple(np.asarray(slow).tolist())
    assert "top1" in trials[0].metrics, "what is beyond the budget teaches, too"
    del said[:]
    again = tried_beyond(fresh, proposing(np.array([slow, fast])), target.problem, evaluate, 2)
    assert [one.choices for one in again] == [tuple(np.asarray(row).tolist()) for row in (slow, fast)]
    assert not said


# ---------------------------------------------------------------------- differentiable searches
def test_draws_that_are_all_too_slow_when_measured_are_an_error_with_the_fastest(tmp_path: Path) -> None:
    said: list[str] = []
    method = FBNet(epochs=2, warmup_epochs=1, draws=1)
    job = job_of(tmp_path / "run", method, said=said)
    target = method.target(job)
    plan = SearchPlan(2, 1, 48, 1, 1, 1, 2, {"training": 1.0}, 2**20, 1)
    evaluate = replace(measured_by(job, target, 1, BySize()), training=None, at_most=0.001)
    with pytest.raises(Infeasible) as caught:
        method.measured_draws(job, target.problem, evaluate, plan)
    assert str(caught.value).startswith(f"none of {ROUNDS} draws ran within 0.001 ms on fake, the fastest in 0.0")
    assert "the table promises too much" in str(caught.value)
    again = "Too few draws were within the budget when measured; drawing more"
    assert (said.count("Searching"), said.count(again)) == (1, ROUNDS - 1)
