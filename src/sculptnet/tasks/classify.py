"""Classification of images: how a run is opened, and its stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, final

from sculptnet import data as sources
from sculptnet.arch import Architecture, Candidate, Recipe, SearchSpace, to_json
from sculptnet.cost import FactoredCost
from sculptnet.data import ImageData, Request, check_plausible, decoded, default_preprocessing, levelled
from sculptnet.data.detection import annotated
from sculptnet.devices import Model
from sculptnet.devices.energy import POWERCAP
from sculptnet.devices.measure import check_all_run, check_precision, graphs_of
from sculptnet.errors import DataError
from sculptnet.export import load_network
from sculptnet.files import digest, write_json
from sculptnet.job import Job
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.listening import Listener
from sculptnet.method import Found, Method, Subject
from sculptnet.named import find, is_part
from sculptnet.nets import Network
from sculptnet.option_groups import TaskName
from sculptnet.options import FitOptions, ImageOptions
from sculptnet.plain import plain_of, to_command
from sculptnet.records.card import ClassifierCard, read_card_of
from sculptnet.result import FitResult
from sculptnet.rules import raised
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.search import Evaluate
from sculptnet.settings import text_of
from sculptnet.stages.baselines import add_baselines, missing_baselines
from sculptnet.stages.batches import training_batches
from sculptnet.stages.data import look
from sculptnet.stages.lengths import length_notes
from sculptnet.stages.page import write_run_report
from sculptnet.stages.plan import SearchPlan, Speed
from sculptnet.stages.proxy import newest_check
from sculptnet.stages.ship import ship
from sculptnet.stages.short_training import by_training
from sculptnet.stages.speed import measure_training
from sculptnet.stages.table import blocks_in
from sculptnet.stages.trade_off import longer_epochs_of, trade_offs
from sculptnet.stages.train import final_parts, train_candidate
from sculptnet.stages.unused import beside_a_value, data_problems, names_of, unused_crops
from sculptnet.tasks.base import Task
from sculptnet.tasks.opening import (
    check_still_there,
    chosen_accelerator,
    device_of,
    limit_threads,
    run_directory,
    templates_of,
)

O = TypeVar("O", bound=ImageOptions)  # noqa: E741


@final
class Classify(Task[Job[Any], Found, Network, FitResult]):
    """Finds, trains and ships a classifier, by the method of the run."""

    name: ClassVar[TaskName] = TaskName.CLASSIFY
    size_option: ClassVar[str] = "resolution"
    metric: ClassVar[str] = "top1"

    def look(self, job: Job[Any]) -> None:
        look(job)

    def find(self, job: Job[Any]) -> Found:
        final_parts(job)  # whether images can be set apart is said before anything is measured
        check_all_run(job.device)
        found: Found = job.method.find(job)
        return found

    def train(self, job: Job[Any], found: Found) -> Network:
        network: Network = job.method.network(job, found)
        return network

    def ship(self, job: Job[Any], found: Found, network: Network) -> None:
        ship(job, network, found.candidate.recipe, found.table, found.limits)

    def searched(self, job: Job[Any]) -> bool:
        return bool(job.method.searched(job))

    def compared(self, job: Job[Any]) -> bool:
        return bool(job.method.compared(job))

    def compare(self, job: Job[Any], found: Found) -> None:
        job.method.compare(job, found)

    def report(self, job: Job[Any], found: Found) -> Path:
        return write_run_report(
            job, found.candidate.architecture, read_card_of(job.run.card, ClassifierCard), found.table
        )

    def result(self, job: Job[Any], found: Found | None) -> FitResult:
        run = job.run
        if found is None:
            architecture = load_network(run.model, blocks=blocks_in(job.subject)).architecture
        else:
            architecture = found.candidate.architecture
        return FitResult(
            run.folder,
            architecture,
            read_card_of(run.card, ClassifierCard) if run.card.exists() else None,
            run.report if run.report.exists() else None,
            trade_offs(run.trials(job.say), job.method.longer_epochs(job)),
            newest_check(job.events()),
        )

    # ------------------------------------------------------------------ candidates
    def images(self, job: Job[Any]) -> int:
        return len(job.data.train)

    def whole(self, job: Job[Any]) -> Callable[[Architecture], Model]:
        return graphs_of(job.precision).network

    def speed(self, job: Job[Any], architecture: Architecture) -> Speed:
        return measure_training(job, training_batches(job, job.data.train, job.recipe()), architecture)

    def trial(self, job: Job[Any]) -> Evaluate:
        return by_training(job)

    def trained(self, job: Job[Any], candidate: Candidate, name: str) -> Network:
        return train_candidate(job, candidate, name)

    def notes(self, job: Job[Any], plan: SearchPlan) -> list[str]:
        return length_notes(job, plan)

    def missing_comparisons(self, job: Job[Any]) -> tuple[str, ...]:
        return missing_baselines(job)

    def add_comparisons(self, job: Job[Any], cost: FactoredCost, epochs: int, each_s: float) -> None:
        add_baselines(job, cost, epochs, each_s)


def read_result(run: RunDirectory) -> FitResult:
    """A finished run, of its folder alone.

    Raises:
        InvalidValue: its network has blocks that are not SculptNet's.
    """
    return FitResult(
        run.folder,
        load_network(run.model).architecture,
        read_card_of(run.card, ClassifierCard),
        run.report,
        trade_offs(run.trials(lambda text: None), longer_epochs_of(run)),
        newest_check(run.events(lambda text: None)),
    )


def opened(
    verb: str,
    options: O,
    method: Method[O],
    clock: Callable[[], float],
    powercap: Path = POWERCAP,
    run: RunDirectory | None = None,
) -> Job[O]:
    """Loads the data, makes the space, opens the run directory.

    Args:
        verb: what was called.
        options: what was asked; nothing is wrong with it as far as `problems_of` tells.
        method: how to get to a network.
        clock: seconds.
        powercap: the folder of this machine's energy counters.
        run: files go there, and no run is begun.

    Raises:
        InvalidValue: what was asked does not go with the images.
        DataError: the images cannot be used as they are.
    """
    started, listener = clock(), options.listener
    limit_threads()
    options = method.asked(options)
    check_still_there(options.data, options.run_dir)
    data = load_data(options, listener)
    check_plausible(data)
    accelerator = chosen_accelerator(options.accelerator)
    resolution = options.resolution or method.resolution(options, data, accelerator)
    subject = method.subject(options, len(data.classes), resolution)
    plain = default_preprocessing(data, resolution)
    if run is None:
        run = open_run(verb, options, method, data, subject)
    preprocessing = method.preprocessing(options, plain, listener)
    for note in [*method.notes(options), *unused_crops(preprocessing, names_of(options.recipe))]:
        listener.say(note)
    return Job(
        task=Classify(),
        run=run,
        listener=listener,
        clock=clock,
        started=started,
        powercap=powercap,
        options=options,
        method=method,
        subject=subject,
        loaded=data,
        data=decoded(data, preprocessing, progress=listener.progress),
        preprocessing=preprocessing,
        device=device_of(options),
        accelerator=accelerator,
    )


def opened_search(
    options: FitOptions, method: Method[FitOptions], clock: Callable[[], float], powercap: Path = POWERCAP
) -> Job[FitOptions]:
    """A run that searches a space; raises as `opened`."""
    return opened("fit", options, method, clock, powercap)


def problems_of(options: ImageOptions, method: Method[Any]) -> list[str]:
    """Everything that is wrong with what was asked, as far as the options tell."""
    found: list[str] = []
    sound = options.sound()
    problems = target_problems(options) + raised(lambda: found.extend(method.problems(sound))) + found
    return list(dict.fromkeys(problems))


def target_problems(options: ImageOptions) -> list[str]:
    """What is wrong with numbers, data and device, whatever the method is."""
    problems, options = options.problems(), options.sound()
    if isinstance(options.data, (str, Path)):
        problems += data_problems(str(options.data), root=options.root is not None, skip_broken=options.skip_broken)
    else:
        problems += beside_a_value(options)
    return problems + raised(lambda: check_precision(device_of(options), options.precision))


def load_data(options: ImageOptions, listener: Listener) -> ImageData:
    """The data set: as it is, a folder, one of ours by name, or what a function of the user's reads."""
    given = options.data
    if isinstance(given, ImageData):
        return given
    name = str(given)
    if is_part(name):
        read = find(name, sources.BY_NAME, "data set")
        return levelled(read(Request(options.root, options.test_fraction, options.seed, listener.progress)))
    try:
        return sources.load(
            given,
            root=options.root,
            test_fraction=options.test_fraction,
            seed=options.seed,
            skip_broken=options.skip_broken,
            progress=listener.progress,
        )
    except DataError as error:
        if annotated(Path(given)):
            raise DataError(
                f"{error}\n{given} has annotations of boxes: to find objects, give `task='detect'`"
            ) from error
        raise


