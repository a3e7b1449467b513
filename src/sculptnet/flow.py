"""The one flow: an open run becomes a network, its card and its page."""

from __future__ import annotations

from typing import Any, TypeVar

from sculptnet.job import Stage, TaskJob
from sculptnet.stages.working_time import timed
from sculptnet.tasks.base import Task

J = TypeVar("J", bound=TaskJob[Any])
F = TypeVar("F")
N = TypeVar("N")
R = TypeVar("R")


def work(task: Task[J, F, N, R], job: J, until: Stage = Stage.REPORT) -> R:
    """The stages up to `until`; what earlier calls finished is read, not done again."""
    with job.run.locked():
        if _finished(task, job, until):
            return task.result(job, None)
        with timed(job, until.value):
            found = _worked(task, job, until)
        return task.result(job, found)


def _finished(task: Task[J, F, N, R], job: J, until: Stage) -> bool:
    """Whether the run has all that is asked for."""
    if not job.run.card.exists() or not task.searched(job):
        return False
    return until is not Stage.REPORT or (job.run.report.exists() and task.compared(job))


def _worked(task: Task[J, F, N, R], job: J, until: Stage) -> F:
    task.look(job)
    found = task.find(job)
    if until is Stage.SEARCH:
        return found
    if not job.run.card.exists():
        network = task.train(job, found)
        if until is Stage.TRAIN:
            return found
        task.ship(job, found, network)
    if until is Stage.REPORT:
        task.compare(job, found)
        task.report(job, found)
    return found
