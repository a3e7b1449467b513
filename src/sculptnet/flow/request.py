"""What a user asks for, checked before anything expensive starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sculptnet import settings, spaces
from sculptnet.arch import Recipe, SearchSpace
from sculptnet.cost import Precision
from sculptnet.devices import open_device
from sculptnet.devices.measure import check_precision
from sculptnet.errors import InvalidValue, SculptNetError, collected
from sculptnet.flow.methods import METHODS, Method
from sculptnet.named import find
from sculptnet.runs import RunDirectory

SETTING_GROUPS = ("space", "search", "recipe")


@dataclass(frozen=True)
class FitRequest:
    """A data set, a device and a budget, and everything else that has a default.

    Attributes:
        data: a folder with one folder per class, or the name of a data set (`data.BY_NAME`), or `package.module:name`.
        latency_ms: the budget: the median of one image on the device, milliseconds.
        device, threads: what the network is measured on.
        precision: which exported file, and so which table, the budget judges.
        method, space: how and where to search; a name, or `package.module:name`.
        resolution: of the images, pixels; by default the native size of small images, else 96 (224 with CUDA).
        minutes: bounds the whole.
        seed: of everything.
        settings: `GROUP.NAME=VALUE`, the groups being space, search and recipe.
        table: a latency table measured before; it is checked on three networks.
        baselines: train comparisons too.
        skip_broken: leave out files that are no images, instead of stopping.
        test_fraction: of the images, where the data has no test part of its own.
        accelerator: what torch trains on: `cpu`, `cuda` or `auto`.
        run_dir: where everything is kept; by default a name under `runs` made from this request and the data.
        root: a folder that holds the files of a named data set.
        runs: the folder of unnamed runs.
        fresh: start anew.
    """

    data: str
    latency_ms: float
    device: str = "onnxruntime"
    threads: int = 1
    precision: Precision = Precision.FP32
    method: str = "fbnet"
    space: str = "fbnet"
    resolution: int | None = None
    minutes: float = 60.0
    seed: int = 0
    settings: tuple[str, ...] = ()
    table: Path | None = None
    baselines: bool = False
    skip_broken: bool = False
    test_fraction: float = 0.2
    accelerator: str = "auto"
    run_dir: Path | None = None
    root: Path | None = None
    runs: Path = Path("runs")
    fresh: bool = False

    def __post_init__(self) -> None:
        problems = []
        if not (self.latency_ms > 0 and math.isfinite(self.latency_ms)):
            problems.append(f"the budget must be above 0 ms, got {self.latency_ms:g}; give --latency-ms")
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            problems.append(f"--minutes must be above 0, got {self.minutes:g}")
        if self.threads < 1:
            problems.append(f"--threads must be at least 1, got {self.threads}")
        if self.resolution is not None and self.resolution < 8:
            problems.append(f"--resolution must be at least 8 pixels, got {self.resolution}")
        if not 0 < self.test_fraction < 1:
            problems.append(f"--test-fraction must lie between 0 and 1, got {self.test_fraction:g}")
        if self.accelerator not in ("auto", "cpu", "cuda"):
            problems.append(f"--accelerator must be auto, cpu or cuda, got {self.accelerator!r}")
        if self.table is not None and not self.table.is_file():
            problems.append(f"--table {self.table} does not exist; `sculptnet measure SPACE --out FILE` makes one")
        for check in (self._check_device, self.given, self.chosen_method, self.space_maker, self.recipe):
            try:
                check()
            except SculptNetError as error:
                problems.append(str(error))
        if problems:
            raise InvalidValue(collected(problems, "The request"))

    def _check_device(self) -> None:
        check_precision(open_device(self.device, self.threads), self.precision)

    def given(self) -> dict[str, dict[str, str]]:
        """The settings by group."""
        return settings.split(self.settings, SETTING_GROUPS)

    def chosen_method(self) -> tuple[Method, dict[str, Any]]:
        """The method and the settings of its search."""
        method = find(self.method, METHODS, "method")
        if not isinstance(method, Method):
            method = Method(method)
        return method, settings.bind(method.search, self.given()["search"], "search")

    def space_maker(self) -> tuple[Callable[..., SearchSpace], dict[str, Any]]:
        """The space's function and its settings."""
        space = find(self.space, spaces.BY_NAME, "space")
        return space, settings.bind(space, self.given()["space"], "space")

    def recipe(self) -> Recipe:
        """The recipe, its epochs aside where the plan sets them."""
        return settings.apply(Recipe(), self.given()["recipe"], "recipe")


def request_of_run(folder: Path, *, fresh: bool, baselines: bool) -> FitRequest:
    """The request that made a run directory, so that the directory alone continues it."""
    command = dict(RunDirectory(folder).info()["command"])
    command["precision"] = Precision(command["precision"])
    command["settings"] = tuple(command["settings"])
    for name in ("table", "root", "runs"):
        command[name] = Path(command[name]) if command[name] else None
    command["baselines"] = bool(command["baselines"]) or baselines
    return FitRequest(**command, run_dir=folder, fresh=fresh)


def options_beside_a_run(options: Mapping[str, Any]) -> list[str]:
    """The options that differ from their defaults, as they are typed."""
    defaults = {field.name: field.default for field in fields(FitRequest)} | {"latency_ms": None}
    plain = {name: value.value if isinstance(value, Precision) else value for name, value in defaults.items()}
    names = [name for name, value in options.items() if value != plain[name]]
    return ["--set" if name == "settings" else f"--{name.replace('_', '-')}" for name in names]
