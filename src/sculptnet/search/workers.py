"""Evaluations in this process, or side by side in local processes; either way one that fails stops nothing."""

from __future__ import annotations

import math
import multiprocessing
import pickle
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

import torch

from sculptnet.arch import Candidate, Choices
from sculptnet.errors import DataError, DeviceError, InvalidValue, RunError
from sculptnet.search.protocol import Curve, Evaluate, Job
from sculptnet.state import Event, Log, Progress, no_progress

KILLED = "the process that evaluated it was killed, perhaps for want of memory"


@dataclass(frozen=True)
class Task:
    """A candidate to evaluate. `job` holds plain values only; who evaluates adds what to call."""

    choices: Choices
    candidate: Candidate
    job: Job


@dataclass(frozen=True)
class Outcome:
    """What came of a task: finite metrics, or an error."""

    metrics: Mapping[str, float]
    curve: Curve = ()
    error: str | None = None


Outcomes = Iterator[tuple[int, Outcome]]  # position of the task, in the order of completion


def attempt(evaluate: Evaluate, task: Task, log: Log, progress: Progress) -> Outcome:
    """Evaluates; an exception or a metric that is no number becomes the outcome's error."""
    curves: list[Curve] = []

    def log_trial(event: Event) -> None:
        log({**event, "trial": task.job.trial})

    def keep_curve(curve: Curve) -> None:
        curves.append(tuple(dict(event) for event in curve))

    job = replace(task.job, log=log_trial, progress=progress, keep_curve=keep_curve)
    try:
        metrics = {name: float(value) for name, value in evaluate(task.candidate, job).items()}
    except (RunError, DeviceError, DataError, OSError, MemoryError):
        raise  # the surroundings failed, not the candidate: a record would keep that for ever
    except Exception as error:  # whatever an evaluation raises belongs into its record; the search goes on
        return Outcome({}, curves[-1] if curves else (), f"{type(error).__name__}: {error}")
    wrong = [f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)]
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return Outcome(finite, curves[-1] if curves else (), ", ".join(wrong) or None)


def here(evaluate: Evaluate, tasks: Sequence[Task], log: Log, progress: Progress) -> Outcomes:
    """One after the other in this process."""
    for position, task in enumerate(tasks):
        yield position, attempt(evaluate, task, log, progress)


class Workers:
    """Local processes, started afresh (spawn), that evaluate side by side. A context manager.

    Events of a trial are logged when it is done; nothing else of it is seen before. Each process computes with its
    share of torch's threads.

    Raises:
        InvalidValue: `evaluate` cannot be sent to another process.
    """

    def __init__(self, evaluate: Evaluate, number: int) -> None:
        try:
            self._evaluate = pickle.dumps(evaluate)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InvalidValue(
                f"workers={number} sends the evaluation to other processes, but {evaluate!r} cannot be sent ({error}); "
                "use a function or a frozen dataclass of a module, or workers=1"
            ) from None
        self._number = number
        self._threads = max(1, torch.get_num_threads() // number)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._number, spawn, torch.set_num_threads, (self._threads,))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def evaluated(self, tasks: Sequence[Task], log: Log) -> Outcomes:
        """The outcomes in the order of completion. A task that kills its process fails; its neighbours run again."""
        futures, killed = dict[Future[tuple[Outcome, list[Event]]], int](), list[int]()
        for position, task in enumerate(tasks):
            try:
                futures[self._submit(task)] = position
            except BrokenProcessPool:  # an earlier task was quick to kill its process
                killed.append(position)
        for future in as_completed(futures):
            try:
                outcome, events = future.result()
            except BrokenProcessPool:
                killed.append(futures[future])
                continue
            yield futures[future], _logged(outcome, events, log)
        if killed:
            self._replace_pool()
        for position in sorted(killed):  # one at a time now, to learn which of them kills
            try:
                outcome, events = self._submit(tasks[position]).result()
            except BrokenProcessPool:
                self._replace_pool()
                outcome, events = Outcome({}, error=KILLED), []
            yield position, _logged(outcome, events, log)

    def _replace_pool(self) -> None:
        self._pool.shutdown()
        self._pool = self._new_pool()

    def _submit(self, task: Task) -> Future[tuple[Outcome, list[Event]]]:
        return self._pool.submit(_in_worker, self._evaluate, task)


def _logged(outcome: Outcome, events: Sequence[Event], log: Log) -> Outcome:
    for event in events:
        log(event)
    return outcome


def _in_worker(pickled: bytes, task: Task) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    return attempt(pickle.loads(pickled), task, events.append, no_progress), events
