"""What each verb does with its options, and how a run directory alone is gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import InvalidValue, RunError, collected
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.flow import work
from sculptnet.job import Stage
from sculptnet.learn import process_as_found
from sculptnet.methods import Evolution, FBNet, FBNetV3, Given, Searching, SearchRecipe, Trials, made
from sculptnet.methods.searching import given_problems
from sculptnet.options import (
    DetectOptions,
    FitOptions,
    ListenGroup,
    RecipeOptions,
    SpecializeOptions,
    TrainOptions,
)
from sculptnet.plain import FREE, from_command
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.specialized import Specialized
from sculptnet.specializing import specialize_run
from sculptnet.tasks import classify, detect_open
from sculptnet.tasks.classify import Classify
from sculptnet.tasks.detect import Detect
from sculptnet.tasks.detect_result import DetectionResult

Clock: TypeAlias = Callable[[], float]


def run_fit(
    options: FitOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic, powercap: Path = POWERCAP
) -> FitResult:
    """Searches, trains, exports and reports, up to `until`; `powercap`: the folder of the energy counters."""
    try:
        method = made(options.method, FBNet if options.from_run is None else FBNetV3)
    except InvalidValue as error:  # said beside whatever else is wrong
        others = [*classify.target_problems(options), *given_problems(options)]
        raise InvalidValue(collected([str(error), *others], "The request")) from error
    if not isinstance(method, Searching):
        raise InvalidValue(f"method {method.name} searches no space; `train` and `search_recipe` take a network")
    with process_as_found():
        return work(Classify(), classify.opened("fit", options, method, clock, powercap), until)


def run_train(options: TrainOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> FitResult:
    """Trains one network, exports and reports, up to `until`."""
    with process_as_found():
        return work(Classify(), classify.opened("train", options, Given(), clock), until)


def run_recipe(options: RecipeOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> FitResult:
    """Searches how one network is trained, trains it so, exports and reports, up to `until`."""
    trials = made(options.method, Evolution)
    if not isinstance(trials, Trials):
        raise InvalidValue(
            f"method {trials.name} does not learn from trials alone; random, evolution and optuna try recipes"
        )
    with process_as_found():
        return work(Classify(), classify.opened("search-recipe", options, SearchRecipe(trials), clock), until)


def run_detect(options: DetectOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> DetectionResult:
    """Trains a detector, exports, judges and reports."""
    with process_as_found():
        return work(Detect(), detect_open.opened(options, clock), until)


def run_specialize(options: SpecializeOptions, clock: Clock = time.monotonic, powercap: Path = POWERCAP) -> Specialized:
    """Networks for other devices and budgets from a run's trained supernet; `powercap`: as `run_fit` has it."""
    return specialize_run(options, clock, powercap)


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
        changes: `fresh` and `listener`, and what a run can still be given (`plain.FREE`).
        until: how far.

    Raises:
        RunError: it is no run, or one that was begun with values that no file can bring back.
        InvalidValue: `changes` has something else.
    """
    options = options_of(folder, changes)
    _, run = _KINDS[RunDirectory(folder).info().verb]
    return run(options, until)


def options_of(folder: Path, changes: Mapping[str, Any]) -> ListenGroup:
    """What the run in `folder` was begun with, and `changes`; raises as `go_on`."""
    info = RunDirectory(folder).info()
    if info.verb not in _KINDS:
        raise RunError(f"{folder} is a run of `{info.verb}`, which nothing goes on with alone; give its call again")
    kind, _ = _KINDS[info.verb]
    allowed = [name for name in ("fresh", "listener", *FREE) if name in {field.name for field in fields(kind)}]
    refused = [name for name in changes if name not in allowed]
    if refused:
        raise InvalidValue(
            f"{folder} is a run directory and has its options already; leave out {', '.join(refused)}, or name the "
            "data for another run"
        )
    with reading(RunDirectory(folder).description, AS_WRITTEN):
        return from_command(kind, info.command, {**changes, "run_dir": folder})


def is_run(given: object) -> bool:
    """Whether what was given in the place of data is a run directory."""
    return isinstance(given, (str, Path)) and RunDirectory(Path(given)).exists()


def refuse_other_verb(folder: Path, verbs: tuple[str, ...]) -> None:
    """Raises `InvalidValue` where the run in `folder` was begun by none of `verbs`, with the verb that goes on."""
    verb = RunDirectory(folder).info().verb
    if verb not in verbs:
        raise InvalidValue(f"{folder} is a run of `{verb}`; `sculptnet {verb} {folder}` goes on with it")
