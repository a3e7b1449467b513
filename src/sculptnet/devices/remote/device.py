"""A device on another machine: an agent is sent there, and its lines are read as they come."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any, final

from sculptnet.cost.table import OPENED_AS
from sculptnet.devices.plan import BOTH, Measurement, Plan
from sculptnet.devices.remote.machine import Lost, Machine, answered, call, rows
from sculptnet.devices.remote.packing import Order, agent_files, packed, zipped
from sculptnet.devices.remote.results import chunk_problem, device_problems, measurement_of
from sculptnet.errors import DeviceError
from sculptnet.state import Progress, no_progress

TRIES = 5  # connections in a row that bring nothing new
FIRST_WAIT_S = 1.0  # before the next of them; doubled every time


@final
@dataclass(frozen=True)
class RemoteDevice:
    """A runtime on another machine, measured by the agent that a bundle has too.

    A broken connection is made again, and nothing that was measured is lost. The work folder there is removed at the
    end.

    Attributes:
        machine: where.
        runtime, threads: on what.
        wait: waits a number of seconds.
    """

    machine: Machine
    runtime: str = "onnxruntime"
    threads: int = 1
    wait: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        """Runtime, threads and machine."""
        return name_on(f"{self.runtime}-{self.threads}t", self.machine.label)

    @property
    def precisions(self) -> frozenset[str]:
        """Both, as the runtimes that an agent has do."""
        return BOTH

    def describe(self) -> Mapping[str, Any]:
        """What the runtime there says of itself, the machine's name for itself, and how this device was opened."""
        content = zipped(agent_files(self.runtime))
        try:
            with self._folder(content) as folder:
                self._send(content, folder, no_progress)
                said = list(rows(self.machine, self._agent(folder, f"--describe {self.runtime} {self.threads}")))
        except Lost as lost:
            raise DeviceError(str(lost)) from None
        problems = device_problems(said[0]) if said else ["the agent says nothing"]
        if problems:
            raise DeviceError(f"{self.machine.address}: {'; '.join(problems)}")
        return {**said[0]["details"], "host": said[0]["host"], OPENED_AS: self.machine.address}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Measures `plan` there and yields what arrives.

        Raises:
            DeviceError: the machine cannot be reached, or the agent cannot do what is asked; the message says why.
        """
        content = packed(Order((plan,), self.runtime, self.threads, {}))
        total, held, fruitless = len(plan.models) * plan.quality.rounds, set(plan.held), 0
        reached = False
        with self._folder(content) as folder:
            while len(held) < total:
                before = len(held)
                try:
                    self._send(content, folder, progress)
                    reached = True
                    for measurement in self._session(plan, folder, held, progress):
                        held.add((measurement.model, measurement.round))
                        progress(f"measuring on {self.name}", len(held), total)
                        yield measurement
                except Lost as lost:
                    fruitless = 0 if len(held) > before else fruitless + 1
                    if not reached:
                        raise DeviceError(str(lost)) from None
                    if fruitless == TRIES:
                        raise DeviceError(
                            f"{lost}; gave up after {TRIES} connections that brought nothing. {len(held)} of {total} "
                            "chunks are known; the same command measures the others"
                        ) from None
                    self.wait(FIRST_WAIT_S * 2**fruitless)

    def _session(
        self, plan: Plan, folder: str, held: set[tuple[str, int]], progress: Progress
    ) -> Iterator[Measurement]:
        """What one connection brings."""
        wanted = json.dumps([(0, model, index) for model, index in sorted(held)]).encode()
        words = self._agent(folder, f"--stream --results {quote(folder)}/results.jsonl")
        last = None
        for row in rows(self.machine, words, wanted):
            last = row["event"]
            if last == "progress" and type(row.get("done")) is int and type(row.get("total")) is int:
                progress(f"preparing models on {self.name}", row["done"], row["total"])
            if last != "chunk":
                continue
            problem = chunk_problem(row, (plan,))
            if problem is not None:
                raise DeviceError(f"{self.machine.address}: the agent sends what it was not asked for: {problem}")
            if (row["model"], row["round"]) not in held:
                yield measurement_of(row)
        if last != "end":
            raise DeviceError(f"{self.machine.address}: the agent stopped before everything was measured")

    def _agent(self, folder: str, options: str) -> str:
        return f"{quote(self.machine.python)} {quote(folder)}/agent.zip {options}"

    def _send(self, content: bytes, folder: str, progress: Progress) -> None:
        """Sends the agent, unless it is there already."""
        there = call(self.machine, f"umask 077; mkdir -p {quote(folder)} && test -f {quote(folder)}/agent.zip")
        if there.code == 0:
            return
        sent = answered(self.machine, self.machine.send(content, f"{folder}/agent.zip", progress))
        if sent.code != 0:
            raise DeviceError(
                f"{self.machine.address}: {len(content) >> 20} MiB cannot be written to {folder} there ({sent.text})"
            )

    @contextmanager
    def _folder(self, content: bytes) -> Iterator[str]:
        """A work folder for `content`, always the same one, so that what a killed process left there is used."""
        folder = f"{self.machine.folder}/{hashlib.sha256(content).hexdigest()[:16]}"
        try:
            yield folder
        finally:
            with suppress(Lost, DeviceError):  # a folder left behind spoils no result, and hides no other error
                call(self.machine, f"rm -rf {quote(folder)}")


def name_on(name: str, label: str) -> str:
    """The name of the device `name` on the machine `label`, one word as names of devices are."""
    return f"{name}-on-{re.sub(r'[^A-Za-z0-9._-]', '-', label)}"
