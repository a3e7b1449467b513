"""What runs a search: `run` evaluates candidates one by one and keeps a log, `drive` scores whole matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.errors import InvalidValue, collected
from sculptnet.records import Log, TrialRecord, no_log
from sculptnet.records.trials import Key
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Evaluate, Job, Proposals, Results, Score, Search
from sculptnet.search.rows import keys_of
from sculptnet.search.workers import Here, Listeners, Outcome, Outcomes, Pool, Task, Workers
from sculptnet.state import Progress, no_progress

IDLE_ROUNDS = 100  # in a row in which a search proposes nothing new: then it has nothing left


def no_record(record: TrialRecord) -> None:
    """Drops the record."""


def run(
    search: Search,
    problem: Problem,
    evaluate: Evaluate,
    trials: int,
    *,
    known: Sequence[TrialRecord] = (),
    log: Callable[[TrialRecord], None] = no_record,
    folder: Callable[[int], Path] | None = None,
    alone: Evaluate | None = None,
    workers: int | Workers = 1,
    events: Log = no_log,
    progress: Progress = no_progress,
) -> tuple[TrialRecord, ...]:
    """Evaluates what `search` proposes until it has asked for `trials` different candidates, or ends.

    A candidate is evaluated once for each training length and replicate. What is found in `known` is answered from
    there, failures included, and is not logged again: so a run is resumed by running it again from its start, with its
    log as `known`. New trials get the numbers that `known` leaves free, in the order in which they are proposed. An
    evaluation that raises, or whose metric is not a finite number, is recorded with its error and the search goes on. A
    search that proposes nothing new in 100 rounds is taken to have nothing left.

    Args:
        search: closed at the end.
        problem: gives candidates, and the costs of its limits, which become metrics (`Limit.metric`) of every trial.
        evaluate: the metrics of a candidate. With several workers it must be picklable.
        trials: how many different candidates `search` may ask for, known ones included.
        known: trials evaluated before, in any order.
        log: told every new record as soon as it is complete, so in the order of completion.
        folder: where the trial of a number may leave files.
        alone: what no other work may disturb, such as timing: metrics of a candidate that this process finds before
            `evaluate` gets the candidates of a round. Where it raises, the trial ends with that error.
        workers: evaluations at once: a number of local processes, 1 being this one, or `LocalWorkers`, `RayWorkers`. A
            worker that fails costs one retry and then a failed trial (see `search.side_by_side`). Results depend
            neither on it nor on the order in which workers finish.
        events: told what evaluations log, with the trial's number.
        progress: told how many trials are done, and what evaluations in this process are at.

    Returns:
        The records of the candidates that were asked for, in that order.

    Raises:
        InvalidValue: `trials` or `workers` below 1, or `known` belongs to another space.
    """
    chosen = _checked(trials, workers)
    ledger = _Ledger(problem, trials, known, log, folder)
    listeners = Listeners(events, progress, lambda: progress("trials", ledger.done, trials))
    with closing(search), chosen.opened(evaluate) as pool:
        proposals = next(search, None)
        while proposals is not None:
            tasks = ledger.open_tasks(proposals)
            for position, outcome in _outcomes(tasks, alone, pool, listeners):
                ledger.enter(tasks[position], outcome)
                listeners.tick()
            ledger.close_round(proposals)
            listeners.tick()
            if ledger.ended:
                break
            proposals = _reply(search, ledger.results(proposals))
    return tuple(ledger.asked.values())


def _checked(trials: int, workers: int | Workers) -> Workers:
    problems = [f"trials must be at least 1, got {trials}"] if trials < 1 else []
    try:
        chosen = workers if isinstance(workers, Workers) else LocalWorkers(workers)
    except InvalidValue as error:
        problems.append(str(error))
    if problems:
        raise InvalidValue(collected(problems, "run"))
    return chosen


def _outcomes(tasks: Sequence[Task], alone: Evaluate | None, pool: Pool, listeners: Listeners) -> Outcomes:
    """What came of `tasks`: of those for which `alone` did not fail, by `pool`."""
    if alone is None:
        yield from pool.evaluated(tasks, listeners)
        return
    found: dict[int, Outcome] = {}
    for position, outcome in Here(alone).evaluated(tasks, listeners):
        if outcome.error is None:
            found[position] = outcome
        else:
            yield position, outcome
    positions = list(found)
    for index, outcome in pool.evaluated([tasks[position] for position in positions], listeners):
        position = positions[index]
        yield position, replace(outcome, metrics={**found[position].metrics, **outcome.metrics})


def _reply(search: Search, results: Results) -> Proposals | None:
    try:
        return search.send(results)
    except StopIteration:
        return None


class _Ledger:
    """Who was asked for, what is known, and which numbers are free."""

    def __init__(
        self,
        problem: Problem,
        trials: int,
        known: Sequence[TrialRecord],
        log: Callable[[TrialRecord], None],
        folder: Callable[[int], Path] | None,
    ) -> None:
        self.problem, self.trials, self.log, self.folder = problem, trials, log, folder
        used = {record.trial for record in known}
        self.free = (number for number in count() if number not in used)
        self.memo: dict[Key, TrialRecord] = {}
        if known:
            rows = problem.space.canonical([record.choices for record in known])
            for record, row in zip(known, rows.tolist(), strict=True):
                self.memo[tuple(row), record.epochs, record.replicate] = record
        self.asked: dict[Key, TrialRecord] = {}
        self.entered = 0  # in this round
        self.idle_rounds = 0

    @property
    def done(self) -> int:
        """How many trials are done, as far as this search has come."""
        return len(self.asked) + self.entered

    @property
    def ended(self) -> bool:
        """Whether enough was asked for, or nothing new for long."""
        return len(self.asked) >= self.trials or self.idle_rounds >= IDLE_ROUNDS

    def keys(self, proposals: Proposals) -> list[Key]:
        rows = self.problem.space.canonical(proposals.choices)
        return [(tuple(row), proposals.epochs, proposals.replicate) for row in rows.tolist()]

    def new_keys(self, proposals: Proposals) -> list[Key]:
        """What was not asked for before, as far as the number of trials goes."""
        new = [key for key in dict.fromkeys(self.keys(proposals)) if key not in self.asked]
        return new[: self.trials - len(self.asked)]

    def open_tasks(self, proposals: Proposals) -> list[Task]:
        """What has to be evaluated, with numbers in the order of proposals."""
        tasks = []
        for key in self.new_keys(proposals):
            if key not in self.memo:
                choices, epochs, replicate = key
                number = next(self.free)
                job = Job(number, epochs, replicate, self.folder(number) if self.folder else None)
                tasks.append(Task(choices, self.problem.space.decode(choices), job))
        return tasks

    def enter(self, task: Task, outcome: Outcome) -> None:
        """Records and logs what came of a task."""
        costs = {name: float(value[0]) for name, value in self.problem.costs(np.array([task.choices])).items()}
        record = TrialRecord(
            trial=task.job.trial,
            choices=task.choices,
            epochs=task.job.epochs,
            replicate=task.job.replicate,
            metrics={**costs, **outcome.metrics},
            curve=outcome.curve,
            error=outcome.error,
        )
        self.memo[record.key] = record
        self.log(record)
        self.entered += 1

    def close_round(self, proposals: Proposals) -> None:
        """Counts what is answered now as asked for, in the order of proposals."""
        new = self.new_keys(proposals)
        self.entered = 0
        self.asked |= {key: self.memo[key] for key in new}
        self.idle_rounds = 0 if new else self.idle_rounds + 1

    def results(self, proposals: Proposals) -> Results:
        """The answer to proposals that were all asked for."""
        records = [self.asked[key] for key in self.keys(proposals)]
        names = dict.fromkeys(name for record in records for name in record.metrics)
        return Results(
            choices=proposals.choices,
            metrics={name: np.array([record.metrics.get(name, np.nan) for record in records]) for name in names},
            errors=[record.error for record in records],
            curves=[record.curve for record in records],
            folders=[self.folder(record.trial) if self.folder else None for record in records],
        )


def drive(search: Search, score: Score, rounds: int | None = None) -> Results:
    """Scores what `search` proposes, whole matrices at a time; logs nothing.

    For predictors and tables. Every different row is scored once; finalists are evaluated with `run`. It ends with the
    search, after `rounds`, or when the search proposes nothing new in 100 rounds.

    Args:
        search: closed at the end.
        score: columns of metrics, each with one number for each row of choices; the same columns every time.
        rounds: how many proposals are answered at most.

    Returns:
        Every different row that was proposed, in the order in which it came first.

    Raises:
        InvalidValue: `rounds` below 1, a column of another length than the choices, or other columns than before.
    """
    if rounds is not None and rounds < 1:
        raise InvalidValue(f"drive: rounds must be at least 1, got {rounds}")
    scores, idle_rounds = _Scores(score), 0
    with closing(search):
        proposals = next(search, None)
        for number in count(1):
            if proposals is None:
                break
            new, results = scores.answer(proposals.choices)
            idle_rounds = 0 if new else idle_rounds + 1
            if number == rounds or idle_rounds == IDLE_ROUNDS:
                break
            proposals = _reply(search, results)
    return scores.all()


class _Scores:
    """The scores of all different rows so far, in the order in which they came."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.position: dict[bytes, int] = {}
        self.rows: list[IntMatrix] = []
        self.columns: dict[str, list[float]] = {}

    def answer(self, choices: IntMatrix) -> tuple[int, Results]:
        """How many rows are new, and the results of all."""
        keys, new = keys_of(choices), list[int]()
        for row, key in enumerate(keys):
            if key not in self.position:
                self.position[key] = len(self.position)
                new.append(row)
        if new:
            self._score(choices[new])
        positions = [self.position[key] for key in keys]
        return len(new), _bare(choices, {name: [c[i] for i in positions] for name, c in self.columns.items()})

    def _score(self, rows: IntMatrix) -> None:
        columns = {name: np.asarray(column, dtype=np.float64) for name, column in self.score(rows).items()}
        problems = [
            f"{name} has the shape {column.shape}, expected ({len(rows)},), one number for each row"
            for name, column in columns.items()
            if column.shape != (len(rows),)
        ]
        if self.rows and columns.keys() != self.columns.keys():
            problems.append(f"gives the columns {', '.join(columns)}, before they were {', '.join(self.columns)}")
        if problems:
            raise InvalidValue(collected(problems, "score"))
        self.rows.append(rows)
        for name, column in columns.items():
            self.columns.setdefault(name, []).extend(column.tolist())

    def all(self) -> Results:
        rows = np.concatenate(self.rows) if self.rows else np.empty((0, 0), dtype=np.int64)
        return _bare(rows, self.columns)


def _bare(rows: IntMatrix, columns: Mapping[str, Sequence[float]]) -> Results:
    """Results that have metrics and nothing else."""
    metrics = {name: np.array(column, dtype=np.float64) for name, column in columns.items()}
    return Results(rows, metrics, [None] * len(rows), [()] * len(rows), [None] * len(rows))
