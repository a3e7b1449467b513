"""What each verb does with its options, and how a run directory alone is gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import InvalidValue
from sculptnet.flow import work
from sculptnet.job import Stage
from sculptnet.methods import Evolution, FBNet, FBNetV3, Given, Searching, SearchRecipe, Trials, made
from sculptnet.options import (
    DetectOptions,
    FitOptions,
    ListenGroup,
    RecipeOptions,
    SpecializeOptions,
    TrainOptions,
)
from sculptnet.plain import from_command
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.specialized import Specialized
from sculptnet.specializing import specialize_run
from sculptnet.tasks import classify, detect_open
from sculptnet.tasks.classify import Classify
from sculptnet.tasks.detect import Detect
from sculptnet.tasks.detect_result import DetectionResult

Clock: TypeAlias = Callable[[], float]
ADDED = ("baselines", "workers", "check_proxy", "proxy_networks")  # what a run that was begun can still be given


def run_fit(
    options: FitOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic, powercap: Path = POWERCAP
) -> FitResult:
    """Searches, trains, exports and reports, up to `until`; `powercap`: the folder of the energy counters."""
    method = made(options.method, FBNet if options.from_run is None else FBNetV3)
    if not isinstance(method, Searching):
        raise InvalidValue(f"method {method.name} searches no space; `train` and `search_recipe` take a network")
    return work(Classify(), classify.opened("fit", options, method, clock, powercap), until)


def run_train(options: TrainOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> FitResult:
    """Trains one network, exports and reports, up to `until`."""
    return work(Classify(), classify.opened("train", options, Given(), clock), until)


def run_recipe(options: RecipeOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> FitResult:
    """Searches how one network is trained, trains it so, exports and reports, up to `until`."""
    trials = made(options.method, Evolution)
    if not isinstance(trials, Trials):
        raise InvalidValue(
            f"method {trials.name} does not learn from trials alone; random, evolution and optuna try recipes"
        )
    return work(Classify(), classify.opened("search-recipe", options, SearchRecipe(trials), clock), until)


def run_detect(options: DetectOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> DetectionResult:
    """Trains a detector, exports, judges and reports."""
    return work(Detect(), detect_open.opened(options, clock), until)


def run_specialize(options: SpecializeOptions, clock: Clock = time.monotonic) -> Specialized:
    """Networks for other devices and budgets from a run's trained supernet."""
    return specialize_run(options, clock)


Result: TypeAlias = FitResult | DetectionResult
_KINDS: Mapping[str, tuple[type[ListenGroup], Callable[[Any, Stage], Result]]] = {
    "fit": (FitOptions, run_fit),
    "train": (TrainOptions, run_train),
    "search-recipe": (RecipeOptions, run_recipe),
    "detect": (DetectOptions, run_detect),
}


def go_on(folder: Path, changes: Mapping[str, Any], until: Stage = Stage.REPORT) -> Result:
    """Goes on with the run in `folder` as it was begun.

    Args:
        folder: a run directory.
        changes: `fresh` and `listener`, and what a run can still be given (`ADDED`).
        until: how far.

    Raises:
        RunError: it is no run, or one that was begun with values that no file can bring back.
        InvalidValue: `changes` has something else.
    """
    info = RunDirectory(folder).info()
    kind, run = _KINDS[info.verb]
    refused = [name for name in changes if name not in ("fresh", "listener", *ADDED)]
    if refused:
        raise InvalidValue(
            f"{folder} is a run directory and has its options already; leave out {', '.join(refused)}, or name the "
            "data for another run"
        )
    options = from_command(kind, info.command, {**changes, "run_dir": folder})
    return run(options, until)


def is_run(given: object) -> bool:
    """Whether what was given in the place of data is a run directory."""
    return isinstance(given, (str, Path)) and RunDirectory(Path(given)).exists()


def refuse_other_verb(folder: Path, verbs: tuple[str, ...]) -> None:
    """Raises `InvalidValue` where the run in `folder` was begun by none of `verbs`, with the verb that goes on."""
    verb = RunDirectory(folder).info().verb
    if verb not in verbs:
        raise InvalidValue(f"{folder} is a run of `{verb}`; `sculptnet {verb} {folder}` goes on with it")
