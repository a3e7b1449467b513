"""How long the commands of a run worked on it, however they ended: noted by each, added up for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from sculptnet.errors import RunError
from sculptnet.job import OpenRun
from sculptnet.records import Event
from sculptnet.records.run_events import CommandBegun, CommandEnded


@contextmanager
def timed(job: OpenRun, until: str) -> Iterator[None]:
    """Notes in the run's log when a command begins to work and how long it took in all, also when it fails."""
    job.log(CommandBegun(until, _seconds(job)))
    try:
        yield
    except BaseException:
        with suppress(RunError):  # such as a full disk; what was raised first is what to tell
            job.log(CommandEnded(until, _seconds(job)))
        raise
    job.log(CommandEnded(until, _seconds(job)))


def _seconds(job: OpenRun) -> float:
    return round(job.elapsed_s(), 1)


def worked_s(events: Iterable[Event], elapsed_s: float) -> float:
    """Seconds that the commands of a run took together: the one at work now, `elapsed_s`, and all before it.

    One that was killed said only when it began to work; it counts up to its last event.
    """
    total, unended = elapsed_s, 0.0
    begun: CommandBegun | None = None
    for event in events:
        if isinstance(event, CommandBegun):
            total += unended
            begun, unended = event, event.seconds
        elif isinstance(event, CommandEnded):
            total += event.seconds
            begun, unended = None, 0.0
        elif begun is not None and begun.time is not None and event.time is not None:
            unended = max(unended, begun.seconds + event.time - begun.time)
    return total
