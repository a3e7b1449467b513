"""Before anything is measured: what the data holds, and what may be wrong with it."""

from __future__ import annotations

from sculptnet.data.inspection import inspect
from sculptnet.flow.context import RunContext


def look(context: RunContext) -> None:
    """Prints what is in the data, and every doubt about it."""
    data, say = context.loaded, context.voice.say
    say(f"{data.name}: {len(data.classes)} classes, {len(data.train)} training and {len(data.test)} test images")
    for note in data.notes:
        say(f"Note: {note}")
    findings = inspect(data)
    for sentence in findings.sentences():
        say(sentence)
    for warning in findings.warnings:
        say(f"Warning: {warning}")
    context.log({"event": "data", "notes": list(data.notes), "warnings": list(findings.warnings)})
