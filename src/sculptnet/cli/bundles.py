"""Tables of devices that nobody reaches from here: a bundle that measures them, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sculptnet._version import __version__
from sculptnet.arch import SearchSpace
from sculptnet.cost import LatencyTable, Precision, macs
from sculptnet.devices import Quality
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.remote.bundle import bundle, table_from_results
from sculptnet.devices.remote.packing import Order, checked_runtime
from sculptnet.devices.tables import TableWork
from sculptnet.errors import InvalidValue
from sculptnet.files import write_atomic
from sculptnet.listening import Listener


@dataclass(frozen=True, eq=False)
class Wish:
    """A table of a space on a device elsewhere.

    Attributes:
        space: what to measure.
        options: what was asked for on the command line; a bundle carries it, so that its results find their request.
        runtime, threads, precision, seed: of the measurement.
        quality: how carefully.
    """

    space: SearchSpace
    options: Mapping[str, Any]
    runtime: str
    threads: int
    precision: Precision
    seed: int
    quality: Quality

    def work(self, listener: Listener) -> tuple[TableWork, Order]:
        """What is measured. The calibration networks are spread by multiply-adds: nothing is known of the device."""
        runtime = checked_runtime(self.runtime)
        if self.threads < 1:
            raise InvalidValue(f"--threads must be at least 1, got {self.threads}")
        listener.say("Putting the networks together, which takes a minute or two for a large space")
        work = TableWork(self.space, self.seed, graphs_of(self.precision), self.quality, size=macs)
        request = {
            **self.options,
            "device": runtime,
            "threads": self.threads,
            "precision": self.precision.value,
            "seed": self.seed,
            "sculptnet": __version__,
        }
        return work, Order(work.plans(), runtime, self.threads, request)


def write_bundle(wish: Wish, path: Path, listener: Listener) -> tuple[str, Any]:
    """Writes the zip file that measures `wish`; `python3 FILE` runs it where it is carried."""
    _, order = wish.work(listener)
    content = bundle(order, path.name)
    write_atomic(path, content)
    models = sum(len(plan.models) for plan in order.plans)
    results = f"{path.name.removesuffix('.zip')}.results.jsonl"
    text = (
        f"{path}: {models} networks, {len(content) / 2**20:.1f} MiB. On the device: `python3 {path.name}` (Python 3.11 "
        f"or newer, numpy, {order.runtime}); it writes {results}. Here again: the same command with "
        f"--from-bundle {results} instead of --bundle"
    )
    return text, {"bundle": str(path), "bytes": len(content), "models": models, "request": dict(order.request)}


def table_of_bundle(wish: Wish, results: Path, listener: Listener) -> LatencyTable:
    """The table from what came back.

    Raises:
        InvalidValue: with everything that is wrong with the file.
    """
    try:
        text = results.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(
            f"{results} cannot be read ({error}); give the file that the bundle's command wrote"
        ) from None
    work, order = wish.work(listener)
    return table_from_results(work, order, text, str(results))
