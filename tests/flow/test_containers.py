"""What a run does, and says, where a container has little memory and few cores."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.flow.conftest import SILENT

from sculptnet.data import InMemory
from sculptnet.job import Job
from sculptnet.machine_limits import System, cores
from sculptnet.methods import Given
from sculptnet.option_groups import Accelerator
from sculptnet.options import TrainOptions
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.ray_workers import RayWorkers
from sculptnet.stages.data import memory_notes
from sculptnet.stages.workers import decoders
from sculptnet.tasks.classify import opened
from sculptnet.tasks.opening import limit_threads


@pytest.fixture
def job(photos: Path, tmp_path: Path) -> Job[TrainOptions]:
    """A run on files: images of 100 pixels are not held in memory."""
    options = TrainOptions(
        "mnasnet_small",
        photos,
        device="sculptnet.testing:fake_device",
        accelerator=Accelerator.CPU,
        resolution=100,
        run_dir=tmp_path / "run",
        listener=SILENT,
    )
    return opened("train", options, Given(), time.monotonic)


def _system(folder: Path, megabytes: int) -> System:
    (folder / "meminfo").write_text(f"MemTotal: {megabytes * 1000} kB\nMemAvailable: {megabytes * 1000} kB\n")
    return System(proc=folder, shared=folder)


def test_what_memory_changes_is_said(job: Job[TrainOptions], tmp_path: Path) -> None:
    assert job.num_workers() == min(4, cores())
    assert list(memory_notes(job, _system(tmp_path, 100_000))) == []
    (note,) = memory_notes(job, _system(tmp_path, 64))
    assert note.startswith(
        "Note: no other processes decode images beside this one, since 66 MB of shared memory and 66"
    )
    in_files = replace(job, preprocessing=job.preprocessing.at(16), data=job.loaded)
    _, note = memory_notes(in_files, _system(tmp_path, 0))
    assert note.startswith("Note: images stay in their files: decoded they take 0 MB, more than a quarter of the 0 MB")
    in_memory = replace(in_files, data=replace(job.loaded, train=_held(job)))
    assert list(memory_notes(in_memory, _system(tmp_path, 0))) == []


def _held(job: Job[TrainOptions]) -> InMemory:
    labels = job.loaded.train.labels
    return InMemory(torch.zeros(len(labels), 3, 16, 16, dtype=torch.uint8), labels)


def test_networks_are_judged_in_batches_of_their_resolution(job: Job[TrainOptions]) -> None:
    assert job.in_order(job.data.test).batch_size == 256
    assert job.at(224).in_order(job.data.test).batch_size == 64
    assert job.in_order(job.data.test).num_workers == job.num_workers()


def test_torch_has_no_more_threads_than_there_are_cores() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(cores() + 3)
        limit_threads()
        assert torch.get_num_threads() == cores()
        torch.set_num_threads(1)
        limit_threads()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_trials_at_once_share_the_processes_that_decode() -> None:
    assert [decoders(LocalWorkers(number), 4) for number in (1, 2, 3, 8)] == [4, 2, 2, 1]
    assert decoders(LocalWorkers(3), 0) == 0
    assert decoders(RayWorkers(cpus_per_trial=2), 4) == 2
    assert decoders(RayWorkers(cpus_per_trial=0.5), 4) == 1
    assert decoders(RayWorkers(), 0) == 0
