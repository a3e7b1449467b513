"""What the runtimes of this machine share: their threads, the processor's name, and the way through a plan."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from sculptnet.devices.plan import Measurement, Model, Plan
from sculptnet.devices.protocol import Clock, Run, measure
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.machine_limits import cores
from sculptnet.state import Progress

AT_ONCE = 256  # models that are open at the same time; each holds its weights and activations
Open: TypeAlias = Callable[[str, Model], Run]


def check_threads(threads: int) -> None:
    """Raises `InvalidValue` for less than one thread, `DeviceError` for more than this process may use cores."""
    if threads < 1:
        raise InvalidValue(f"threads must be at least 1, got {threads}")
    if threads > cores():
        raise DeviceError(
            f"{threads} threads were asked for, but this process may use {cores()} cores; "
            f"threads must lie in 1..{cores()}"
        )


def measure_plan(
    device: str,
    plan: Plan,
    open_model: Open,
    progress: Progress,
    *,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock | None = None,
) -> Iterator[Measurement]:
    """Measures `plan` in groups of models that are open at the same time; see `protocol.measure`.

    Args:
        device: its name, for `progress`.
        plan: what to measure.
        open_model: returns a call that runs the model once on prepared values, after its answer was checked; a model
            that cannot run raises `DeviceError` and is named.
        progress: told after every model that was opened and every chunk.
        clock, cpu_clock: see `protocol.measure`.
    """
    reference = open_model("reference network", plan.reference)
    names = iter(plan.models)
    total = len(plan.models) * plan.quality.rounds
    done = len(plan.held)
    while group := tuple(islice(names, AT_ONCE)):
        waiting = [name for name in group if any((name, i) not in plan.held for i in range(plan.quality.rounds))]
        runs: dict[str, Run] = {}
        for name in waiting:
            runs[name] = open_model(name, plan.models[name])
            progress(f"preparing models for {device}", len(runs), len(waiting))
        chunks = measure(
            runs, reference, plan.quality, alternate=plan.alternate, held=plan.held, clock=clock, cpu_clock=cpu_clock
        )
        for measurement in chunks:
            done += 1
            progress(f"measuring on {device}", done, total)
            yield measurement


def own_cpu_clock(threads: int) -> Clock | None:
    """CPU time of this thread, for runtimes that compute in it if they have one thread; with more it says little."""
    return time.thread_time if threads == 1 else None


def cpu_name() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
