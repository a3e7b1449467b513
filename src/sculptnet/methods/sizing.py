"""The size of the images that a given network takes, where a budget is to be met: the largest that is fast enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sculptnet.arch import Architecture
from sculptnet.devices import Timing
from sculptnet.errors import Infeasible
from sculptnet.job import ImageJob
from sculptnet.methods.finalists import SPEED_MARGIN

STEP = 16  # pixels between the sizes that are timed
SMALLEST_FEATURES = 2  # pixels a side where the network ends; with one, no kernel sees a neighbour


@dataclass(frozen=True)
class Sizing:
    """Which size was chosen, and why.

    Attributes:
        resolution: height and width of the input, pixels.
        latencies_ms: of every size that was timed, by its pixels: the upper end of the 95 % interval.
    """

    resolution: int
    latencies_ms: Mapping[str, float]


def sizes_of(architecture: Architecture) -> tuple[int, ...]:
    """The network's own size and every smaller multiple of 16 px that leaves features of 2x2 pixels, largest first."""
    own = architecture.resolution
    smaller = range((own - 1) // STEP * STEP, 0, -STEP)
    return own, *(
        size for size in smaller if features_side(replace(architecture, resolution=size)) >= SMALLEST_FEATURES
    )


def features_side(architecture: Architecture) -> int:
    """Pixels a side of the features that the network's head sees."""
    return next(shape.height for path, _, shape in architecture.blocks() if path == "head")


def largest_that_fits(job: ImageJob, architecture: Architecture, at_most_ms: float) -> Sizing:
    """Times the untrained network at all of `sizes_of`, in turn, and takes the largest within the budget.

    Decided once: a run that goes on reads it. A size fits if its interval does, with 3 % to spare for the drift of the
    device's speed.

    Raises:
        Infeasible: the smallest is over the budget.
    """
    sizing = job.once("size", Sizing, lambda: _timed(job, architecture, at_most_ms))
    job.say(
        f"Size of images: {sizing.resolution} px, the largest within {at_most_ms:g} ms on {job.device.name} ("
        + ", ".join(f"{size} px {latency_ms:.3g} ms" for size, latency_ms in sizing.latencies_ms.items())
        + ")"
    )
    return sizing


def _timed(job: ImageJob, architecture: Architecture, at_most_ms: float) -> Sizing:
    sizes = sizes_of(architecture)
    job.say(f"Timing the network at {len(sizes)} sizes, {sizes[-1]} to {sizes[0]} px")
    timings: Mapping[str, Timing] = job.timings({str(size): replace(architecture, resolution=size) for size in sizes})
    latencies_ms = {name: timing.high_ms for name, timing in timings.items()}
    for size in sizes:
        if latencies_ms[str(size)] * SPEED_MARGIN <= at_most_ms:
            return Sizing(size, latencies_ms)
    raise Infeasible(
        f"the budget of {at_most_ms:g} ms is under what this network takes at {sizes[-1]} px on {job.device.name}, "
        f"{latencies_ms[str(sizes[-1])]:.3g} ms; raise `latency_ms`, give a smaller network, or let `fit` search one. "
        "A `resolution` that is given is trained at whatever it takes"
    )
