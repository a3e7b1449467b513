"""How long the commands of a run worked on it, however they ended: noted by each, added up for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from sculptnet.errors import RunError
from sculptnet.job import OpenRun
from sculptnet.state import Event

BEGUN, ENDED = "command_begun", "command"


@contextmanager
def timed(job: OpenRun, until: str) -> Iterator[None]:
    """Notes in the run's log when a command begins to work and how long it took in all, also when it fails."""
    _note(job, BEGUN, until)
    try:
        yield
    except BaseException:
        with suppress(RunError):  # such as a full disk; what was raised first is what to tell
            _note(job, ENDED, until)
        raise
    _note(job, ENDED, until)


def _note(job: OpenRun, event: str, until: str) -> None:
    job.log({"event": event, "until": until, "seconds": round(job.elapsed_s(), 1)})


def worked_s(events: Iterable[Event], elapsed_s: float) -> float:
    """Seconds that the commands of a run took together: the one at work now, `elapsed_s`, and all before it.

    One that was killed said only when it began to work; it counts up to its last event.
    """
    total, unended = elapsed_s, 0.0
    begun: Event | None = None
    for event in events:
        if event["event"] == BEGUN:
            total += unended
            begun, unended = event, event["seconds"]
        elif event["event"] == ENDED:
            total += event["seconds"]
            begun, unended = None, 0.0
        elif begun is not None:
            unended = max(unended, begun["seconds"] + event["time"] - begun["time"])
    return total