def open_run(
    verb: str, options: O, method: Method[O], data: ImageData, subject: Subject, folder: Path | None = None
) -> RunDirectory:
    """The run directory of what was asked, made or found; `folder`: not where the options say."""
    identity = identity_of(options, method, data, subject)
    run = run_directory(options, data.name, identity) if folder is None else RunDirectory(folder)
    if options.fresh or not run.exists():
        method.begin(options, subject, data)
    with run.locked():
        continued = run.open(RunInfo(verb, identity, to_command(options)), fresh=options.fresh)
        if isinstance(subject, SearchSpace):
            write_json(run.space, templates_of(subject))
    options.listener.opened(run.folder)
    options.listener.say(f"{'Continuing' if continued else 'Starting'} {run.folder}")
    return run


def identity_of(options: O, method: Method[O], data: ImageData, subject: Subject) -> dict[str, Any]:
    """What makes a run this run: of the data their contents, and not what their folder is called.

    Workers and comparisons may be added later, so they are no part of it.
    """
    resolution = subject.resolution if isinstance(subject, Architecture) else subject.architecture.resolution
    return {
        "data_fingerprint": data.fingerprint,
        "latency_ms": options.latency_ms,
        "device": options.device if isinstance(options.device, str) else options.device.name,
        "threads": options.threads,
        "precision": options.precision.value,
        "resolution": to_json(resolution),
        "minutes": options.minutes,
        "seed": options.seed,
        "method": plain_of(method),
        "recipe": _recipe_asked(options.recipe),
        "subject": digest(templates_of(subject)),
        **method.identity(options),
    }


def _recipe_asked(recipe: Recipe | DetectorRecipe | Mapping[str, object] | None) -> Any:
    """What the user decided of the recipe, alike whether it came as values or as texts."""
    if isinstance(recipe, Mapping):
        return {name: text_of(value) for name, value in sorted(recipe.items())}
    return None if recipe is None else to_json(recipe)
