"""Before anything is measured: what the data holds, and what may be wrong with it."""

from __future__ import annotations

from sculptnet.data.inspection import inspect
from sculptnet.job import ImageJob


def look(job: ImageJob) -> None:
    """Prints what is in the data, and every doubt about it."""
    data, say = job.loaded, job.say
    say(f"{data.name}: {len(data.classes)} classes, {len(data.train)} training and {len(data.test)} test images")
    for note in data.notes:
        say(f"Note: {note}")
    findings = inspect(data)
    for sentence in findings.sentences():
        say(sentence)
    for warning in findings.warnings:
        say(f"Warning: {warning}")
    job.log({"event": "data", "notes": list(data.notes), "warnings": list(findings.warnings)})
