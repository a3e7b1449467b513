"""Whole runs through the public call that take seconds: a computed device, images in memory, three small layers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import sculptnet
from sculptnet import blocks, spaces
from sculptnet.arch import Architecture
from sculptnet.cost import LatencyTable, table_from_json
from sculptnet.job import FitJob
from sculptnet.listening import Listener
from sculptnet.method import Method
from sculptnet.option_groups import Accelerator
from sculptnet.options import FitOptions
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.search import TrialRecord
from sculptnet.tasks.classify import opened
from sculptnet.testing import FakeDevice, tiny_images

BUDGET_MS = 0.1
SPACE = partial(spaces.fbnet, channels=(8, 16, 24), layers=(1, 1, 1), strides=(1, 2, 2), head_channels=32)
SILENT = Listener(lambda text: None)
SHORT = {"epochs": "2", "batch_size": "24"}


def arguments(run_dir: Path, said: list[str] | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `sculptnet.fit` for a run of two epochs, and `changes`; what is None there is left out."""
    plain: dict[str, Any] = {
        "latency_ms": BUDGET_MS,
        "device": FakeDevice(),
        "space": SPACE,
        "minutes": 0.5,
        "accelerator": Accelerator.CPU,
        "recipe": SHORT,
        "run_dir": run_dir,
        "listener": SILENT if said is None else Listener(said.append),
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not None}


def fitted(run_dir: Path, *, said: list[str] | None = None, **changes: Any) -> FitResult:
    """A finished run; `said` keeps what it says, `changes` are further arguments of `sculptnet.fit`."""
    result = sculptnet.fit(tiny_images(3), **arguments(run_dir, said, changes))
    assert isinstance(result, FitResult)
    return result


def job_of(run_dir: Path, method: Method[Any], *, said: list[str] | None = None, **changes: Any) -> FitJob:
    """The same run, opened: nothing is measured yet."""
    return opened("fit", FitOptions(tiny_images(3), **arguments(run_dir, said, changes)), method, monotonic)


def trials_of(folder: Path) -> list[TrialRecord]:
    """The trials of a run, in the order in which they were finished."""
    return RunDirectory(folder).trials(pytest.fail)


def table_of(result: FitResult) -> LatencyTable:
    """The table that its search predicted with."""
    return table_from_json(json.loads((result.folder / "table.json").read_text()), blocks.ALL)


def architecture_of(record: TrialRecord) -> Architecture:
    """The network of a trial in `SPACE`; what follows in its row are decisions of a recipe."""
    space = SPACE(3, 16)
    return space.decode(record.choices[: len(space.decisions)]).architecture


def files_of(folder: Path) -> dict[Path, bytes]:
    """Everything in a run directory."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
