"""A real Ray cluster of two workers: one is killed in the middle of a trial, and nothing but a retry comes of it."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.search.test_local_workers import PROBLEM, all_rows, kernel_size

from sculptnet.arch import Candidate
from sculptnet.errors import DeviceError, InvalidValue, MissingExtra
from sculptnet.records import Event, OtherEvent
from sculptnet.search import Evaluate, Job, run
from sculptnet.search.ray_cluster import joined
from sculptnet.search.ray_workers import RayWorkers

if importlib.util.find_spec("ray") is None:  # not imported: that is left to what is tested
    pytest.skip("needs the extra ray", allow_module_level=True)


# ---------------------------------------------------------------------- without a cluster
@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nowhere"])
def test_a_cluster_that_does_not_answer_is_named_with_the_remedy(address: str) -> None:
    with (
        pytest.raises(DeviceError, match=rf"no Ray cluster can be reached at {address} .* `ray start --head`, correct"),
        joined(address),
    ):
        raise AssertionError("joined a cluster that is not there")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"Ray is not installed; pip install 'sculptnet\[ray\]', or give a number"):
        run(all_rows(), PROBLEM, kernel_size, 3, workers=RayWorkers())


def test_all_wrong_shares_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        RayWorkers(number=0, cpus_per_trial=0, gpus_per_trial=1.5)
    for text in (
        "number must be at least 1, got 0",
        "cpus_per_trial must be above 0, got 0",
        "gpus_per_trial must be whole, or a part of one, got 1.5",
    ):
        assert text in str(caught.value)


# ---------------------------------------------------------------------- with one
@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two CPUs, not more; started by somebody else as far as the workers can tell."""
    with joined("local", cpus=2) as ray:
        yield ray


def killed_at(trial: int, tries: int, folder: Path) -> Evaluate:
    """An evaluation that kills its process in one trial, the first `tries` times; sent to Ray by value."""

    def evaluate(candidate: Candidate, job: Job) -> Mapping[str, float]:
        tried = len(list(folder.glob(f"{job.trial}-*"))) + 1
        (folder / f"{job.trial}-{tried}-{os.getpid()}").touch()
        job.log(OtherEvent("began", {}))
        if job.trial == trial and tried <= tries:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"top1": (candidate.architecture.stages[0][1].kernel_size - 1) / 2 + 0.5}  # type: ignore[attr-defined]

    return evaluate


def test_a_killed_worker_costs_one_retry_and_nothing_shows(
    cluster: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler, events = signal.getsignal(signal.SIGTERM), list[Event]()
    records = run(all_rows(), PROBLEM, killed_at(2, 1, tmp_path), 6, workers=RayWorkers(number=2), events=events.append)
    assert records == run(all_rows(), PROBLEM, kernel_size, 6)
    assert sorted(str(event.trial) for event in events) == ["0", "1", "2", "3", "4", "5"]
    assert [len(list(tmp_path.glob(f"{trial}-*"))) for trial in range(6)] == [1, 1, 2, 1, 1, 1]
    processes = {path.name.split("-")[2] for path in tmp_path.iterdir()}
    assert str(os.getpid()) not in processes
    assert len(processes) >= 2
    assert cluster.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_worker_that_is_killed_twice_is_a_failed_trial(cluster: Any, tmp_path: Path) -> None:
    records = run(all_rows(), PROBLEM, killed_at(0, 9, tmp_path), 3, workers=RayWorkers())
    assert records[0].error == "in both tries the process that evaluated it was lost (WorkerCrashedError)"
    assert [record.error for record in records[1:]] == [None, None]
    assert len(list(tmp_path.glob("0-*"))) == 2


@pytest.mark.slow
def test_a_trial_that_no_machine_has_room_for_is_refused(cluster: Any) -> None:
    for workers, text in (
        (
            RayWorkers(cpus_per_trial=64),
            r"a trial asks for 64 CPU, but no machine .* \(they have 2 CPU, 0 GPU\); lower",
        ),
        (RayWorkers(gpus_per_trial=0.5), r"asks for 1 CPU and 0.5 GPU, .*; lower gpus_per_trial, or add a machine"),
    ):
        with pytest.raises(InvalidValue, match=text):
            run(all_rows(), PROBLEM, kernel_size, 3, workers=workers)


@pytest.mark.slow
def test_an_evaluation_that_cannot_be_sent_to_a_cluster_is_refused(cluster: Any) -> None:
    lock = threading.Lock()

    def evaluate(candidate: Candidate, job: Job) -> Mapping[str, float]:
        with lock:
            return {"top1": 0.5}

    with pytest.raises(
        InvalidValue, match=r"Ray workers: the evaluation is sent to other processes, but .* open files"
    ):
        run(all_rows(), PROBLEM, evaluate, 3, workers=RayWorkers())
