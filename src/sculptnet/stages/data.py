"""Before anything is measured: what the data holds, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from sculptnet.data import InMemory
from sculptnet.data.ahead import fewer_workers
from sculptnet.data.choose import decoded_bytes, small_enough
from sculptnet.data.inspection import inspect
from sculptnet.job import ImageJob
from sculptnet.machine_limits import HERE, System, memory_limit
from sculptnet.records.run_events import DataSeen


def look(job: ImageJob) -> None:
    """Prints what is in the data, and every doubt about it."""
    data, say = job.loaded, job.say
    say(f"{data.name}: {len(data.classes)} classes, {len(data.train)} training and {len(data.test)} test images")
    for note in data.notes:
        say(f"Note: {note}")
    findings = inspect(data, job.listener.progress)
    for sentence in findings.sentences():
        say(sentence)
    for warning in findings.warnings:
        say(f"Warning: {warning}")
    for note in memory_notes(job):
        say(note)
    job.log(DataSeen(tuple(data.notes), tuple(findings.warnings)))


def memory_notes(job: ImageJob, system: System = HERE) -> Iterator[str]:
    """What is done differently since memory is short."""
    fewer = fewer_workers(job.num_workers(), 3 * job.preprocessing.resolution**2, system)
    if fewer is not None:
        yield fewer
    in_files = not isinstance(job.data.train, InMemory)
    if in_files and small_enough(job.loaded, job.preprocessing):
        needed, limit = decoded_bytes(job.loaded, job.preprocessing), memory_limit(system)
        yield (
            f"Note: images stay in their files: decoded they take {needed / 1e6:,.0f} MB, more than a quarter of the "
            f"{limit / 1e6:,.0f} MB of memory here. Training is slower, and crops whole photographs instead of squares"
        )
