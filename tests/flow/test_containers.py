"""What a run does, and says, where a container has little memory and few cores."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sculptnet.flow.context import Voice, limit_threads
from sculptnet.flow.looking import memory_notes
from sculptnet.flow.network_context import NetworkContext, open_network_context
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.workers import decoders

from sculptnet.data import InMemory
from sculptnet.machine_limits import System, cores
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.ray_workers import RayWorkers


@pytest.fixture
def context(photos: Path, tmp_path: Path, voice: Voice) -> NetworkContext:
    """A run on files: images of 100 pixels are not held in memory."""
    request = NetworkRequest(
        data=str(photos),
        network="mnasnet_small",
        device="sculptnet.testing:fake_device",
        accelerator="cpu",
        resolution=100,
        run_dir=tmp_path / "run",
    )
    return open_network_context(request, voice, time.monotonic)


def _system(folder: Path, megabytes: int) -> System:
    (folder / "meminfo").write_text(f"MemTotal: {megabytes * 1000} kB\nMemAvailable: {megabytes * 1000} kB\n")
    return System(proc=folder, shared=folder)


def test_what_memory_changes_is_said(context: NetworkContext, tmp_path: Path) -> None:
    assert context.workers() == min(4, cores())
    assert list(memory_notes(context, _system(tmp_path, 100_000))) == []
    (note,) = memory_notes(context, _system(tmp_path, 64))
    assert note.startswith(
        "Note: no other processes decode images beside this one, since 66 MB of shared memory and 66"
    )
    in_files = replace(context, preprocessing=context.preprocessing.at(16), data=context.loaded)
    _, note = memory_notes(in_files, _system(tmp_path, 0))
    assert note.startswith("Note: images stay in their files: decoded they take 0 MB, more than a quarter of the 0 MB")
    in_memory = replace(in_files, data=replace(context.loaded, train=_held(context)))
    assert list(memory_notes(in_memory, _system(tmp_path, 0))) == []


def _held(context: NetworkContext) -> InMemory:
    labels = context.loaded.train.labels
    return InMemory(torch.zeros(len(labels), 3, 16, 16, dtype=torch.uint8), labels)


def test_networks_are_judged_in_batches_of_their_resolution(context: NetworkContext) -> None:
    assert context.in_order(context.data.test).batch_size == 256
    assert context.at(224).in_order(context.data.test).batch_size == 64
    assert context.in_order(context.data.test).num_workers == context.workers()


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
