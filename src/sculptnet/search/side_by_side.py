"""Evaluations in other processes: whoever runs them, a worker that fails costs one retry and then a failed trial.

What an evaluation raises is the candidate's fault and is recorded at once: it would raise again. A worker fails where
its process is killed or its machine is lost, where memory runs out, or where files, data or a device let it down.
Its trial runs once more when the rest of the round is through. If that fails too, a trial that was killed or had too
little memory is recorded as failed, and the search goes on; other surroundings stop the run, as they do in one process,
since every later trial would fail as well and a record is for ever.
"""

from __future__ import annotations

import pickle
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch

from sculptnet.errors import RunError
from sculptnet.records import Event
from sculptnet.search.protocol import Evaluate
from sculptnet.search.workers import SURROUNDINGS, Listeners, Outcome, Outcomes, Pool, Task, attempt
from sculptnet.state import no_progress

TICK_S = 0.5
NO_MEMORY: tuple[type[Exception], ...] = (MemoryError, torch.OutOfMemoryError)  # neighbours may have taken it
FAILURES = (*SURROUNDINGS, *NO_MEMORY)


@final
@dataclass(frozen=True)
class Lost:
    """The process or the machine that evaluated a task is gone; `why` completes `the process that evaluated it ...`."""

    why: str


@final
@dataclass(frozen=True)
class Done:
    """What a worker answers: an outcome, or what its surroundings raised; and what the evaluation logged."""

    outcome: Outcome | Exception
    events: tuple[Event, ...]


Reply: TypeAlias = Done | Lost
Replies: TypeAlias = Iterator[tuple[int, Reply]]  # position of the task


class SideBySide(Pool):
    """Hands tasks to workers and applies the rule above. Events of a trial are logged when it is done."""

    at_once: int | None  # None: as many as there are; who runs them queues
    retries_at_once: int | None

    @abstractmethod
    def start(self) -> None:
        """Makes ready for `send`; called before every round that has tasks."""

    @abstractmethod
    def send(self, position: int, task: Task) -> None:
        """Begins an evaluation; at most `at_once` are under way."""

    @abstractmethod
    def received(self, timeout_s: float) -> tuple[int, Reply] | None:
        """What is done next, or None if nothing was after `timeout_s`."""

    def evaluated(self, tasks: Sequence[Task], listeners: Listeners) -> Outcomes:
        """The outcome of every task, in the order of completion."""
        if not tasks:
            return
        self.start()
        failed: list[int] = []
        for position, reply in self._replies(tasks, range(len(tasks)), self.at_once, listeners):
            if isinstance(reply, Done) and isinstance(reply.outcome, Outcome):
                yield position, _logged(reply, reply.outcome, listeners)
            else:
                failed.append(position)
        for position, reply in self._replies(tasks, sorted(failed), self.retries_at_once, listeners):
            yield position, _final(reply, listeners)

    def _replies(
        self, tasks: Sequence[Task], positions: Sequence[int], at_once: int | None, listeners: Listeners
    ) -> Replies:
        waiting, running = deque(positions), 0
        while waiting or running:
            while waiting and (at_once is None or running < at_once):
                position = waiting.popleft()
                self.send(position, tasks[position])
                running += 1
            found = self.received(TICK_S)
            listeners.tick()
            if found is not None:
                running -= 1
                yield found


def _final(reply: Reply, listeners: Listeners) -> Outcome:
    """What is recorded after a second try.

    Raises:
        Exception: what the surroundings raised again.
    """
    if isinstance(reply, Lost):
        return Outcome(error=f"in both tries the process that evaluated it {reply.why}")
    if isinstance(reply.outcome, NO_MEMORY):
        return _logged(
            reply, Outcome(error=f"in both tries {type(reply.outcome).__name__}: {reply.outcome}"), listeners
        )
    if isinstance(reply.outcome, Exception):
        raise reply.outcome
    return _logged(reply, reply.outcome, listeners)


def _logged(reply: Done, outcome: Outcome, listeners: Listeners) -> Outcome:
    for event in reply.events:
        listeners.log(event)
    return outcome


def answer(evaluate: Evaluate, task: Task) -> Done:
    """What a worker does with a task."""
    events: list[Event] = []
    try:
        outcome: Outcome | Exception = attempt(evaluate, task, events.append, no_progress, FAILURES)
    except FAILURES as error:
        outcome = _portable(error)
    return Done(outcome, tuple(events))


def _portable(error: Exception) -> Exception:
    """An exception that can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # classes with arguments of their own often cannot
        return RunError(f"{type(error).__name__}: {error}")
    return error
