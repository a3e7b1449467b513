"""Making a latency table: blocks in context, an affine fit on whole networks, and its error on others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from sculptnet.arch import Architecture, SearchSpace, TensorShape
from sculptnet.cost import HeldOut, LatencyTable, Precision, cost_of, entries_of, macs
from sculptnet.cost.entries import Entry
from sculptnet.cost.errors_of_tables import fit_affine
from sculptnet.devices.graphs import Graphs, neighbours
from sculptnet.devices.measure import graphs_of, times
from sculptnet.devices.memo import Memo
from sculptnet.devices.plan import Device, Model, Quality
from sculptnet.devices.statistics import Timing, held_out
from sculptnet.errors import InvalidValue, collected
from sculptnet.state import Log, Progress, no_log, no_progress
from sculptnet.streams import stream

TYPICAL_OF = 5
REFERENCE_RESOLUTION = 64  # pixels, at most
DRAWN = 10  # networks for each that is measured; those are spread evenly over the predicted latency


def measure_table(
    space: SearchSpace,
    device: Device,
    *,
    seed: int,
    precision: Precision = Precision.FP32,
    quality: Quality | None = None,
    num_calibration: int = 10,
    num_held_out: int = 20,
    memo: Memo | None = None,
    progress: Progress = no_progress,
    log: Log = no_log,
    clock: Callable[[], float] = time.perf_counter,
) -> LatencyTable:
    """Measures what every block of `space` takes on `device`, and how far sums of that can be trusted.

    1. Every block is timed between two narrow 1x1 convolutions, whose own time is subtracted: an entry depends on the
       block and its input shape alone. The subtraction can come out slightly below zero for tiny blocks; such entries
       count as 0 and the table says how many there are. Between any two runs a typical network of the space runs, so
       that a block finds the caches as the rest of a network leaves them: in a loop of its own, a block of a small
       network takes half of what it takes in the network. At high resolution, where that matters less, a small
       version of that network stands in for it.
    2. Slope and constant are fitted on `num_calibration` whole networks, spread from small to large ones.
    3. `num_held_out` other random networks are measured and predicted; that error is part of the table.

    Args:
        space: whose blocks.
        device: where.
        seed: of the networks that are drawn.
        precision: of the graphs that are measured.
        quality: how carefully; by default `Quality()`.
        num_calibration, num_held_out: whole networks; fewer if the space has fewer.
        memo: keeps every chunk, so that a killed measurement goes on.
        progress, log: told how far it is; one `table` event at the end.
        clock: seconds.

    Raises:
        InvalidValue: a number of networks that makes no sense.
        DeviceError: the device cannot run a block or answers wrongly.
    """
    wrong = [f"num_calibration must be at least 1, got {num_calibration}"] if num_calibration < 1 else []
    wrong += [f"num_held_out must be at least 0, got {num_held_out}"] if num_held_out < 0 else []
    if wrong:
        raise InvalidValue(collected(wrong, "measure_table"))
    start = clock()
    graphs = graphs_of(precision)
    reference = graphs.network(reference_network(space))
    measurer = _Measurer(device, graphs, reference, quality or Quality(), memo, progress)
    raw = measurer.entries(space)
    table = LatencyTable(
        device.name,
        {entry: max(0.0, value) for entry, value in raw.items()},
        precision=precision,
        floored=sum(value < 0 for value in raw.values()),
        details=device.describe(),
    )
    drawn = distinct_networks(space, seed, 2 * num_held_out + 2)
    validation = drawn[: min(num_held_out, len(drawn) // 2)]
    others = dict.fromkeys([*leaning_networks(space, seed, num_calibration * DRAWN), *drawn[len(validation) :]])
    calibration = _spread(table, [network for network in others if network not in set(validation)], num_calibration)
    timings = measurer.networks(calibration, "calibration")
    slope, constant = fit_affine(_predicted(table, calibration), np.array([timing.median_ms for timing in timings]))
    reference_ms = timings[0].reference_ms
    table = replace(table, slope=slope, constant=constant, reference_ms=reference_ms, seconds=clock() - start)
    if validation:
        timings = [timing.at(reference_ms) for timing in measurer.networks(validation, "held-out")]
        table = replace(table, held_out=held_out(_predicted(table, validation), timings))
    log({"event": "table", **_summary(table)})
    return table


@final
@dataclass(frozen=True)
class Recheck:
    """A table against a few whole networks measured now.

    Attributes:
        error: as in the table itself, in milliseconds of now.
        speed: the device's speed now over its speed when the table was made; 0.9 is ten percent slower.
    """

    error: HeldOut
    speed: float


def recheck(
    table: LatencyTable,
    space: SearchSpace,
    device: Device,
    *,
    seed: int,
    networks: int = 3,
    quality: Quality | None = None,
    memo: Memo | None = None,
    progress: Progress = no_progress,
) -> Recheck:
    """Measures `networks` whole networks, spread from small to large ones, to see whether `table` fits `device`.

    Raises:
        InvalidValue: the table was made on another device.
        NotMeasured: the table does not cover the space.
    """
    if table.device != device.name:
        raise InvalidValue(
            f"the table was made on {table.device}, not on {device.name}; measure again or change --device"
        )
    chosen = _spread(table, leaning_networks(space, seed, networks * DRAWN), networks)
    graphs = graphs_of(table.precision)
    reference = graphs.network(reference_network(space))
    timings = _Measurer(device, graphs, reference, quality or Quality(), memo, progress).networks(chosen, "re-checked")
    speed = 1.0 if table.reference_ms is None else table.reference_ms / timings[0].reference_ms
    return Recheck(held_out(_predicted(table, chosen), timings), speed)


def leaning_networks(space: SearchSpace, seed: int, count: int) -> list[Architecture]:
    """Up to `count` different random architectures from one end of the space to the other.

    Each leans, more or less, towards the first, the last or some option between in all its decisions at once; networks
    whose decisions are drawn independently all have about the same size.
    """
    rng = stream(seed, "devices.tables: leaning networks")
    shape = (count, len(space.decisions))
    favourites = np.floor(rng.random((count, 1)) * space.num_options).astype(np.int64)
    leans = rng.random(shape) < rng.random((count, 1))
    rows = space.canonical(np.where(leans, favourites, rng.integers(space.num_options, size=shape)))
    return list(dict.fromkeys(space.decode(row).architecture for row in rows))


def reference_network(space: SearchSpace) -> Architecture:
    """A typical network of `space`, the same one in every process.

    It has the median number of multiply-adds among a few random ones and, where the resolution is high, a lower one:
    its weights still pass through the caches, and each of its many runs takes a fraction of the time.
    """
    drawn = distinct_networks(space, 0, TYPICAL_OF)
    typical = sorted(drawn, key=macs)[len(drawn) // 2]
    return replace(typical, resolution=min(typical.resolution, REFERENCE_RESOLUTION))


def distinct_networks(space: SearchSpace, seed: int, count: int) -> list[Architecture]:
    """Up to `count` different uniformly random architectures of `space`."""
    rows = space.sample(stream(seed, "devices.tables: networks"), 2 * count)
    return list(dict.fromkeys(space.decode(row).architecture for row in rows))[:count]


@dataclass(frozen=True, eq=False)
class _Measurer:
    device: Device
    graphs: Graphs
    reference: Model
    quality: Quality
    memo: Memo | None
    progress: Progress

    def entries(self, space: SearchSpace) -> dict[Entry, float]:
        """Milliseconds of every block that is no identity, as subtracted."""
        wanted = [entry for entry in entries_of(space) if not entry[0].is_identity(entry[1].channels)]
        models = {f"{block} at input {shape}": self.graphs.context(block, shape) for block, shape in wanted}
        bare = {shape: f"context of {shape}" for entry in wanted for shape in _sides(entry)}
        models |= {name: self.graphs.bare(shape) for shape, name in bare.items()}
        models["empty graph"] = self.graphs.empty()
        found = self._times(models, alternate=True)
        call_ms = found["empty graph"].median_ms
        # One neighbour costs half of what the two around the same feature map add to an empty call.
        side = {shape: (found[name].median_ms - call_ms) / 2 for shape, name in bare.items()}
        return {
            entry: found[f"{entry[0]} at input {entry[1]}"].median_ms - call_ms - sum(side[s] for s in _sides(entry))
            for entry in wanted
        }

    def networks(self, chosen: Sequence[Architecture], what: str) -> list[Timing]:
        """Whole networks, each several times in a row."""
        models = {f"{what} network {index}": self.graphs.network(one) for index, one in enumerate(chosen)}
        found = self._times(models, alternate=False)
        return [found[name] for name in models]

    def _times(self, models: Mapping[str, Model], *, alternate: bool) -> dict[str, Timing]:
        return times(
            models,
            self.device,
            reference=self.reference,
            alternate=alternate,
            quality=self.quality,
            memo=self.memo,
            progress=self.progress,
        )


def _sides(entry: Entry) -> list[TensorShape]:
    """The feature maps at which a block meets its neighbours."""
    block, shape = entry
    around = neighbours(block, shape)
    return [shape] * around.before + [block.out_shape(shape)] * around.after


def _predicted(
    table: LatencyTable, architectures: Sequence[Architecture]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([cost_of(table, architecture) for architecture in architectures], dtype=np.float64)


def _spread(table: LatencyTable, architectures: list[Architecture], count: int) -> list[Architecture]:
    """`count` of `architectures`, evenly spread over their range of predicted latency, its ends included."""
    predicted = _predicted(table, architectures)
    chosen: list[int] = []
    for wanted in np.linspace(predicted.min(), predicted.max(), min(count, len(architectures))):
        by_distance = np.argsort(np.abs(predicted - wanted), kind="stable")
        chosen.append(next(int(index) for index in by_distance if index not in chosen))
    return [architectures[index] for index in chosen]


def _summary(table: LatencyTable) -> Mapping[str, object]:
    error = table.held_out
    return {
        "name": table.name,
        "entries": len(table.entries_ms),
        "slope": table.slope,
        "constant_ms": table.constant,
        "seconds": table.seconds,
        "mape_percent": None if error is None else error.mape_percent,
        "bias_percent": None if error is None else error.bias_percent,
        "spearman": None if error is None else error.spearman,
        "noise_percent": None if error is None else error.noise_percent,
    }
