"""Where evaluations run: what a driver hands out, what comes back, and evaluation in this process."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeAlias, final

from sculptnet.arch import Candidate, Choices
from sculptnet.errors import DataError, DeviceError, RunError, WorkerFailed
from sculptnet.records import Event, Log, no_log
from sculptnet.records.base import require_event
from sculptnet.records.trials import Curve
from sculptnet.search.protocol import Evaluate, Job
from sculptnet.state import Progress, no_progress

# of these the surroundings are the cause, not the candidate: a record would keep that for ever
SURROUNDINGS: tuple[type[Exception], ...] = (RunError, DeviceError, DataError, WorkerFailed, OSError, MemoryError)


@dataclass(frozen=True)
class Task:
    """A candidate to evaluate. `job` holds plain values only; who evaluates adds what to call."""

    choices: Choices
    candidate: Candidate
    job: Job


@dataclass(frozen=True)
class Outcome:
    """What came of a task: finite metrics, or an error."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Curve = ()
    error: str | None = None


Outcomes: TypeAlias = Iterator[tuple[int, Outcome]]  # position of the task, in the order of completion


def no_tick() -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Listeners:
    """Whom a pool tells what happens.

    Attributes:
        log: what evaluations log, with the trial's number.
        progress: what evaluations in this process are at.
        tick: called about every second while the pool waits for other processes; may raise to stop.
    """

    log: Log = no_log
    progress: Progress = no_progress
    tick: Callable[[], None] = no_tick


class Pool(ABC):
    """Evaluates tasks."""

    @abstractmethod
    def evaluated(self, tasks: Sequence[Task], listeners: Listeners) -> Outcomes:
        """The outcome of every task, in the order of completion.

        Raises:
            SculptNetError, OSError, MemoryError: the surroundings failed. What was yielded before stays true.
        """


class Workers(ABC):
    """How many evaluations run at once, and where. A frozen value; `opened` makes what works."""

    @abstractmethod
    def opened(self, evaluate: Evaluate) -> AbstractContextManager[Pool]:
        """A pool that calls `evaluate`; at the end whatever it started is stopped. It starts nothing before a task."""


@final
class Here(Pool):
    """One after the other in this process."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate

    def evaluated(self, tasks: Sequence[Task], listeners: Listeners) -> Outcomes:
        for position, task in enumerate(tasks):
            yield position, attempt(self._evaluate, task, listeners.log, listeners.progress)


def attempt(
    evaluate: Evaluate,
    task: Task,
    log: Log,
    progress: Progress,
    surroundings: tuple[type[Exception], ...] = SURROUNDINGS,
) -> Outcome:
    """Evaluates; an exception or a metric that is no number becomes the outcome's error.

    Raises:
        Exception: one of `surroundings`, as it was raised.
    """
    curves: list[Curve] = []

    def log_trial(event: Event) -> None:
        require_event(event)
        log(replace(event, trial=task.job.trial))

    def keep_curve(curve: Curve) -> None:
        curves.append(tuple(dict(event) for event in curve))

    job = replace(task.job, log=log_trial, progress=progress, keep_curve=keep_curve)
    try:
        metrics = {name: float(value) for name, value in evaluate(task.candidate, job).items()}
    except surroundings:
        raise
    except Exception as error:  # whatever an evaluation raises belongs into its record; the search goes on
        return Outcome({}, curves[-1] if curves else (), f"{type(error).__name__}: {error}")
    wrong = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return Outcome(finite, curves[-1] if curves else (), ", ".join(wrong) or None)
