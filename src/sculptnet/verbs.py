"""What each verb does with its options, and how a run directory alone is gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet.data.detection.score import require_pycocotools
from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import InvalidValue, SculptNetError
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.flow import work
from sculptnet.job import Stage, TaskJob
from sculptnet.learn import process_as_found
from sculptnet.method import AnyTask, Method, NamedMethod
from sculptnet.methods import (
    ALL,
    Evolution,
    FBNet,
    FBNetV3,
    Given,
    MnasNet,
    Searching,
    SearchRecipe,
    Trials,
    made,
)
from sculptnet.methods.given_detector import GivenDetector
from sculptnet.methods.searching import given_problems, image_recipe_problems
from sculptnet.option_groups import ListenGroup, TaskName
from sculptnet.options import DetectOptions, FitOptions, RecipeOptions, ResumeOptions, SpecializeOptions, TrainOptions
from sculptnet.plain import FREE, from_command, lost_values
from sculptnet.records.card import DetectorCard, read_card
from sculptnet.result import FitResult
from sculptnet.rules import REQUEST, raised, require, require_all
from sculptnet.runs import SPECIALIZE, RunDirectory
from sculptnet.specialized import Specialized
from sculptnet.specializing import check_budgets, read_anew, specialize_run
from sculptnet.tasks import classify, detect, detect_open
from sculptnet.tasks.classify import Classify
from sculptnet.tasks.detect import Detect
from sculptnet.tasks.detect_result import DetectionResult
from sculptnet.tasks.kinds import kind_problems
from sculptnet.tasks.opening import task_of, unused_problems

Clock: TypeAlias = Callable[[], float]
Result: TypeAlias = FitResult | DetectionResult


@dataclass(frozen=True)
class _Able:
    """A task of `fit`.

    Attributes:
        opened: opens a run.
        problems: what is wrong with data, device and training, whatever the method is.
        methods: what its methods are.
        method: that of a run that names none.
        checks: raise what else is missing.
    """

    opened: Callable[[FitOptions, Method[FitOptions], Clock, Path], TaskJob[FitOptions]]
    problems: Callable[[FitOptions], list[str]]
    methods: type
    method: type[Method[Any]]
    checks: tuple[Callable[[], object], ...] = ()


def _classifier_problems(options: FitOptions) -> list[str]:
    return [*classify.target_problems(options), *image_recipe_problems(options.sound())]


TASKS: Mapping[TaskName, _Able] = {
    TaskName.CLASSIFY: _Able(classify.opened_search, _classifier_problems, Method, FBNet),
    TaskName.DETECT: _Able(
        detect_open.opened_search, detect_open.detector_problems, AnyTask, MnasNet, (require_pycocotools,)
    ),
}


def run_fit(
    options: FitOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic, powercap: Path = POWERCAP
) -> FitResult | DetectionResult:
    """Searches, trains, exports and reports, up to `until`; `powercap`: the folder of the energy counters."""
    check(options)
    method, able = _method_of(options), TASKS[task_of(options)]
    assert isinstance(method, Searching)  # checked
    with process_as_found():
        job = able.opened(options, method, clock, powercap)
        result: Result = work(job.task, job, until)
        return result


def run_train(options: TrainOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> FitResult:
    """Trains one network, exports and reports, up to `until`."""
    check(options)
    with process_as_found():
        return work(Classify(), classify.opened("train", options, Given(), clock), until)


def run_recipe(options: RecipeOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> FitResult:
    """Searches how one network is trained, trains it so, exports and reports, up to `until`."""
    check(options)
    trials = _method_of(options)
    assert isinstance(trials, Trials)  # checked
    with process_as_found():
        return work(Classify(), classify.opened("search-recipe", options, SearchRecipe(trials), clock), until)


def run_detect(options: DetectOptions, until: Stage = Stage.REPORT, clock: Clock = time.monotonic) -> DetectionResult:
    """Trains a detector, exports, judges and reports."""
    check(options)
    with process_as_found():
        return work(Detect(), detect_open.opened(options, GivenDetector(), clock), until)


def run_specialize(options: SpecializeOptions, clock: Clock = time.monotonic, powercap: Path = POWERCAP) -> Specialized:
    """Networks for other devices and budgets from a run's trained supernet; `powercap`: as `run_fit` has it."""
    check(options)
    return specialize_run(options, clock, powercap)


