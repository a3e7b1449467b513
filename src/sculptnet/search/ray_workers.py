"""Evaluations on a Ray cluster: one that runs already, or one of this machine for as long as it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import KW_ONLY, dataclass
from typing import Any, final

import torch

from sculptnet.errors import DeviceError, InvalidValue, collected
from sculptnet.search.protocol import Evaluate
from sculptnet.search.ray_cluster import joined
from sculptnet.search.side_by_side import Done, Lost, Reply, SideBySide, answer
from sculptnet.search.workers import Pool, Task, Workers


@final
@dataclass(frozen=True)
class RayWorkers(Workers):
    """Tasks of Ray, each with its share of a machine. Needs the extra `ray`.

    A running cluster is joined: that of `address`, of the environment's RAY_ADDRESS, or what `ray start` started on
    this machine. Where there is none, one of this machine is started and stopped again. Trials leave files in their
    folders, so other machines must see the run directory under the same path, and have the same packages.

    Attributes:
        number: evaluations at once; None: as many as the cluster has room for.
        cpus_per_trial: cores of each; torch computes with as many threads.
        gpus_per_trial: GPUs of each; parts of one are shared. Without any a trial sees no GPU.
        address: `HOST:PORT`, `ray://HOST:PORT`, `local` for a new cluster of this machine, or None.

    Raises:
        InvalidValue: `number` below 1, no CPU, GPUs below 0, or more than one that are not whole.
    """

    _: KW_ONLY
    number: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.number is not None and self.number < 1:
            problems.append(f"number must be at least 1, got {self.number}; none takes what the cluster has")
        if not self.cpus_per_trial > 0:
            problems.append(f"cpus_per_trial must be above 0, got {self.cpus_per_trial:g}")
        for name, share in (("cpus_per_trial", self.cpus_per_trial), ("gpus_per_trial", self.gpus_per_trial)):
            if share < 0 or (share > 1 and share != int(share)):
                problems.append(f"{name} must be whole, or a part of one, got {share:g}")
        if problems:
            raise InvalidValue(collected(list(dict.fromkeys(problems)), "Ray workers"))

    def opened(self, evaluate: Evaluate) -> AbstractContextManager[Pool]:
        """Joins or starts the cluster with the first task.

        Raises:
            MissingExtra: Ray is not installed.
            DeviceError: the cluster cannot be reached.
            InvalidValue: no machine of it has room for a trial, or `evaluate` cannot be sent.
        """
        return _RayTasks(evaluate, self)


class _RayTasks(SideBySide, AbstractContextManager["_RayTasks"]):
    """A Ray task for every evaluation; Ray queues what has no room yet."""

    def __init__(self, evaluate: Evaluate, workers: RayWorkers) -> None:
        self.at_once = self.retries_at_once = workers.number
        self._evaluate, self._workers = evaluate, workers
        self._stack = ExitStack()
        self._ray: Any = None
        self._running: dict[Any, int] = {}

    def __exit__(self, *_: object) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        self._stack.close()

    def start(self) -> None:
        if self._ray is not None:
            return
        ray = self._stack.enter_context(joined(self._workers.address))
        _check_room(self._workers, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        try:
            self._content = ray.put(self._evaluate)
        except (TypeError, AttributeError) as error:  # pickle's; and Ray's own text beside them is long
            raise InvalidValue(
                f"Ray workers: the evaluation is sent to other processes, but {self._evaluate!r} cannot be sent "
                f"({str(error).splitlines()[0]}); leave out open files, locks and the like, or use one worker"
            ) from None
        share = {"num_cpus": self._workers.cpus_per_trial, "num_gpus": self._workers.gpus_per_trial}
        self._remote = ray.remote(max_retries=0, **share)(_in_task)
        self._threads = max(1, int(self._workers.cpus_per_trial))
        self._ray = ray

    def send(self, position: int, task: Task) -> None:
        self._running[self._remote.remote(self._content, task, self._threads)] = position

    def received(self, timeout_s: float) -> tuple[int, Reply] | None:
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        if not done:
            return None
        position = self._running.pop(done[0])
        return position, self._reply(done[0])

    def _reply(self, reference: Any) -> Reply:
        try:
            reply: Done = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # what the trial raises is an answer; so it never began
            raise DeviceError(
                f"a Ray worker cannot load the evaluation ({error.cause}); every machine of the cluster needs the same "
                "packages as this one"
            ) from None
        except self._ray.exceptions.RayError as error:
            return Lost(f"was lost ({type(error).__name__})")
        return reply


def _in_task(evaluate: Evaluate, task: Task, threads: int) -> Done:
    torch.set_num_threads(threads)
    return answer(evaluate, task)


def _check_room(workers: RayWorkers, nodes: Sequence[dict[str, float]]) -> None:
    """Raises if no machine has what a trial asks for: Ray would wait for one for ever."""
    wanted = (("CPU", workers.cpus_per_trial, "cpus_per_trial"), ("GPU", workers.gpus_per_trial, "gpus_per_trial"))
    if any(all(node.get(kind, 0) >= share for kind, share, _ in wanted) for node in nodes):
        return
    asked = " and ".join(f"{share:g} {kind}" for kind, share, _ in wanted if share)
    there = "; ".join(f"{node.get('CPU', 0):g} CPU, {node.get('GPU', 0):g} GPU" for node in nodes)
    names = " or ".join(name for kind, share, name in wanted if all(node.get(kind, 0) < share for node in nodes))
    raise InvalidValue(
        f"Ray workers: a trial asks for {asked}, but no machine of the cluster has that (they have {there}); lower "
        f"{names or 'cpus_per_trial or gpus_per_trial'}, or add a machine"
    )
