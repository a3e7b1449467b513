"""Energy of the processor, from the counters that Linux has for it (RAPL: running average power limit)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sculptnet.devices.plan import Device, Model, Plan, Quality
from sculptnet.errors import DeviceError
from sculptnet.state import Progress, no_progress

POWERCAP = Path("/sys/class/powercap")
PACKAGES = "intel-rapl:[0-9]*"  # AMD's too; parts of a package have a second number and are in it already


@final
@dataclass(frozen=True)
class Rapl:
    """The energy counters of all processor packages.

    Attributes:
        packages: folder and range of each counter, microjoules.
    """

    packages: Mapping[Path, int]

    def read_uj(self) -> dict[Path, int]:
        """The counters now, microjoules.

        Raises:
            DeviceError: they may not be read.
        """
        return {folder: _number(folder / "energy_uj") for folder in self.packages}

    def used_j(self, before: Mapping[Path, int], after: Mapping[Path, int]) -> float:
        """Joules between two readings; a counter that began anew between them is taken to have done so once."""
        return sum((after[folder] - before[folder]) % (top + 1) for folder, top in self.packages.items()) / 1e6


def open_rapl(folder: Path = POWERCAP) -> Rapl:
    """The counters below `folder`.

    Raises:
        DeviceError: there are none, or they may not be read.
    """
    found = [one for one in sorted(folder.glob(PACKAGES)) if one.name.count(":") == 1 and _is_package(one)]
    if not found:
        raise DeviceError(
            f"{folder} has no energy counter of a processor (intel-rapl:0): this machine, its kernel or a container "
            "hides it, so energy cannot be measured here; leave --energy out"
        )
    rapl = Rapl({one: _number(one / "max_energy_range_uj") for one in found})
    rapl.read_uj()
    return rapl


def _is_package(folder: Path) -> bool:
    name = folder / "name"
    return name.is_file() and name.read_text().startswith("package")


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except PermissionError as error:
        raise DeviceError(f"{file} may not be read; allow it with `sudo chmod a+r {file}`, or run as root") from error
    except (OSError, ValueError) as error:
        raise DeviceError(f"{file} cannot be read as a number ({error}); leave --energy out") from error


@final
@dataclass(frozen=True)
class Power:
    """What the processor draws.

    Attributes:
        running_w: while a network runs again and again, everything else on the machine included, watts.
        idle_w: before that, watts.
        seconds: how long the network ran.
    """

    running_w: float
    idle_w: float
    seconds: float

    def energy_mj(self, latency_ms: float) -> float:
        """Millijoules of one inference: the power of the whole processor for its time."""
        return self.running_w * latency_ms

    def above_idle_mj(self, latency_ms: float) -> float:
        """Millijoules of one inference that an idle machine would not have used."""
        return (self.running_w - self.idle_w) * latency_ms


def measure_power(
    name: str,
    model: Model,
    device: Device,
    rapl: Rapl,
    *,
    quality: Quality | None = None,
    idle_s: float = 2.0,
    progress: Progress = no_progress,
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[float], None] = time.sleep,
) -> Power:
    """The processor's power while `device`, on this machine, runs `model` and nothing between.

    Args:
        name: of the model, for errors.
        model: also its own reference, so that every run is one of it.
        device: of this machine.
        rapl: the counters.
        quality: how long; by default 100 chunks of 50 ms.
        idle_s: how long the idle machine is watched.
        progress: told after every chunk.
        clock: seconds.
        wait: waits a number of seconds.

    Raises:
        DeviceError: the model does not run, or the counters stand still.
    """
    start, before = clock(), rapl.read_uj()
    wait(idle_s)
    idle_w = rapl.used_j(before, rapl.read_uj()) / (clock() - start)
    plan = Plan({name: model}, model, quality or Quality(rounds=100, chunk_ms=50.0, tries=1))
    chunks = device.measure(plan, progress)
    next(chunks)  # opens and warms up
    start, before, used_j = clock(), rapl.read_uj(), 0.0
    for _ in chunks:
        now = rapl.read_uj()
        used_j, before = used_j + rapl.used_j(before, now), now
    seconds = clock() - start
    if used_j <= 0:
        raise DeviceError("the energy counters stand still while the network runs; leave --energy out")
    return Power(used_j / seconds, idle_w, seconds)
