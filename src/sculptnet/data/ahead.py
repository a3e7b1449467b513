"""Images read ahead by other processes, a piece of a batch at a time, in as much shared memory as there is.

A piece is handed over as bytes, not as floats, and copied out of the shared memory when it arrives. What a batch holds
never depends on the number of processes or on the size of pieces. A process that dies, cannot hand over or falls silent
ends the reading with an error (`torch.utils.data.DataLoader` loses a batch that does not fit into shared memory, and
waits for it).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor

from sculptnet import machine_limits
from sculptnet.errors import WorkerFailed
from sculptnet.machine_limits import HERE, System

MOST_WORKERS = 4
PIECE_BYTES, MOST_IN_PIECE = 4 << 20, 64
WORKER_BYTES = 256 << 20  # of its own, at most: photographs of 24 megapixels while they are decoded, Python's objects
SHARE = 2  # of the free memory, one part of so many is used: other programs, and other readers of ours, have some too
SILENT_S = 600.0  # for a few images


class Piece(NamedTuple):
    """Some images: uint8, `(n, ...)`, and what belongs to each."""

    pixels: Tensor
    targets: list[Any]


class Reader(Protocol):
    """What reads images; it is sent to other processes."""

    @property
    def image_bytes(self) -> int:
        """Of the pixels of one image that was read."""
        ...

    def read(self, indices: Sequence[int]) -> Piece:
        """The images `indices`, in that order."""
        ...

    def batch(self, piece: Piece) -> tuple[Tensor, Tensor]:
        """What a network is given of them."""
        ...


@final
@dataclass(frozen=True)
class Reading:
    """How images are read ahead.

    Attributes:
        workers: processes; 0 reads in this one.
        piece: images that a process reads at a time.
        ahead: pieces that were asked for and not used yet.
    """

    workers: int
    piece: int
    ahead: int


def reading(wanted: int, image_bytes: int, batch_size: int, system: System = HERE) -> Reading:
    """As much as fits: two pieces for every process, two batches at most.

    Args:
        wanted: processes, at most.
        image_bytes: of one image, as it is handed over.
        batch_size: images.
        system: whose free memory counts.
    """
    piece = max(1, min(PIECE_BYTES // image_bytes, MOST_IN_PIECE, batch_size))
    room = machine_limits.free_shared_memory(system) // SHARE // (piece * image_bytes)
    workers = min(wanted, room // 2, machine_limits.free_memory(system) // SHARE // WORKER_BYTES)
    ahead = min(room, 2 * workers + 2 * -(-batch_size // piece))
    return Reading(workers, piece, ahead) if workers > 0 else Reading(0, piece, 0)


def fewer_workers(wanted: int, image_bytes: int, system: System = HERE) -> str | None:
    """A sentence for the user where fewer than `wanted` processes fit; None where all do."""
    workers = reading(wanted, image_bytes, MOST_IN_PIECE, system).workers
    if workers >= wanted:
        return None
    shared, free = machine_limits.free_shared_memory(system), machine_limits.free_memory(system)
    count = f"{workers} of {wanted} processes decode" if workers else "no other processes decode"
    return (
        f"Note: {count} images beside this one, since {_megabytes(shared)} of shared memory and {_megabytes(free)} of "
        "memory are free; results are the same, training may take longer. A container has more with docker's "
        "--shm-size=1g and --memory"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def batches_of(
    reader: Reader,
    batches: Sequence[Sequence[int]],
    wanted: int,
    *,
    system: System = HERE,
    silent_s: float = SILENT_S,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The images of `batches`, in order, read ahead by up to `wanted` processes.

    Args:
        reader: what reads.
        batches: indices of images.
        wanted: processes; 0 reads in this one.
        system: whose free memory counts.
        silent_s: how long nothing may come.

    Raises:
        WorkerFailed: a process was killed, could not hand over what it read, or was silent for so long.
    """
    how = reading(wanted, reader.image_bytes, max(map(len, batches), default=1), system)
    parts = [batch[start : start + how.piece] for batch in batches for start in range(0, len(batch), how.piece)]
    pieces = _elsewhere(reader, parts, how, silent_s) if how.workers else (reader.read(part) for part in parts)
    with closing(pieces):  # who stops early stops the processes
        for batch in batches:
            yield reader.batch(_whole(pieces, len(batch)))


def _whole(pieces: Iterator[Piece], count: int) -> Piece:
    """The next `count` images, out of the shared memory."""
    piece = next(pieces)
    pixels, targets = piece.pixels.new_empty(count, *piece.pixels.shape[1:]), list[Any]()
    while True:
        pixels[len(targets) : len(targets) + len(piece.targets)] = piece.pixels
        targets += piece.targets
        if len(targets) == count:
            return Piece(pixels, targets)
        piece = next(pieces)


# ---------------------------------------------------------------------- other processes
def _elsewhere(
    reader: Reader, parts: Sequence[Sequence[int]], how: Reading, silent_s: float
) -> Generator[Piece, None, None]:
    method = "fork" if sys.platform == "linux" else None  # it starts at once, and shares the reader
    context = multiprocessing.get_context(method)
    before = multiprocessing.active_children()
    waiting, asked, ours = iter(parts), deque[Future[Piece]](), list[BaseProcess]()
    with ProcessPoolExecutor(min(how.workers, len(parts)), context, _begin, (reader,)) as pool:
        try:
            for part in islice(waiting, how.ahead):
                asked.append(pool.submit(_read, part))
                started = multiprocessing.active_children()
                ours += [process for process in started if process not in before and process not in ours]
            while asked:
                piece = _arrived(pool, asked.popleft(), ours, silent_s)
                asked.extend(pool.submit(_read, part) for part in islice(waiting, 1))
                yield piece
        except BrokenProcessPool as error:  # of a submission
            raise _failed(pool, ours) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _arrived(pool: ProcessPoolExecutor, future: Future[Piece], ours: Sequence[BaseProcess], silent_s: float) -> Piece:
    try:
        return future.result(silent_s)
    except BrokenProcessPool as error:
        raise _failed(pool, ours) from error
    except TimeoutError as error:
        if future.done() and future.exception() is error:  # raised by what reads, a file system for one
            raise
        for process in ours:
            process.kill()
        raise WorkerFailed(
            f"processes that decode images gave none for {silent_s / 60:g} minutes; see whether the folder of the "
            "images can still be read. The same command goes on where this one stopped"
        ) from error
    except RuntimeError as error:
        if "shared memory" not in str(error):
            raise
        raise WorkerFailed(
            f"a process that decodes images could not hand them over, since no shared memory was left ({error}); free "
            "/dev/shm, or give a container more of it (docker's --shm-size=1g). The same command goes on where this "
            "one stopped"
        ) from error


def _failed(pool: ProcessPoolExecutor, ours: Sequence[BaseProcess]) -> WorkerFailed:
    pool.shutdown(cancel_futures=True)  # ends the others, by SIGTERM
    codes = [process.exitcode for process in ours if process.exitcode not in (None, 0, -signal.SIGTERM)]
    code = codes[0] if codes else None
    if code is None:
        how = "ended"
    else:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return WorkerFailed(
        f"a process that decodes images {how}: mostly for want of memory (SIGKILL) or of shared memory (SIGBUS). Free "
        "some, or give a container more (docker's --memory and --shm-size=1g). The same command goes on where this one "
        "stopped"
    )


_reader: Reader  # of a process that reads for another one


def _begin(reader: Reader) -> None:
    global _reader
    _reader = reader
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; who reads ahead decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Ends this process with the one that it reads for, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _read(part: Sequence[int]) -> Piece:
    return _reader.read(part)
