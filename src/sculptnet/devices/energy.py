"""Energy of the processor, from the counters that Linux has for it (RAPL: running average power limit)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.cost import Energy, LatencyTable, cost_of
from sculptnet.cost.errors_of_tables import error_of
from sculptnet.devices.measure import graphs_of, times
from sculptnet.devices.memo import Memo
from sculptnet.devices.plan import Device, Model, Plan, Quality
from sculptnet.devices.tables import DRAWN, leaning_networks, network_models, reference_network, spread
from sculptnet.errors import DeviceError, InvalidValue, collected
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream_seed

POWERCAP = Path("/sys/class/powercap")
LONG = Quality(rounds=100, chunk_ms=50.0, tries=1)  # ten seconds of one network
SHORT = Quality(rounds=30, chunk_ms=50.0, tries=1)  # three of each of several: counters move every millisecond
WITHOUT = "leave `energy` or the limit energy_mj out"
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
            f"hides it, so energy cannot be measured here; {WITHOUT}"
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
        raise DeviceError(f"{file} cannot be read as a number ({error}); {WITHOUT}") from error


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


def power_of(
    name: str,
    model: Model,
    device: Device,
    rapl: Rapl,
    *,
    quality: Quality = LONG,
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
        quality: how long.
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
    running_w, seconds = _running(name, model, device, rapl, quality, progress, clock)
    return Power(running_w, idle_w, seconds)


def _running(
    name: str,
    model: Model,
    device: Device,
    rapl: Rapl,
    quality: Quality,
    progress: Progress,
    clock: Callable[[], float],
) -> tuple[float, float]:
    """Watts while the model runs, and for how many seconds it did."""
    chunks = device.measure(Plan({name: model}, model, quality), progress)
    next(chunks)  # opens and warms up
    start, before, used_j = clock(), rapl.read_uj(), 0.0
    for _ in chunks:
        now = rapl.read_uj()
        used_j, before = used_j + rapl.used_j(before, now), now
    seconds = clock() - start
    if used_j <= 0:
        raise DeviceError(f"the energy counters stand still while {name} runs; {WITHOUT}")
    return used_j / seconds, seconds


# ---------------------------------------------------------------------- of whole spaces
def measure_power(
    table: LatencyTable,
    space: SearchSpace,
    device: Device,
    rapl: Rapl,
    *,
    seed: int,
    networks: int = 4,
    num_held_out: int = 4,
    quality: Quality = SHORT,
    memo: Memo | None = None,
    progress: Progress = no_progress,
    clock: Callable[[], float] = time.perf_counter,
) -> Energy:
    """The energy of the networks of `space`: the latency by `table` times the power that a few of them draw.

    1. `networks` whole networks, spread from small to large ones, run again and again; the mean of their powers is
       taken for all. It is the power of all that the processor does meanwhile, other programs included.
    2. `num_held_out` others are measured, power and latency, and their energy is compared with what would be predicted:
       the error is that of the table and that of the one power together. Both are stated at the table's speed.

    Args:
        table: of `device` and `space`.
        space: whose networks.
        device: of this machine.
        rapl: its counters.
        seed: of the networks that are drawn.
        networks, num_held_out: whole networks; fewer if the space has fewer.
        quality: how long each runs for its power.
        memo: keeps the chunks of the latencies.
        progress: told how far it is.
        clock: seconds.

    Raises:
        InvalidValue: a number of networks that makes no sense, or the table was made on another device.
        NotMeasured: the table does not cover the space.
        DeviceError: the device is not seen by these counters, a network does not run, or the counters stand still.
    """
    _check_power(table, device, networks, num_held_out)
    graphs = graphs_of(table.precision)
    chosen, others = power_networks(table, space, seed, networks, num_held_out)
    models = [
        network_models(graphs.network, some, what) for some, what in ((chosen, "power"), (others, "held-out power"))
    ]
    fitted_w, checked_w = (
        [_running(name, model, device, rapl, quality, progress, clock)[0] for name, model in some.items()]
        for some in models
    )
    energy = Energy(table, float(np.mean(fitted_w)), tuple(fitted_w))
    if not others:
        return energy
    reference = graphs.network(reference_network(space))
    found = times(models[1], device, reference=reference, alternate=True, memo=memo, progress=progress)
    timings = [one if table.reference_ms is None else one.at(table.reference_ms) for one in found.values()]
    predicted_mj = np.array([cost_of(energy, one) for one in others])
    measured_mj = np.array([watts * timing.median_ms for watts, timing in zip(checked_w, timings, strict=True)])
    noise_percent = float(np.mean([timing.noise_percent for timing in timings]))
    return replace(energy, held_out=error_of(predicted_mj, measured_mj, noise_percent))


def power_networks(
    table: LatencyTable, space: SearchSpace, seed: int, networks: int, num_held_out: int
) -> tuple[list[Architecture], list[Architecture]]:
    """The networks whose power is measured, each group spread over the predicted latency; the first has the ends."""
    drawn = leaning_networks(space, stream_seed(seed, "devices.energy: networks"), (networks + num_held_out) * DRAWN)
    latencies_ms = [cost_of(table, one) for one in drawn]
    chosen = spread(latencies_ms, drawn, min(networks, (len(drawn) + 1) // 2))
    others = [(ms, one) for ms, one in zip(latencies_ms, drawn, strict=True) if one not in set(chosen)]
    if not others or not num_held_out:
        return chosen, []
    return chosen, spread([ms for ms, _ in others], [one for _, one in others], num_held_out)


def _check_power(table: LatencyTable, device: Device, networks: int, num_held_out: int) -> None:
    least = {"networks": (networks, 1), "num_held_out": (num_held_out, 0)}
    problems = [f"{name} must be at least {low}, got {value}" for name, (value, low) in least.items() if value < low]
    if table.device != device.name:
        problems.append(f"the table was made on {table.device}, not on {device.name}; measure it there")
    if problems:
        raise InvalidValue(collected(problems, "measure_power"))
    check_counted(device)


def check_counted(device: Device) -> None:
    """Raises `DeviceError` if the counters of this machine do not see what `device` does."""
    details = device.describe()
    if "host" in details:
        raise DeviceError(
            f"{device.name} runs on {details['host']}, and the energy counters are those of this machine; "
            f"measure there, or {WITHOUT}"
        )
    if "gpu" in details:
        raise DeviceError(
            f"{device.name} computes on {details['gpu']}, and the energy counters see the processor alone; {WITHOUT}"
        )
