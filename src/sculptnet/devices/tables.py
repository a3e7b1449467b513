"""Making a latency table: blocks in context, an affine fit on whole networks, and its error on others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import final

import numpy as np

from sculptnet.arch import Architecture, SearchSpace, TensorShape
from sculptnet.cost import HeldOut, LatencyTable, Precision, cost_of, entries_of, fill, macs
from sculptnet.cost.entries import Entry
from sculptnet.cost.errors_of_tables import Vector, fit_affine
from sculptnet.cost.predictor import FEWEST
from sculptnet.cost.table import SLOWDOWN
from sculptnet.devices.graphs import Graphs, neighbours
from sculptnet.devices.measure import check_precision, graphs_of, times
from sculptnet.devices.memo import Memo
from sculptnet.devices.plan import Device, Model, Plan, Quality
from sculptnet.devices.statistics import Timing, held_out
from sculptnet.errors import InvalidValue, collected
from sculptnet.records import Log, no_log
from sculptnet.records.run_events import TableMeasured
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

MOST_ENTRIES = 1000  # about five minutes of blocks at 224 px
TYPICAL_OF = 5
REFERENCE_RESOLUTION = 64  # pixels, at most
EMPTY, CALIBRATION, HELD_OUT = "empty graph", "calibration", "held-out"  # names of models
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
    most_entries: int | None = MOST_ENTRIES,
    whole: Callable[[Architecture], Model] | None = None,
    memo: Memo | None = None,
    progress: Progress = no_progress,
    log: Log = no_log,
    clock: Callable[[], float] = time.perf_counter,
) -> LatencyTable:
    """Measures what every block of `space` takes on `device`, and how far sums of that can be trusted.

    1. Every block is timed between two narrow 1x1 convolutions, whose own time is subtracted: an entry depends on the
       block and its input shape alone. The subtraction can come out slightly below zero for tiny blocks; such entries
       count as 0 and the table says how many there are.
    2. Slope and constant are fitted on `num_calibration` whole networks: half of them spread from small to large ones,
       half drawn at random. The former have like blocks from end to end, whose errors add up instead of cancelling:
       alone they put Once-for-All's random networks 2 to 3 % off, in one direction, and random ones alone the others.
    3. `num_held_out` other random networks are measured in turn with those and predicted; that error is part of the
       table. Measured minutes apart, what other programs do to memory would come between the two: int8 networks on
       OpenVINO were up to 7 % off then, all in one direction, and 2.4 % in turn.

    Between any two runs of a block or a network, a typical network of the space runs, so that both find the caches as
    other work leaves them, which is how a network is called in a program. In a loop of its own, a block of a small
    network takes half of what it takes in the network, and a network whose weights fit into the caches takes less
    than its blocks, while a larger one does not: no sum could tell. At high resolution, where that matters less, a
    small version of the typical network stands in for it.

    Args:
        space: whose blocks.
        device: where.
        seed: of the networks that are drawn.
        precision: of the graphs that are measured.
        quality: how carefully; by default `Quality()`.
        num_calibration, num_held_out: whole networks; fewer if the space has fewer.
        most_entries: blocks that are measured; if the space has more, the others are predicted from these and marked
            (`cost.fill`). None measures all.
        whole: makes the whole networks that the sums are fitted to and checked on; by default networks that classify.
            Others may have parts beside the blocks, such as the heads of a detector, which the constant stands for.
        memo: keeps every chunk, so that a killed measurement goes on.
        progress, log: told how far it is; one `TableMeasured` at the end.
        clock: seconds.

    Raises:
        InvalidValue: a number of networks that makes no sense.
        DeviceError: the device cannot run a block or answers wrongly.
    """
    check_precision(device, precision)
    start = clock()
    graphs, careful = graphs_of(precision), quality or Quality()
    work = TableWork(space, seed, graphs, careful, num_calibration, num_held_out, most_entries, whole=whole)
    table = work.table(device, memo=memo, progress=progress, seconds=lambda: clock() - start)
    log(_summary(table))
    return table


@final
@dataclass(frozen=True, eq=False)
class TableWork:
    """What a table is made from, whatever the device; see `measure_table`.

    Attributes:
        space, seed, num_calibration, num_held_out, most_entries, quality: as there.
        graphs: makes the models.
        size: what half of the calibration networks are spread evenly over; by default the predicted latency.
            With another one every model is known before anything is measured (`plans`).
        whole: makes whole networks; by default `graphs` does.
    """

    space: SearchSpace
    seed: int
    graphs: Graphs
    quality: Quality
    num_calibration: int = 10
    num_held_out: int = 20
    most_entries: int | None = MOST_ENTRIES
    size: Callable[[Architecture], float] | None = None
    whole: Callable[[Architecture], Model] | None = None

    def __post_init__(self) -> None:
        least = {"num_calibration": 1, "num_held_out": 0, "most_entries": FEWEST}
        wrong = [
            f"{name} must be at least {low}, got {getattr(self, name)}"
            for name, low in least.items()
            if getattr(self, name) is not None and getattr(self, name) < low
        ]
        if wrong:
            raise InvalidValue(collected(wrong, "measure_table"))

    def plans(self) -> tuple[Plan, ...]:
        """Everything that `table` measures, in its order.

        Raises:
            InvalidValue: the networks depend on what the blocks take.
        """
        if self.size is None:
            raise InvalidValue("TableWork.plans: the calibration networks follow from measurements; give a `size`")
        validation, calibration = self._drawn(self.size)
        reference = self.graphs.network(reference_network(self.space))
        everything = (block_models(self.entries, self.graphs), self._networks(calibration, validation))
        return tuple(Plan(models, reference, self.quality, alternate=True) for models in everything)

    def table(
        self, device: Device, *, memo: Memo | None, progress: Progress, seconds: Callable[[], float]
    ) -> LatencyTable:
        """Measures the table.

        `seconds` says how long it has taken so far; it is asked after the blocks and after the networks, and the share
        of the held-out ones is taken off.
        """
        reference = self.graphs.network(reference_network(self.space))
        measurer = _Measurer(device, reference, self.quality, memo, progress)
        found = measurer.times(block_models(self.entries, self.graphs))
        raw = entries_from(self.entries, found)
        table = LatencyTable(
            device.name,
            {entry: max(0.0, value) for entry, value in raw.items()},
            precision=self.graphs.precision,
            floored=sum(value < 0 for value in raw.values()),
            details={**device.describe(), SLOWDOWN: float(np.median([t.slowdown_percent for t in found.values()]))},
        )
        table = fill(table, self.space)
        validation, calibration = self._drawn(self.size or partial(cost_of, table))
        blocks_s = seconds()
        timings = list(measurer.times(self._networks(calibration, validation)).values())
        fitted, checked = timings[: len(calibration)], timings[len(calibration) :]
        slope, constant = fit_affine(_predicted(table, calibration), np.array([timing.median_ms for timing in fitted]))
        own_s = blocks_s + (seconds() - blocks_s) * len(fitted) / len(timings)
        table = replace(table, slope=slope, constant=constant, reference_ms=timings[0].reference_ms, seconds=own_s)
        return replace(table, held_out=held_out(_predicted(table, validation), checked)) if validation else table

    def _networks(self, calibration: Sequence[Architecture], validation: Sequence[Architecture]) -> dict[str, Model]:
        """Both kinds in one plan, so that they are measured in turn."""
        whole = self.whole or self.graphs.network
        models = network_models(whole, calibration, CALIBRATION)
        return {**models, **network_models(whole, validation, HELD_OUT)}

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The blocks that are measured: those of the space that are no identities, or a random part of them."""
        wanted = [entry for entry in entries_of(self.space) if not entry[0].is_identity(entry[1].channels)]
        if self.most_entries is None or len(wanted) <= self.most_entries:
            return tuple(wanted)
        rng = stream(self.seed, "devices.tables: measured entries")
        return tuple(wanted[index] for index in sorted(rng.permutation(len(wanted))[: self.most_entries]))

    def _drawn(self, size: Callable[[Architecture], float]) -> tuple[list[Architecture], list[Architecture]]:
        """The held-out networks, and the calibration networks."""
        drawn = distinct_networks(self.space, self.seed, 2 * self.num_held_out + 2 + self.num_calibration)
        validation = drawn[: min(self.num_held_out, len(drawn) // 2)]
        typical = drawn[len(validation) :]
        leaning = leaning_networks(self.space, self.seed, self.num_calibration * DRAWN)
        leaning = [network for network in leaning if network not in set(validation)] or typical
        chosen = spread(list(map(size, leaning)), leaning, (self.num_calibration + 1) // 2)
        others = [network for network in dict.fromkeys([*typical, *leaning]) if network not in set(chosen)]
        return validation, [*chosen, *others[: self.num_calibration - len(chosen)]]


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
    whole: Callable[[Architecture], Model] | None = None,
    memo: Memo | None = None,
    progress: Progress = no_progress,
) -> Recheck:
    """Measures `networks` whole networks, spread from small to large ones, to see whether `table` fits `device`.

    `whole` and the others are as in `measure_table`.

    Raises:
        InvalidValue: the table was made on another device.
        NotMeasured: the table does not cover the space.
    """
    if table.device != device.name:
        raise InvalidValue(
            f"the table was made on {table.device}, not on {device.name}; measure again or change `device`"
        )
    leaning = leaning_networks(space, seed, networks * DRAWN)
    chosen = spread(_predicted(table, leaning), leaning, networks)
    graphs = graphs_of(table.precision)
    reference = graphs.network(reference_network(space))
    measurer = _Measurer(device, reference, quality or Quality(), memo, progress)
    timings = list(measurer.times(network_models(whole or graphs.network, chosen, "re-checked")).values())
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
    reference: Model
    quality: Quality
    memo: Memo | None
    progress: Progress

    def times(self, models: Mapping[str, Model]) -> dict[str, Timing]:
        return times(
            models,
            self.device,
            reference=self.reference,
            alternate=True,
            quality=self.quality,
            memo=self.memo,
            progress=self.progress,
        )


def network_models(
    whole: Callable[[Architecture], Model], chosen: Sequence[Architecture], what: str
) -> dict[str, Model]:
    """Whole networks, by the names that errors use."""
    return {f"{what} network {index}": whole(one) for index, one in enumerate(chosen)}


def block_models(entries: Sequence[Entry], graphs: Graphs) -> dict[str, Model]:
    """Every block in its context, the contexts alone, and the empty graph."""
    models = {_name(entry): graphs.context(*entry) for entry in entries}
    sides = dict.fromkeys(shape for entry in entries for shape in _sides(entry))
    models |= {_bare(shape): graphs.bare(shape) for shape in sides}
    return {**models, EMPTY: graphs.empty()}


def entries_from(entries: Sequence[Entry], found: Mapping[str, Timing]) -> dict[Entry, float]:
    """Milliseconds of every block, as subtracted, from the timings of `block_models`."""
    call_ms = found[EMPTY].median_ms

    def side_ms(shape: TensorShape) -> float:
        # One neighbour costs half of what the two around the same feature map add to an empty call.
        return (found[_bare(shape)].median_ms - call_ms) / 2

    return {entry: found[_name(entry)].median_ms - call_ms - sum(map(side_ms, _sides(entry))) for entry in entries}


def _name(entry: Entry) -> str:
    return f"{entry[0]} at input {entry[1]}"


def _bare(shape: TensorShape) -> str:
    return f"context of {shape}"


def _sides(entry: Entry) -> list[TensorShape]:
    """The feature maps at which a block meets its neighbours."""
    block, shape = entry
    around = neighbours(block, shape)
    return [shape] * around.before + [block.out_shape(shape)] * around.after


def _predicted(
    table: LatencyTable, architectures: Sequence[Architecture]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([cost_of(table, architecture) for architecture in architectures], dtype=np.float64)


def spread(sizes: Sequence[float] | Vector, architectures: Sequence[Architecture], count: int) -> list[Architecture]:
    """`count` of `architectures`, evenly spread over the range of their `sizes`, its ends included."""
    values = np.asarray(sizes, dtype=np.float64)
    chosen: list[int] = []
    for wanted in np.linspace(values.min(), values.max(), min(count, len(architectures))):
        by_distance = np.argsort(np.abs(values - wanted), kind="stable")
        chosen.append(next(int(index) for index in by_distance if index not in chosen))
    return [architectures[index] for index in chosen]


def _summary(table: LatencyTable) -> TableMeasured:
    error = table.held_out
    return TableMeasured(
        name=table.name,
        entries=len(table.entries_ms),
        slope=table.slope,
        constant_ms=table.constant,
        seconds=table.seconds,
        mape_percent=None if error is None else error.mape_percent,
        bias_percent=None if error is None else error.bias_percent,
        spearman=None if error is None else error.spearman,
        noise_percent=None if error is None else error.noise_percent,
    )
