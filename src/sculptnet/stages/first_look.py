"""Before minutes go into a latency table: is the budget near the space, and how many blocks can be timed?"""

from __future__ import annotations

from sculptnet.cost import FactoredCost, Macs
from sculptnet.devices import Quality, Timing
from sculptnet.devices.tables import MOST_ENTRIES
from sculptnet.errors import Infeasible
from sculptnet.job import FitTaskJob
from sculptnet.stages.feasibility import narrower

HOPELESS = 3.0  # times the budget; the network of fewest multiply-adds is not the fastest, and the device may be busy
TABLE_SHARE, FEWEST_ENTRIES = 0.2, 150  # of the minutes, for blocks of a table; so many are measured however few those
EXPORT_S = 0.2  # of a block, and opening it, about, seconds
RUNS_OF_REFERENCE, TRIED_AGAIN = 5, 1.25  # in a chunk where the reference takes most of it; tries of a chunk, about


def look_first(job: FitTaskJob, at_most_ms: float) -> Timing:
    """The time of the space's network of fewest multiply-adds, measured once a run.

    Raises:
        Infeasible: it is several times `at_most_ms`, which a table of all blocks would tell minutes later.
    """
    (choices, macs), _ = FactoredCost(job.space, Macs()).extremes()
    timing = job.timings({"smallest network": job.space.decode(choices).architecture})["smallest network"]
    if timing.low_ms > HOPELESS * at_most_ms:
        raise Infeasible(
            f"the budget of {at_most_ms:g} ms is far under what networks of this space take on {job.device.name}: "
            f"the one of fewest multiply-adds, {macs / 1e6:.3g} M, takes {timing.median_ms:.3g} ms; raise "
            f"`latency_ms`, lower `{job.task.size_option}`, or {narrower(job.options, 0.25)}"
        )
    return timing


def affordable_entries(minutes: float, reference_ms: float) -> int:
    """How many blocks of a table are measured in a run of so many minutes; a space with more has the rest predicted.

    `reference_ms` is the time of the network that runs between any two runs of a block, most of a large space's time.
    """
    quality = Quality()
    chunk_ms = max(quality.chunk_ms, RUNS_OF_REFERENCE * reference_ms)
    entry_s = EXPORT_S + quality.rounds * TRIED_AGAIN * chunk_ms / 1e3
    return round(min(MOST_ENTRIES, max(FEWEST_ENTRIES, TABLE_SHARE * 60 * minutes / entry_s)))
