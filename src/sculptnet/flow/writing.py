"""Last stage: the report, derived from what is in the run directory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.cost import LatencyTable
from sculptnet.flow.context import Context
from sculptnet.report import ReportData, write_report


def write_run_report(
    context: Context, table: LatencyTable, architecture: Architecture, card: Mapping[str, Any]
) -> Path:
    """Writes `report.html` and `figures/` into the run directory."""
    run = context.run
    events = run.events(context.voice.say)
    source = ReportData(
        title=run.folder.name,
        command=command_line(run.info()["command"]),
        events=events,
        trials=run.trials(context.voice.say),
        card=card,
        table=table,
        architecture=architecture,
        space=context.space,
        seconds=worked_s(events),
    )
    return write_report(source, run.folder)


def command_line(command: Mapping[str, Any]) -> str:
    """The command that made a run, as one would type it."""
    words = ["sculptnet", "fit", str(command["data"]), "--latency-ms", f"{command['latency_ms']:g}"]
    named = {
        "device": "onnxruntime",
        "threads": 1,
        "precision": "fp32",
        "method": "fbnet",
        "space": "fbnet",
        "resolution": None,
        "minutes": 60.0,
        "seed": 0,
        "table": None,
    }
    for name, default in named.items():
        if command.get(name) != default:
            value = command[name]
            words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    words += [word for entry in command.get("settings", ()) for word in ("--set", entry)]
    return shlex.join(words + (["--baselines"] if command.get("baselines") else []))


def worked_s(events: list[Mapping[str, Any]]) -> float | None:
    """Seconds between the first and the last event, without the pauses between two commands."""
    times = [event["time"] for event in events if "time" in event]
    longest_step = 600.0  # a longer silence is a pause
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return sum(gap for gap in gaps if gap < longest_step) if gaps else None
