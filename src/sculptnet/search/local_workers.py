"""Evaluations in this process or in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, final

import torch

from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.machine_limits import cores
from sculptnet.search.protocol import Evaluate
from sculptnet.search.side_by_side import Done, Lost, Reply, SideBySide, answer
from sculptnet.search.workers import Here, Pool, Task, Workers

STOP_S = 5.0  # for a process to end by itself


@final
@dataclass(frozen=True)
class LocalWorkers(Workers):
    """Processes of this machine, started afresh (spawn); one evaluates in this process.

    Each process computes with its share of torch's threads. With several, an evaluation must be picklable, and a script
    needs `if __name__ == "__main__":`, as always with processes. All of them see the same accelerator.

    Attributes:
        number: evaluations at once.

    Raises:
        InvalidValue: `number` below 1.
    """

    number: int = 1

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InvalidValue(f"workers must be at least 1, got {self.number}; 1 evaluates in this process")

    def opened(self, evaluate: Evaluate) -> AbstractContextManager[Pool]:
        """This process, or the others.

        Raises:
            InvalidValue: with the first task, if `evaluate` cannot be sent to another process.
        """
        return nullcontext(Here(evaluate)) if self.number == 1 else _Processes(evaluate, self.number)


@dataclass(eq=False)
class _Worker:
    """A process and what it is at."""

    process: BaseProcess
    connection: Connection[Any, Any]
    ready: bool = False
    position: int | None = None


class _Processes(SideBySide, AbstractContextManager["_Processes"]):
    """Starts processes as they are needed and replaces those that die."""

    def __init__(self, evaluate: Evaluate, number: int) -> None:
        self.at_once, self.retries_at_once = number, 1  # what was killed for want of memory runs alone
        self._evaluate = evaluate
        self._content: bytes | None = None
        self._threads = max(1, min(torch.get_num_threads(), cores()) // number)
        self._workers: list[_Worker] = []

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.connection.close()  # who waits for a task ends
            if worker.position is not None:
                worker.process.terminate()
        for worker in self._workers:
            _end(worker.process)

    def start(self) -> None:
        if self._content is None:
            try:
                self._content = pickle.dumps(self._evaluate)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise InvalidValue(
                    f"{self.at_once} workers: the evaluation is sent to other processes, but {self._evaluate!r} "
                    f"cannot be sent ({error}); use a function or a frozen dataclass of a module, or one worker"
                ) from None

    def send(self, position: int, task: Task) -> None:
        idle = next((worker for worker in self._workers if worker.position is None), None)
        if idle is not None:
            try:
                idle.connection.send(task)
            except OSError:  # it died while it had nothing to do
                self._drop(idle)
                idle = None
        if idle is None:
            idle = self._new_worker()
            idle.connection.send(task)
        idle.position = position

    def received(self, timeout_s: float) -> tuple[int, Reply] | None:
        busy = {worker.connection: worker for worker in self._workers if worker.position is not None}
        for connection in wait(list(busy), timeout_s):
            worker = busy[connection]  # type: ignore[index]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                return self._lost(worker)
            if isinstance(message, Done):
                position, worker.position = worker.position, None
                assert position is not None
                return position, message
            if isinstance(message, str):
                raise InvalidValue(f"a worker cannot load the evaluation ({message}); define it in a module")
            worker.ready = True
        return None

    def _lost(self, worker: _Worker) -> tuple[int, Reply]:
        position = worker.position
        self._drop(worker)
        if not worker.ready:
            raise DeviceError(_no_start(worker.process))
        assert position is not None
        return position, Lost(_ended(worker.process))

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        _end(worker.process)

    def _new_worker(self) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(self._content, self._threads, theirs), name="sculptnet trials")
        try:
            process.start()
        except OSError as error:  # it ended before it had read what it is to do
            raise DeviceError(_no_start(process)) from error
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]


def _end(process: BaseProcess) -> None:
    process.join(STOP_S)
    if process.is_alive():
        process.kill()
        process.join()


def _ended(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code == -signal.SIGKILL:
        return "was killed, perhaps for want of memory"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _no_start(process: BaseProcess) -> str:
    return (
        f"a worker process could not start: it {_ended(process)}; what it printed above says why. A script that "
        'evaluates in other processes needs `if __name__ == "__main__":` around what it does'
    )


def _serve(content: bytes, threads: int, connection: Connection[Any, Any]) -> None:
    """What a process does: loads the evaluation, then answers tasks until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the driver decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        evaluate = pickle.loads(content)
    except Exception as error:  # whatever its modules raise when they are imported here
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(answer(evaluate, task))


def _end_with_parent() -> None:
    """Ends this process with its driver, however that ends: nobody else may write where a resumed run does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
