"""What every run is asked for: data, a device, and what it may take; checked before anything expensive starts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from sculptnet.cost import Precision
from sculptnet.devices import open_device
from sculptnet.errors import InvalidValue, SculptNetError, collected
from sculptnet.files import at_home, printable

PATHS = ("table", "weights", "root", "runs", "run_dir", "from_run")
NAMES = ("data", "network", "start", "recipe_only")  # or files and folders
SEVERAL = ("settings", "limits")
TEXTS = ("data", "network", "recipe_only", "workers")  # that Python may give as something else
R = TypeVar("R", bound="CommonRequest")


@dataclass(frozen=True)
class CommonRequest(ABC):
    """Data and a device, and everything else that all runs have in common.

    Attributes:
        data: what is learned from.
        latency_ms: the budget: the median of one image on the device, milliseconds.
        device, threads: what the network is measured on.
        minutes: bounds the whole.
        seed: of everything.
        settings: `GROUP.NAME=VALUE`.
        test_fraction: of the images, where the data has no test part of its own.
        accelerator: what torch trains on: `cpu`, `cuda` or `auto`.
        run_dir: where everything is kept; by default a name under `runs` made from this request and the data.
        runs: the folder of unnamed runs.
        fresh: start anew.
    """

    data: str
    latency_ms: float | None
    _: KW_ONLY
    device: str = "onnxruntime"
    threads: int = 1
    minutes: float = 60.0
    seed: int = 0
    settings: tuple[str, ...] = ()
    test_fraction: float = 0.2
    accelerator: str = "auto"
    run_dir: Path | None = None
    runs: Path = Path("runs")
    fresh: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.latency_ms is not None and not (self.latency_ms > 0 and math.isfinite(self.latency_ms)):
            problems.append(f"the budget must be above 0 ms, got {self.latency_ms:g}; give --latency-ms")
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            problems.append(f"--minutes must be above 0, got {self.minutes:g}")
        if self.threads < 1:
            problems.append(f"--threads must be at least 1, got {self.threads}")
        if not 0 < self.test_fraction < 1:
            problems.append(f"--test-fraction must lie between 0 and 1, got {self.test_fraction:g}")
        if self.accelerator not in ("auto", "cpu", "cuda"):
            problems.append(f"--accelerator must be auto, cpu or cuda, got {self.accelerator!r}")
        kept, shown = str(self.run_dir or self.runs), printable(str(self.run_dir or self.runs))
        if shown != kept:
            problems.append(f"the run's folder {shown} is no UTF-8, and runtimes open no such files; give --run-dir")
        for check in self.checks():
            try:
                check()
            except SculptNetError as error:
                problems.append(str(error))
        if problems:
            raise InvalidValue(collected(list(dict.fromkeys(problems)), "The request"))

    def checks(self) -> tuple[Callable[[], object], ...]:
        """What else must be possible; each raises what is wrong."""
        return (self.check_device,)

    @abstractmethod
    def origin(self) -> dict[str, Any]:
        """Where the network comes from, as its card says."""

    def check_device(self) -> None:
        """Raises `SculptNetError` where there is no such device."""
        open_device(self.device, max(1, self.threads))  # fewer are a problem of their own

    def command(self) -> dict[str, Any]:
        """The request as plain JSON, paths in full, so that a run directory alone can be continued from anywhere."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(name, value) for name, value in values.items() if name not in ("fresh", "run_dir")}


def from_plain(kind: type[R], values: Mapping[str, Any]) -> R:
    """A request of values as JSON, command lines and calls have them. Values that are no fields of it are left out."""
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    paths = {name: at_home(Path(known[name])) for name in PATHS if known.get(name) is not None}
    texts: dict[str, Any] = {name: str(known[name]) for name in TEXTS if known.get(name) is not None}
    named = {name: at_home(str(known[name])) for name in NAMES if known.get(name) is not None}
    several: dict[str, Any] = {name: tuple(known[name] or ()) for name in SEVERAL if name in known}
    typed: dict[str, Any] = {"precision": Precision(known["precision"])} if "precision" in known else {}
    return kind(**{**known, **paths, **texts, **named, **several, **typed})


def check_beginning(network: str, is_file: bool, pretrained: bool, weights: Path | None) -> None:
    """Raises `InvalidValue` where the first weights of a network cannot be had."""
    if pretrained and weights is not None:
        raise InvalidValue(f"--pretrained and --weights {weights} are two beginnings; give one of them")
    if pretrained and is_file:
        raise InvalidValue(f"--pretrained: {network} is a file, and nobody publishes its weights; --weights FILE")
    if weights is not None and not weights.is_file():
        raise InvalidValue(f"--weights {weights} does not exist; give a .safetensors or .pth file")


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Path) or (name in NAMES and value and Path(value).exists()):
        return str(Path(value).resolve())
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