# ---------------------------------------------------------------------- what is wrong with what was asked
def check(options: ListenGroup, others: Sequence[str] = ()) -> None:
    """Whether all of it can be had, before anything expensive starts.

    Args:
        options: of a verb.
        others: what is known to be wrong already.

    Raises:
        InvalidValue: with everything that is wrong.
        MissingExtra, RunError: where nothing else is.
    """
    if wrong := kind_problems(options):  # nothing can look into those
        require([*others, *options.problems(), *wrong], REQUEST)
    problems, checks = _PROBLEMS[type(options)](options)
    data = getattr(options, "data", None)
    if isinstance(data, (str, Path)) and is_run(data):
        verb = RunDirectory(Path(data)).info().verb
        others = [
            f"{data} is a run directory, not data; `sculptnet {verb} {data}`, in Python `resume`, goes on with it",
            *others,
        ]
    require_all([*others, *problems], REQUEST, *checks)


Wrong: TypeAlias = tuple[list[str], tuple[Callable[[], object], ...]]  # sentences, and checks that raise


def _method_of(options: FitOptions | RecipeOptions) -> Method[Any]:
    if isinstance(options, RecipeOptions):
        return made(options.method, Evolution)
    return made(options.method, TASKS[task_of(options)].method if options.from_run is None else FBNetV3)


def _nearest(options: FitOptions | RecipeOptions) -> Method[Any] | None:
    """The method; without its settings where those are wrong; None where there is no such method."""
    given = options.method
    unset = NamedMethod(given.name, {}) if isinstance(given, NamedMethod) else given
    for one in (options, replace(options, method=unset)):
        with suppress(SculptNetError):
            return _method_of(one)
    return None


def _wrong_with_fit(options: FitOptions) -> Wrong:
    task, method = task_of(options), _nearest(options)
    able, sound, found = TASKS[task], options.sound(), list[str]()
    problems = [*unused_problems(options, task), *able.problems(options)]
    if isinstance(method, Searching):
        problems += raised(lambda: found.extend(method.problems(sound)))
    else:
        problems += given_problems(sound)
    if method is not None and not isinstance(method, Searching):
        found.append(f"method {method.name} searches no space; `train` and `search_recipe` take a network")
    elif method is not None and not isinstance(method, able.methods):
        names = ", ".join(one.name for one in ALL if issubclass(one, able.methods))
        found.append(
            f"method {method.name} learns from a network that classifies, and task {task.value} has none; {names} "
            "learn from trials alone"
        )
    return list(dict.fromkeys([*problems, *found])), (lambda: _method_of(options), *able.checks)


def _wrong_with_recipe(options: RecipeOptions) -> Wrong:
    method, found = _nearest(options), []
    if method is not None and not isinstance(method, Trials):
        found.append(f"method {method.name} does not learn from trials alone; random, evolution and optuna try recipes")
    trials = method if isinstance(method, Trials) else Evolution()
    return [*classify.problems_of(options, SearchRecipe(trials)), *found], (lambda: _method_of(options),)


def _wrong_with_train(options: TrainOptions) -> Wrong:
    return classify.problems_of(options, Given()), ()


def _wrong_with_detect(options: DetectOptions) -> Wrong:
    return detect_open.problems_of(options), (require_pycocotools,)


def _wrong_with_specialize(options: SpecializeOptions) -> Wrong:
    sound = options.sound()
    return options.problems(), (lambda: check_budgets(sound),)


_PROBLEMS: Mapping[type[ListenGroup], Callable[[Any], Wrong]] = {
    FitOptions: _wrong_with_fit,
    TrainOptions: _wrong_with_train,
    RecipeOptions: _wrong_with_recipe,
    DetectOptions: _wrong_with_detect,
    SpecializeOptions: _wrong_with_specialize,
}


# ---------------------------------------------------------------------- going on
_KINDS: Mapping[str, tuple[type[ListenGroup], Callable[[Any, Stage], Result]]] = {
    "fit": (FitOptions, run_fit),
    "train": (TrainOptions, run_train),
    "search-recipe": (RecipeOptions, run_recipe),
    "detect": (DetectOptions, run_detect),
}


