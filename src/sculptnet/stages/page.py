"""Last stage: the report, derived from what is in the run directory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.cost import LatencyTable
from sculptnet.files import read_json
from sculptnet.flow.common_request import CommonRequest
from sculptnet.job import Job, Job
from sculptnet.tasks.detect_network import DetectionRequest
from sculptnet.methods.given_request import NetworkRequest
from sculptnet.flow.request import FitRequest
from sculptnet.stages.trade_off import longer_epochs
from sculptnet.stages.working_time import worked_s
from sculptnet.report import ReportData, write_report


def write_run_report(
    job: Job, architecture: Architecture, card: Mapping[str, Any], table: LatencyTable | None = None
) -> Path:
    """Writes `report.html` and `figures/` into the run directory; runs that do not search have no table."""
    run = job.run
    events, longer = run.events(job.say), longer_epochs(run.info())
    source = ReportData(
        title=run.folder.name,
        command=command_line(run.info()["command"]),
        events=events,
        trials=[one for one in run.trials(job.say) if longer is None or one["epochs"] != longer],
        card=card,
        table=table,
        architecture=architecture,
        space=job.space if isinstance(job, Job) else None,
        recipe=read_json(run.model / "recipe.json"),
        given=card.get("network"),
        seconds=worked_s(events, job.elapsed_s()),
    )
    return write_report(source, run.folder)


REPEATED = {"limits": "--limit", "settings": "--set"}  # options that may be given several times


def command_line(command: Mapping[str, Any]) -> str:
    """The command that made a run, as one would type it."""
    kind: type[CommonRequest] = FitRequest
    words = ["sculptnet", "fit", str(command["data"])]
    if "network" in command:
        kind = NetworkRequest if command.get("verb") is None else DetectionRequest
        words = ["sculptnet", command.get("verb") or "train", str(command["network"]), str(command["data"])]
    for field in fields(kind):
        value, default = command.get(field.name), field.default
        plain = default.value if isinstance(default, Enum) else default
        if field.name in ("data", "network", "runs", *REPEATED) or value is None or value == plain:
            continue
        option = f"--{field.name.replace('_', '-')}"
        words += [option] if value is True else [option, f"{value:g}" if isinstance(value, float) else str(value)]
    for name, option in REPEATED.items():
        words += [word for entry in command.get(name, ()) for word in (option, entry)]
    return shlex.join(words)
