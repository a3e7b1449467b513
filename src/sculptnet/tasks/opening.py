"""What runs of all tasks open: the device, what torch trains on, the place of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from sculptnet.arch import Architecture, to_json
from sculptnet.data.detection import BoxData
from sculptnet.devices import Device, open_device
from sculptnet.errors import DataError, InvalidValue
from sculptnet.files import digest
from sculptnet.machine_limits import cores
from sculptnet.method import Subject
from sculptnet.option_groups import Accelerator, DeviceGroup, Place, TaskName
from sculptnet.options import FitOptions
from sculptnet.runs import RunDirectory

OF_TASKS: Mapping[TaskName, tuple[str, ...]] = {  # options of `fit` that are of one task alone
    TaskName.CLASSIFY: ("root", "skip_broken", "resolution", "precision", "limits", "start", "from_run"),
    TaskName.DETECT: ("size", "detector"),
}


def device_of(target: DeviceGroup) -> Device:
    """The device of a target; opened where it is named.

    Raises:
        InvalidValue: threads were given beside a device that has its own.
        DeviceError: there is no such device.
    """
    if isinstance(target.device, str):
        return open_device(target.device, target.threads)
    if target.threads != 1:
        raise InvalidValue(f"`threads` {target.threads}: {target.device.name} has its own; leave it out")
    return target.device


def chosen_accelerator(wanted: Accelerator) -> str:
    """`cpu` or `cuda`.

    Raises:
        InvalidValue: CUDA was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if wanted is Accelerator.CUDA and not available:
        raise InvalidValue("`accelerator` cuda: torch sees no CUDA device here; use cpu")
    return "cuda" if available and wanted is not Accelerator.CPU else "cpu"


def limit_threads() -> None:
    """Torch computes with no more threads than this process may use cores: it knows of no quota of a container."""
    if torch.get_num_threads() > cores():
        torch.set_num_threads(cores())


def check_still_there(data: object, run_dir: Path | None, remedy: str | None = None) -> None:
    """Raises `DataError` where the data of a run that was begun have been moved, with what to do."""
    if run_dir is None or not isinstance(data, (Path, str)) or not RunDirectory(run_dir).exists():
        return
    if Path(data).is_absolute() and not Path(data).exists():
        again = f"give the call again with the new folder and `run_dir={str(run_dir)!r}`"
        raise DataError(
            f"the data of {run_dir} lay in {data}, which does not exist any more; if they were moved or renamed, "
            f"{remedy or again}"
        )


def run_directory(place: Place, data_name: str, identity: Mapping[str, Any]) -> RunDirectory:
    """Where a run is kept, whether it was begun or not.

    An unnamed run is known by the hash of its identity: its folder keeps the name that the data had at its beginning.
    """
    if place.run_dir is not None:
        return RunDirectory(place.run_dir)
    known = digest(dict(identity))[:8]
    begun = [path for path in sorted(place.runs.glob(f"*-{known}")) if RunDirectory(path).exists()]
    return RunDirectory(begun[0] if begun else place.runs / f"{data_name}-{known}")


def task_of(options: FitOptions) -> TaskName:
    """What was asked for, or what the data are for."""
    if isinstance(options.task, TaskName):
        return options.task
    return TaskName.DETECT if isinstance(options.data, BoxData) else TaskName.CLASSIFY


def unused_problems(options: FitOptions, task: TaskName) -> list[str]:
    """The options that were given and are another task's: a sentence each."""
    others = {name: other for other, names in OF_TASKS.items() if other is not task for name in names}
    by_name = {field.name: field for field in fields(options)}
    problems = []
    for name, other in others.items():
        if name in options.given or getattr(options, name) != by_name[name].default:
            problems.append(f"`{name}` is for task {other.value} and plays no part in task {task.value}; leave it out")
    return problems


def templates_of(subject: Subject) -> dict[str, Any]:
    """The space, or the network, as plain JSON."""
    if isinstance(subject, Architecture):
        return {"architecture": to_json(subject)}
    return {"architecture": to_json(subject.architecture), "recipe": to_json(subject.recipe)}
