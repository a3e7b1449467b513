"""A table of a device that nobody can reach: a file to carry there, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, final

from sculptnet.cost import LatencyTable
from sculptnet.devices.plan import Measurement, Plan
from sculptnet.devices.remote.device import name_on
from sculptnet.devices.remote.packing import Order, packed, plan_identity
from sculptnet.devices.remote.results import Results, read_results
from sculptnet.devices.tables import TableWork
from sculptnet.errors import InvalidValue
from sculptnet.state import Progress, no_progress

README = """Measuring networks on this machine
==================================

Needed: Python {python} or newer with numpy and {runtime} (`python3 -m pip install numpy {runtime}`). Close other
programs, plug the machine in, and run this one command where the bundle lies:

    python3 {file}

It measures {models} small networks on {threads} thread(s), {chunks} times in all, says how far it is, and writes
{results}. Interrupted, it goes on with the same command. Send that one file back; whoever
made the bundle reads it with the options it was made with:

    sculptnet measure SPACE ... --from-bundle {results}

What was asked: {request}
The command runs what lies in this file and nothing else: plain Python in sculptnet/, plan.json, and the networks in
pieces/ (ONNX, cut where they share weights) with the answers they must give in answers/. It needs no network.
"""


@final
@dataclass(frozen=True, eq=False)
class Recorded:
    """A device whose chunks were measured before, somewhere else.

    Attributes:
        results: every chunk of `order`.
        order: what was measured.
    """

    results: Results
    order: Order

    @property
    def name(self) -> str:
        """Runtime, threads and machine."""
        return name_on(self.results.name, self.results.host)

    def describe(self) -> Mapping[str, Any]:
        """What the device there said of itself."""
        return {**self.results.details, "host": self.results.host}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """The chunks of `plan` that are not held.

        Raises:
            InvalidValue: it is not one of the plans that were measured.
        """
        wanted = plan_identity(plan)
        for known, chunks in zip(self.order.plans, self.results.parts, strict=True):
            if plan_identity(known) == wanted:
                return iter([chunk for chunk in chunks if (chunk.model, chunk.round) not in plan.held])
        raise InvalidValue(f"{self.name} has measured other models than these; only what is in its bundle is known")


def bundle(order: Order, file: str) -> bytes:
    """The zip file, called `file`, that measures `order`; `python3 FILE` runs it."""
    models = sum(len(plan.models) for plan in order.plans)
    readme = README.format(
        python="3.11",
        runtime=order.runtime,
        threads=order.threads,
        models=models,
        chunks=sum(len(plan.models) * plan.quality.rounds for plan in order.plans),
        request=", ".join(f"{key} {value}" for key, value in order.request.items()),
        file=file,
        results=f"{file.removesuffix('.zip')}.results.jsonl",
    )
    return packed(order, {"README.txt": readme.encode()})


def table_from_results(work: TableWork, order: Order, text: str, source: str) -> LatencyTable:
    """The table of `work` from the results of `order`, which are its plans.

    Args:
        work: with a `size`, as it was when the bundle was made.
        order: the same as in the bundle.
        text: the results file.
        source: where it is from, for errors.

    Raises:
        InvalidValue: with everything that is wrong with the results.
    """
    results = read_results(text, order, source)
    passed_s = accumulate(results.seconds)
    device = Recorded(results, order)
    return work.table(device, memo=None, progress=no_progress, seconds=lambda: next(passed_s))
