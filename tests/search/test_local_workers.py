"""Processes side by side: one that dies costs a retry, and a killed driver evaluates nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sculptnet.arch import Architecture, Candidate, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.errors import DeviceError, InvalidValue, WorkerFailed
from sculptnet.records import Event, OtherEvent
from sculptnet.records.codec import from_line
from sculptnet.search import Job, Objective, Problem, Proposals, RandomSearch, Search, TrialRecord, run
from sculptnet.search.local_workers import LocalWorkers

STAGES = ((Conv(choice(4, 8)), Conv(8, choice(1, 3, 5))),)
SPACE = SearchSpace(Architecture(8, Conv(4), STAGES, PooledConv(8), Classifier(2)))
PROBLEM = Problem(SPACE, (Objective("top1"),))


def all_rows() -> Search:
    """Proposes all six candidates at once."""
    yield Proposals(np.array([(first, second) for first in range(2) for second in range(3)]))


def kernel_size(candidate: Candidate, job: Job) -> Mapping[str, float]:
    return {"top1": SPACE.encode(candidate.architecture)[1] + 0.5}


@dataclass(frozen=True)
class Failing:
    """Fails in every way there is, depending on the trial and on how often it was tried, of which files keep count."""

    folder: Path

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        tried = len(list(self.folder.glob(f"{job.trial}-*"))) + 1
        (self.folder / f"{job.trial}-{tried}").touch()
        job.log(OtherEvent("began", {"try": tried}))
        if job.trial == 1:
            raise ValueError("no luck")
        if job.trial == 2 or (job.trial == 3 and tried == 1):
            raise MemoryError("too large")
        if job.trial == 4 or (job.trial == 5 and tried == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return kernel_size(candidate, job)


def test_a_worker_that_fails_costs_one_retry_and_what_raises_none(tmp_path: Path) -> None:
    events: list[Event] = []
    records = run(all_rows(), PROBLEM, Failing(tmp_path), 6, workers=2, events=events.append)
    assert [record.error for record in records] == [
        None,
        "ValueError: no luck",
        "in both tries MemoryError: too large",
        None,
        "in both tries the process that evaluated it was killed, perhaps for want of memory",
        None,
    ]
    assert [len(list(tmp_path.glob(f"{trial}-*"))) for trial in range(6)] == [1, 1, 2, 2, 2, 2]
    counted = [
        (event.trial, event.values["try"]) for event in events if isinstance(event, OtherEvent)
    ]  # of the try that counted
    assert sorted(counted) == [(0, 1), (1, 1), (2, 2), (3, 2), (5, 2)]
    alone = run(all_rows(), PROBLEM, kernel_size, 6)
    assert [records[trial] for trial in (0, 3, 5)] == [alone[trial] for trial in (0, 3, 5)]


DRIVER = """
import json, os, signal, sys
from pathlib import Path
from sculptnet.records.codec import to_line
from sculptnet.search import run
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.ray_workers import RayWorkers
from tests.search.test_local_workers import PROBLEM, Counting, all_rows

folder = Path(sys.argv[1])


def keep(record):
    with (folder / "log").open("a") as file:
        file.write(json.dumps(to_line(record)) + "\\n")
    if len((folder / "log").read_text().splitlines()) == 3:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    run(all_rows(), PROBLEM, Counting(folder), 6, log=keep, workers=eval(sys.argv[2]))
"""


@dataclass(frozen=True)
class Counting:
    """Leaves a file for every evaluation."""

    folder: Path

    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        (self.folder / f"{job.trial}-{len(list(self.folder.glob(f'{job.trial}-*')))}").touch()
        return kernel_size(candidate, job)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["LocalWorkers(2)", "RayWorkers(number=2, cpus_per_trial=0.5, address='local')"])
def test_a_killed_driver_goes_on_without_evaluating_anything_twice(workers: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", DRIVER, str(tmp_path), workers]
    path = os.pathsep.join((str(root), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == ""
    known = [from_line(json.loads(line), TrialRecord) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(known) == 3
    assert run(all_rows(), PROBLEM, Counting(tmp_path), 6, known=known) == run(all_rows(), PROBLEM, kernel_size, 6)
    assert all(len(list(tmp_path.glob(f"{record.trial}-*"))) == 1 for record in known)


@pytest.mark.slow
def test_a_script_that_cannot_be_started_again_is_told_what_it_lacks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from sculptnet.search import run\n"
        "from tests.search.test_local_workers import PROBLEM, all_rows, kernel_size\n"
        "run(all_rows(), PROBLEM, kernel_size, 3, workers=2)\n"
    )
    path = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a worker process could not start: it ended with exit code 1" in done.stderr
    assert 'needs `if __name__ == "__main__":`' in done.stderr


# ---------------------------------------------------------------------- in one process
def test_what_must_be_alone_comes_before_any_evaluation_of_its_round() -> None:
    order: list[tuple[str, int]] = []

    def timed(candidate: Candidate, job: Job) -> Mapping[str, float]:
        order.append(("timed", job.trial))
        if job.trial == 1:
            raise ValueError("too slow")
        return {"latency_ms": 2.0}

    def trained(candidate: Candidate, job: Job) -> Mapping[str, float]:
        order.append(("trained", job.trial))
        return kernel_size(candidate, job)

    records = run(all_rows(), PROBLEM, trained, 3, alone=timed)
    assert order == [("timed", 0), ("timed", 1), ("timed", 2), ("trained", 0), ("trained", 2)]
    assert [record.error for record in records] == [None, "ValueError: too slow", None]
    assert [record.metrics.keys() for record in records] == [{"latency_ms", "top1"}, set(), {"latency_ms", "top1"}]


@pytest.mark.parametrize("kind", [DeviceError, WorkerFailed])
def test_surroundings_that_fail_stop_a_run_in_one_process(kind: type[Exception]) -> None:
    def evaluate(candidate: Candidate, job: Job) -> Mapping[str, float]:
        raise kind("the phone was unplugged")

    with pytest.raises(kind, match="the phone was unplugged"):
        run(all_rows(), PROBLEM, evaluate, 3)


# ---------------------------------------------------------------------- errors
def test_an_evaluation_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"2 workers: the evaluation is sent to other .* cannot be sent .* use a fu"):
        run(RandomSearch().search(PROBLEM, 0), PROBLEM, lambda candidate, job: {}, 3, workers=LocalWorkers(2))


@pytest.mark.parametrize("number", [0, -3])
def test_no_workers_are_refused(number: int) -> None:
    with pytest.raises(InvalidValue, match=f"workers must be at least 1, got {number}; 1 evaluates in this process"):
        LocalWorkers(number)
