from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sculptnet.data.ahead import Piece, Reading, batches_of, fewer_workers, reading
from sculptnet.errors import DataError, WorkerFailed
from sculptnet.machine_limits import HERE, System

MB = 1_000_000
PHOTO = 3 * 224**2
BATCHES = [list(range(start, min(start + 100, 250))) for start in range(0, 250, 100)]


def _nothing() -> None:
    """Goes on."""


def _killed_by(number: int) -> Callable[[], None]:
    def die() -> None:
        faulthandler.disable()
        os.kill(os.getpid(), number)

    return die


def _unreadable() -> None:
    raise DataError("a.jpg cannot be read now")


def _no_room() -> None:
    raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")


@dataclass(frozen=True)
class Numbers:
    """Images that show their index; something happens at image 130."""

    happens: Callable[[], object] = _nothing

    image_bytes = 3

    def read(self, indices: Sequence[int]) -> Piece:
        if 130 in indices and multiprocessing.parent_process() is not None:
            self.happens()
        pixels = torch.tensor(indices, dtype=torch.uint8)[:, None].expand(-1, 3).contiguous()
        return Piece(pixels, [np.full(index % 3, index) for index in indices])

    def batch(self, piece: Piece) -> tuple[Tensor, Tensor]:
        assert [len(target) for target in piece.targets] == [index % 3 for index in piece.pixels[:, 0].tolist()]
        return piece.pixels, torch.from_numpy(np.concatenate(piece.targets))


def _system(folder: Path, *, memory_mb: int) -> System:
    """One with so much free memory, shared memory included."""
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text(f"MemAvailable: {memory_mb * MB // 1024 + 1} kB\n")
    return System(proc=folder, shared=folder)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_are_the_same_however_many_read(workers: int) -> None:
    found = list(batches_of(Numbers(), BATCHES, workers))
    assert [len(pixels) for pixels, _ in found] == [100, 100, 50]
    assert torch.cat([pixels[:, 0] for pixels, _ in found]).tolist() == list(range(250))
    assert torch.cat([targets for _, targets in found]).tolist() == [i for i in range(250) for _ in range(i % 3)]
    assert list(batches_of(Numbers(), [], workers)) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGBUS, signal.SIGTERM])
def test_a_killed_process_ends_the_reading(number: signal.Signals) -> None:
    name = "was killed by " + number.name if number != signal.SIGTERM else "ended"
    with pytest.raises(WorkerFailed, match=f"a process that decodes images {name}.*--shm-size.*The same command"):
        list(batches_of(Numbers(_killed_by(number)), BATCHES, 2))
    assert not multiprocessing.active_children()


def test_a_process_killed_from_outside_ends_the_reading() -> None:
    batches = batches_of(Numbers(), [[index % 250] for index in range(10_000)], 2)
    next(batches)
    first, *_ = multiprocessing.active_children()
    first.kill()
    with pytest.raises(WorkerFailed, match="killed by SIGKILL"):
        list(batches)


def test_a_silent_process_ends_the_reading() -> None:
    with pytest.raises(WorkerFailed, match=r"gave none for 0\.005 minutes; see whether"):
        list(batches_of(Numbers(threading.Event().wait), BATCHES, 2, silent_s=0.3))
    assert not multiprocessing.active_children()


def test_what_a_process_raises_arrives_as_it_is() -> None:
    with pytest.raises(DataError, match=r"^a\.jpg cannot be read now$"):
        list(batches_of(Numbers(_unreadable), BATCHES, 2))
    with pytest.raises(WorkerFailed, match=r"no shared memory was left .*--shm-size=1g"):
        list(batches_of(Numbers(_no_room), BATCHES, 2))


def test_who_stops_early_leaves_no_process() -> None:
    batches = batches_of(Numbers(), BATCHES, 2)
    next(batches)
    assert multiprocessing.active_children()
    del batches
    assert not multiprocessing.active_children()


def test_processes_and_pieces_fit_into_the_memory_there_is(tmp_path: Path) -> None:
    plenty, docker = _system(tmp_path / "a", memory_mb=16_000), _system(tmp_path / "b", memory_mb=64)
    assert reading(4, PHOTO, 64, plenty) == Reading(workers=4, piece=27, ahead=14)
    assert reading(4, PHOTO, 256, plenty) == Reading(workers=4, piece=27, ahead=28)
    assert reading(4, 3 * 32**2, 256, plenty) == Reading(workers=4, piece=64, ahead=16)
    assert reading(0, PHOTO, 64, plenty).workers == 0
    assert reading(4, PHOTO, 64, docker).workers == 0
    for resolution in (32, 224, 600, 5000):
        for memory_mb in (100, 1200, 5000):
            system = _system(tmp_path / f"{resolution} {memory_mb}", memory_mb=memory_mb)
            found = reading(4, 3 * resolution**2, 256, system)
            assert found.workers * 2 <= found.ahead or not found.workers
            assert found.ahead * found.piece * 3 * resolution**2 <= memory_mb * MB / 2


def test_fewer_processes_are_said_in_a_sentence(tmp_path: Path) -> None:
    assert fewer_workers(4, PHOTO, _system(tmp_path / "a", memory_mb=16_000)) is None
    assert fewer_workers(0, PHOTO, _system(tmp_path / "b", memory_mb=1)) is None
    assert (fewer_workers(4, PHOTO, _system(tmp_path / "c", memory_mb=1200)) or "").startswith(
        "Note: 2 of 4 processes decode images beside this one, since 1,200 MB of shared memory and 1,200 MB of memory"
    )
    assert (fewer_workers(4, PHOTO, _system(tmp_path / "d", memory_mb=64)) or "").startswith(
        "Note: no other processes decode images beside this one, since 64 MB"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is no folder elsewhere")
def test_a_full_shared_memory_does_not_end_a_reading(tmp_path: Path) -> None:
    assert len(list(batches_of(Numbers(), BATCHES, 3, system=System(HERE.proc, HERE.cgroups, tmp_path)))) == 3
    assert [len(pixels) for pixels, _ in batches_of(Numbers(), BATCHES, 3, system=_system(tmp_path, memory_mb=0))] == [
        100,
        100,
        50,
    ]