def run_resume(options: ResumeOptions) -> Result:
    """Goes on with a run as it was begun, with what it is given now."""
    require(kind_problems(options), REQUEST)
    given = {name: getattr(options, name) for name in options.given if name not in ("run", "given")}
    return go_on(Path(options.run), {**given, "listener": options.listener})


def go_on(folder: Path, changes: Mapping[str, Any], until: Stage = Stage.REPORT) -> Result:
    """Goes on with the run in `folder` as it was begun.

    Args:
        folder: a run directory.
        changes: fields of `ResumeOptions`.
        until: how far.

    Raises:
        RunError: it is no run, or one that was begun with values that no file can bring back.
        InvalidValue: `changes` has what does not go with such a run.
    """
    if set(changes) <= {"listener"} and (found := _read(RunDirectory(folder))) is not None:
        return found
    options = options_of(folder, changes)
    _, run = _KINDS[RunDirectory(folder).info().verb]
    return run(options, until)


def _read(run: RunDirectory) -> Result | None:
    """A finished run whose images, device or space a program gave as values: read without them, where that can be."""
    info = run.info()
    refuse_cut_out(run)
    lost = lost_values(info.command)
    if not lost or not {*lost} <= {"data", "device", "network", "space", "limits"} or not run.report.exists():
        return None
    boxes = isinstance(read_card(run.card), DetectorCard)
    with suppress(InvalidValue):  # blocks that its space alone knows
        return detect.read_result(run) if boxes else classify.read_result(run)
    return None


def options_of(folder: Path, changes: Mapping[str, Any]) -> ListenGroup:
    """What the run in `folder` was begun with, and `changes`; raises as `go_on`."""
    run = RunDirectory(folder)
    info = run.info()
    refuse_cut_out(run)
    kind, _ = _KINDS[info.verb]
    known, taken = ({field.name for field in fields(one)} for one in (kind, ResumeOptions))
    refused = [f"`{name}`" for name in changes if name not in known or name not in taken]
    if refused:
        others = sorted(known & {*FREE, "fresh"})
        raise InvalidValue(
            f"{folder} is a run directory and has its options already; leave out {', '.join(refused)}, or name the "
            f"data for another run. What a run of `{info.verb}` can still be given: "
            f"{', '.join(f'`{name}`' for name in others)}"
        )
    resolution = info.identity.get("resolution")
    if "resolution" in known and isinstance(resolution, int):  # by default it depends on what trains
        changes = {"resolution": resolution, **changes}
    with reading(run.description, AS_WRITTEN):
        made_of_file = from_command(kind, read_anew(info.command, changes), {**changes, "run_dir": folder})
    usual: dict[str, Any] = {field.name: field.default for field in fields(kind) if field.name in changes}
    if broken := replace(made_of_file, **usual).problems():
        raise InvalidValue(f"{run.description} cannot be read ({'; '.join(broken)}); give {AS_WRITTEN}")
    return made_of_file


def is_run(given: object) -> bool:
    """Whether what was given in the place of data is a run directory."""
    return isinstance(given, (str, Path)) and RunDirectory(Path(given)).exists()


def refuse_cut_out(run: RunDirectory) -> None:
    """Raises `InvalidValue` for the folder of a network that `specialize` made of another run."""
    if run.info().verb != SPECIALIZE and run.origin is None:
        return
    of = "a run" if run.origin is None else str(run.origin.folder)
    raise InvalidValue(
        f"{run.folder} holds a network that `specialize` cut out of {of}; `specialize(RUN, latency_ms=X)` with that "
        f"run goes on with it or makes others, `sculptnet show {run.folder}` shows it"
    )


def refuse_other_verb(folder: Path, verbs: tuple[str, ...]) -> None:
    """Raises `InvalidValue` where the run in `folder` was begun by none of `verbs`, with the verb that goes on."""
    verb = RunDirectory(folder).info().verb
    refuse_cut_out(RunDirectory(folder))
    if verb not in verbs:
        raise InvalidValue(f"{folder} is a run of `{verb}`; `sculptnet {verb} {folder}` goes on with it")
