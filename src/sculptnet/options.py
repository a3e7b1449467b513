"""The options of all verbs, each written once.

Calls, the command line, its help, `run.json` and the text of errors are made of these classes. Nothing heavy is
imported here: help should be quick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sculptnet.option_fields import Options, at_least, option, options
from sculptnet.option_groups import (
    BeginningGroup,
    BoxGroup,
    DataGroup,
    DetectorGroup,
    FileGroup,
    FreeGroup,
    FreshGroup,
    LimitGroup,
    ListenGroup,
    NetworkGroup,
    RecipeGroup,
    RunOptions,
    SearchGroup,
    TaskName,
    TeacherGroup,
    TrialGroup,
)
from sculptnet.precision import Precision

if TYPE_CHECKING:
    from sculptnet.arch import Architecture, SearchSpace
    from sculptnet.data import ImageData
    from sculptnet.data.detection import BoxData
    from sculptnet.devices import Device
    from sculptnet.method import Method, NamedMethod
    from sculptnet.search import Limit
    from sculptnet.zoo import Published


@options
class ImageOptions(RecipeGroup, FileGroup, RunOptions, DataGroup):
    """Of every run that classifies images."""


@options
class TrialOptions(TrialGroup, ImageOptions):
    """Of every run with trials."""


@options
class FitOptions(DetectorGroup, SearchGroup, TrialOptions):
    """Of `fit`: images, a budget, and how to search. With task `detect`, the images are photographs with boxes."""

    data: ImageData | BoxData | Path | str = option(  # type: ignore[assignment]  # a task refuses what is another's
        "A folder with one folder per class, a data set's name, package.module:name, or ImageData; of task detect a "
        "folder or .tar with VOC XML or COCO JSON, or BoxData.",
        kw_only=False,
        metavar="DATA",
    )
    task: TaskName | None = option(
        "What the network is to do: classify, or detect objects; by default classify, and detect where data is "
        "BoxData.",
        default=None,
        kind=TaskName,
    )


@options
class TrainOptions(TeacherGroup, BeginningGroup, ImageOptions, NetworkGroup):
    """Of `train`: a network and images; a budget only judges the network."""


@options
class RecipeOptions(TrialOptions, NetworkGroup):
    """Of `search_recipe`: a network whose recipe is searched; a budget only judges it."""

    method: Method[Any] | type[Method[Any]] | NamedMethod | str | None = option(
        "How to search; one that learns from trials alone; by default evolution.", default=None
    )


@options
class DetectOptions(DetectorGroup, BeginningGroup, RecipeGroup, RunOptions, BoxGroup, NetworkGroup):
    """Of `detect`: a network, and photographs with boxes; a budget only judges the detector."""


@options
class SpecializeOptions(LimitGroup, ListenGroup):
    """Of `specialize`: a run, and what its trained weights are wanted for."""

    run: Path | str = option("A run that trained a supernet: one of method ofa.", kw_only=False, metavar="RUN")
    data: ImageData | Path | str | None = option(
        "The images of RUN, where they were moved, or where a program gave them as a value.",
        default=None,
        metavar="DATA",
    )
    space: SearchSpace | Callable[..., SearchSpace] | None = option(
        "The space of RUN, where a program gave it as a value.", default=None, kind=None
    )
    latency_ms: float | Sequence[float] = option(
        "A budget, milliseconds for one image; may be given several times.",
        default=(),
        kw_only=False,
        kind=float,
        repeated=True,
    )
    device: Device | str | None = option(
        "A name of `sculptnet devices`, ssh://user@host, adb:SERIAL, or package.module:name; by default the device of "
        "RUN.",
        default=None,
    )
    threads: int | None = option(
        "Threads that the device computes with; by default those of RUN.", default=None, kind=int
    )
    precision: Precision | None = option(
        "The exported file that the budget judges; by default that of RUN.", default=None, kind=Precision
    )
    fine_tune_epochs: int = option(
        "Epochs that each network is trained on before it is exported; 25 and 75 in the paper.", default=0, kind=int
    )

    def problems(self) -> list[str]:
        """The budgets, the epochs."""
        given = [value for value in self.budgets() if isinstance(value, (int, float))]
        found = [] if self.budgets() else ["the budgets are missing; give `latency_ms`, once or several times"]
        repeated = [value for value in dict.fromkeys(given) if given.count(value) > 1]
        found += [f"`latency_ms` {value:g} is given twice" for value in repeated]
        found += [f"`latency_ms` must be above 0, got {value:g}" for value in given if not 0 < value < math.inf]
        return super().problems() + found + at_least(self, 0, "fine_tune_epochs")

    def budgets(self) -> tuple[float, ...]:
        """The budgets, milliseconds."""
        given = self.latency_ms
        return tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)


@options
class ResumeOptions(FreeGroup, FreshGroup, ListenGroup):
    """Of `resume`: a run, and what it can still be given; what it was asked for it knows."""

    run: Path | str = option("A run directory.", kw_only=False, metavar="RUN")
    data: ImageData | BoxData | None = option(
        "The run's data, where a program began it with a value that no file brings back.", default=None, kind=None
    )
    network: Architecture | Published | None = option("The run's network, likewise.", default=None, kind=None)
    device: Device | None = option("The run's device, likewise.", default=None, kind=None)
    space: SearchSpace | Callable[..., SearchSpace] | None = option(
        "The run's space, likewise.", default=None, kind=None
    )
    method: Method[Any] | None = option("The run's method, likewise.", default=None, kind=None)
    limits: Sequence[Limit | str] = option("The run's limits, likewise.", default=(), kind=None)


VERBS: Mapping[str, type[Options]] = MappingProxyType(
    {
        "fit": FitOptions,
        "train": TrainOptions,
        "search-recipe": RecipeOptions,
        "detect": DetectOptions,
        "specialize": SpecializeOptions,
    }
)
