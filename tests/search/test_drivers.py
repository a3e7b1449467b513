"""The log is a memo: nothing is evaluated twice, and resumed is the same as uninterrupted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sculptnet.arch import Architecture, Candidate, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import Macs, Parameters, cost_of
from sculptnet.errors import InvalidValue
from sculptnet.records import Event
from sculptnet.records.codec import from_line, to_line
from sculptnet.records.training_events import TrainEpoch
from sculptnet.search import (
    Evolution,
    Job,
    Limit,
    Objective,
    Problem,
    Proposals,
    RandomSearch,
    Results,
    Search,
    TrialRecord,
    drive,
    run,
)

SPACE = SearchSpace(
    Architecture(
        8,
        Conv(4),
        ((Conv(choice(4, 6, 8, 10)), Conv(choice(4, 8), choice(1, 3, 5))), (Conv(8, choice(1, 3)),)),
        PooledConv(8),
        Classifier(2),
    )
)
PROBLEM = Problem(SPACE, (Objective("top1"),), (Limit(Macs(), 80_000),))


EPOCH = TrainEpoch(1, 1, 0.5, 0.1, 1.0)


class Evaluations:
    """Parameters as accuracy; remembers what it was asked."""

    def __init__(self, failing: tuple[int, ...] = ()) -> None:
        self.jobs: list[Job] = []
        self.failing = failing

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        self.jobs.append(job)
        if job.trial in self.failing:
            raise RuntimeError(f"trial {job.trial} went wrong")
        job.log(EPOCH)
        job.keep_curve(({"epoch": 1, "loss": 0.5},))
        return {"top1": cost_of(Parameters(), candidate.architecture) / 1e4}


def rows_of(*rows: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(rows, dtype=np.int64)


def small_evolution() -> Search:
    return Evolution(population=8).search(PROBLEM, 3)


# ---------------------------------------------------------------------- counting
def test_each_candidate_is_evaluated_once() -> None:
    def search() -> Search:
        first = yield Proposals(rows_of((0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0)))
        assert first.column("top1")[0] == first.column("top1")[2] < first.column("top1")[1]
        second = yield Proposals(rows_of((1, 0, 0, 0), (2, 0, 0, 0)))
        assert second.column("top1")[0] == first.column("top1")[1]

    evaluate = Evaluations()
    records = run(search(), PROBLEM, evaluate, 10)
    assert [record.choices for record in records] == [(0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)]
    assert [job.trial for job in evaluate.jobs] == [0, 1, 2]


def test_lengths_and_replicates_are_evaluations_of_their_own() -> None:
    def search() -> Search:
        for epochs, replicate in ((None, 0), (3, 0), (3, 1), (3, 1)):
            yield Proposals(rows_of((0, 0, 0, 0)), epochs, replicate)

    evaluate = Evaluations()
    records = run(search(), PROBLEM, evaluate, 10)
    assert [(record.epochs, record.replicate) for record in records] == [(None, 0), (3, 0), (3, 1)]
    assert [(job.epochs, job.replicate) for job in evaluate.jobs] == [(None, 0), (3, 0), (3, 1)]


def test_a_run_stops_at_its_number_of_trials_and_closes_the_search() -> None:
    closed = []

    def search() -> Search:
        try:
            for index in range(4):
                yield Proposals(rows_of((index, 0, 0, 0), (index, 1, 0, 0)))
        finally:
            closed.append(True)

    evaluate = Evaluations()
    assert len(run(search(), PROBLEM, evaluate, 3)) == len(evaluate.jobs) == 3
    assert closed == [True]


def test_a_search_that_proposes_nothing_new_ends() -> None:
    def search() -> Search:
        while True:
            yield Proposals(rows_of((0, 0, 0, 0)))

    assert len(run(search(), PROBLEM, Evaluations(), 5)) == 1


def test_records_hold_costs_curves_folders_and_events_their_trial(tmp_path: Path) -> None:
    events: list[Event] = []
    folders: list[Path | None] = []

    def search() -> Search:
        results = yield Proposals(rows_of((0, 0, 0, 0), (3, 1, 0, 0)))
        folders.extend(results.folders)
        assert results.curves == [({"epoch": 1, "loss": 0.5},)] * 2

    evaluate, logged = Evaluations(), list[TrialRecord]()
    records = run(
        search(),
        PROBLEM,
        evaluate,
        9,
        log=logged.append,
        folder=lambda trial: tmp_path / f"{trial:06d}",
        events=events.append,
    )
    assert list(records) == logged
    assert records[1].metrics["macs"] == cost_of(Macs(), SPACE.decode((3, 1, 0, 0)).architecture)
    assert records[1].curve == ({"epoch": 1, "loss": 0.5},)
    assert folders == [job.folder for job in evaluate.jobs] == [tmp_path / "000000", tmp_path / "000001"]
    assert events == [replace(EPOCH, trial=trial) for trial in (0, 1)]


# ---------------------------------------------------------------------- failures
def test_an_evaluation_that_logs_no_event_is_recorded_with_what_to_do() -> None:
    def evaluate(candidate: Candidate, job: Job) -> Mapping[str, float]:
        job.log({"event": "began"})  # type: ignore[arg-type]
        return {"top1": 0.5}

    (record,) = run(RandomSearch().search(PROBLEM, 0), PROBLEM, evaluate, 1)
    assert record.error is not None
    assert "a run logs events, got dict; log a frozen dataclass below sculptnet.records.Event" in record.error


def test_a_failing_evaluation_is_recorded_and_the_search_goes_on() -> None:
    seen: list[Results] = []

    def search() -> Search:
        seen.append((yield Proposals(rows_of((0, 0, 0, 0), (1, 0, 0, 0)))))
        yield Proposals(rows_of((2, 0, 0, 0)))

    records = run(search(), PROBLEM, Evaluations(failing=(0,)), 9)
    assert [record.error for record in records] == ["RuntimeError: trial 0 went wrong", None, None]
    assert records[0].metrics == {"macs": cost_of(Macs(), SPACE.decode((0, 0, 0, 0)).architecture)}
    assert seen[0].errors == [records[0].error, None]
    assert np.isnan(seen[0].column("top1")).tolist() == [True, False]


def test_a_metric_that_is_no_number_is_an_error() -> None:
    def evaluate(candidate: Candidate, job: Job) -> Mapping[str, float]:
        return {"top1": float("nan"), "loss": 2.0}

    (record,) = run(RandomSearch().search(PROBLEM, 0), PROBLEM, evaluate, 1)
    assert record.error == "top1 is nan"
    assert record.metrics.keys() == {"macs", "loss"}


def test_evolution_goes_on_where_evaluations_fail() -> None:
    records = run(small_evolution(), PROBLEM, Evaluations(failing=tuple(range(8))), 16)
    assert [record.error is None for record in records] == [False] * 8 + [True] * 8


def test_an_interrupt_stops_the_run_and_closes_the_search() -> None:
    closed, logged = [], list[TrialRecord]()

    def search() -> Search:
        try:
            yield Proposals(rows_of((0, 0, 0, 0), (1, 0, 0, 0)))
        finally:
            closed.append(True)

    def evaluate(candidate: Candidate, job: Job) -> Mapping[str, float]:
        if job.trial == 1:
            raise KeyboardInterrupt
        return {"top1": 0.5}

    with pytest.raises(KeyboardInterrupt):
        run(search(), PROBLEM, evaluate, 9, log=logged.append)
    assert closed == [True]
    assert [record.trial for record in logged] == [0]


# ---------------------------------------------------------------------- resuming
@pytest.mark.parametrize("done", [0, 5, 8, 13, 16])
def test_resumed_is_uninterrupted_and_evaluates_the_rest_only(done: int) -> None:
    whole = run(small_evolution(), PROBLEM, Evaluations(failing=(4,)), 16)
    log = [from_line(json.loads(json.dumps(to_line(record))), TrialRecord) for record in whole[:done]]
    evaluate = Evaluations(failing=(4,))
    resumed = run(small_evolution(), PROBLEM, evaluate, 16, known=log, log=log.append)
    assert resumed == whole
    assert [job.trial for job in evaluate.jobs] == list(range(done, 16))
    assert log == list(whole)


def test_a_log_with_gaps_is_filled_with_the_same_numbers() -> None:
    whole = run(small_evolution(), PROBLEM, Evaluations(), 12)
    log = [whole[index] for index in (3, 0, 6, 5)]  # what several workers may leave after a kill
    assert run(small_evolution(), PROBLEM, Evaluations(), 12, known=log) == whole


def test_what_another_run_knows_is_not_evaluated_again() -> None:
    other = run(small_evolution(), PROBLEM, Evaluations(), 12)
    evaluate = Evaluations()

    def search() -> Search:
        yield Proposals(rows_of(other[7].choices, (3, 1, 2, 1)))

    roomy = Problem(SPACE, PROBLEM.objectives)
    records = run(search(), roomy, evaluate, 5, known=other)
    assert records[0] == other[7]
    assert [record.trial for record in records] == [7, 12]
    assert len(evaluate.jobs) == 1


# ---------------------------------------------------------------------- errors
def test_all_wrong_arguments_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        run(RandomSearch().search(PROBLEM, 0), PROBLEM, Evaluations(), 0, workers=0)
    assert "trials must be at least 1, got 0" in str(caught.value)
    assert "workers must be at least 1, got 0" in str(caught.value)


def test_known_trials_of_another_space_are_refused() -> None:
    with pytest.raises(InvalidValue, match="choices need 4 columns"):
        run(RandomSearch().search(PROBLEM, 0), PROBLEM, Evaluations(), 1, known=[TrialRecord(0, (0, 1))])


def test_a_metric_that_no_evaluation_gives_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"no evaluation gave the metric 'top1'; did you mean top_1\?"):
        run(small_evolution(), PROBLEM, lambda candidate, job: {"top_1": 0.5}, 20)


# ---------------------------------------------------------------------- drive
def test_drive_scores_whole_matrices_and_each_row_once() -> None:
    scored = []

    def score(rows: Any) -> dict[str, Any]:
        scored.append(rows)
        return {"top1": rows.sum(axis=1)}

    results = drive(Evolution(population=10).search(PROBLEM, 0), score, 6)
    assert len(scored[0]) > 1
    np.testing.assert_array_equal(np.concatenate(scored), results.choices)
    assert len(np.unique(results.choices, axis=0)) == len(results)
    np.testing.assert_array_equal(results.column("top1"), results.choices.sum(axis=1))
    assert PROBLEM.feasible(results.choices).all()


def test_drive_returns_what_a_short_search_proposed() -> None:
    def search() -> Search:
        yield Proposals(rows_of((1, 0, 0, 0), (0, 0, 0, 0)))
        yield Proposals(rows_of((0, 0, 0, 0), (2, 0, 0, 0)))

    results = drive(search(), lambda rows: {"top1": rows[:, 0].astype(float)}, 10)
    assert results.choices.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]]
    assert results.column("top1").tolist() == [1, 0, 2]


def test_drive_answers_every_row_of_a_proposal() -> None:
    answers: list[Results] = []

    def search() -> Search:
        answers.append((yield Proposals(rows_of((1, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0)))))
        answers.append((yield Proposals(rows_of((2, 0, 0, 0), (1, 0, 0, 0)))))

    drive(search(), lambda rows: {"top1": rows[:, 0].astype(float)})
    assert [results.column("top1").tolist() for results in answers] == [[1, 0, 1], [2, 1]]
    assert [len(results.errors) for results in answers] == [3, 2]


def test_drive_ends_with_a_search_that_proposes_nothing_new() -> None:
    def search() -> Search:
        while True:
            yield Proposals(rows_of((0, 0, 0, 0)))

    assert len(drive(search(), lambda rows: {"top1": np.zeros(len(rows))})) == 1


def test_drive_refuses_columns_that_come_and_go() -> None:
    names = iter(("top1", "top5"))
    with pytest.raises(InvalidValue, match="gives the columns top5, before they were top1"):
        drive(RandomSearch().search(PROBLEM, 0), lambda rows: {next(names): np.zeros(len(rows))}, 2)
    with pytest.raises(InvalidValue, match="rounds must be at least 1, got 0"):
        drive(RandomSearch().search(PROBLEM, 0), lambda rows: {}, 0)


def test_drive_names_a_column_of_the_wrong_length() -> None:
    with pytest.raises(InvalidValue, match=r"top1 has the shape \(3,\), expected \(\d+,\)"):
        drive(RandomSearch().search(PROBLEM, 0), lambda rows: {"top1": np.zeros(3)}, 1)
