"""What training detectors works with: photographs, the boxes it starts from, first weights, the run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from sculptnet import settings, zoo
from sculptnet.arch import Architecture, SearchSpace, to_json
from sculptnet.data.detection import BoxData, BoxPreprocessing, box_preprocessing, read_boxes
from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import InvalidValue
from sculptnet.files import digest, write_json
from sculptnet.job import BoxJob
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.listening import Listener
from sculptnet.machine_limits import memory_budget
from sculptnet.method import AnyTask, Method, Subject
from sculptnet.nets.detector_boxes import with_fitted_boxes
from sculptnet.nets.ssdlite import DetectorSettings, size_problems
from sculptnet.networks import name_of
from sculptnet.options import DetectOptions, FitOptions
from sculptnet.plain import plain_of, to_command
from sculptnet.records.card import Origin
from sculptnet.rules import raised, require
from sculptnet.runs import RunDirectory, RunInfo, read_record, write_record
from sculptnet.stages.unused import beside_a_value
from sculptnet.streams import stream_seed
from sculptnet.tasks.detect import Detect
from sculptnet.tasks.detect_network import backbone_of, beginning_of, network_problems, origin_of
from sculptnet.tasks.opening import (
    check_still_there,
    chosen_accelerator,
    device_of,
    limit_threads,
    run_directory,
    templates_of,
)
from sculptnet.zoo import Published
from sculptnet.zoo.starting import normalisation_of

MEMORY_BYTES = 1 << 29  # of decoded training photographs
FEWEST_CLASSES = 2  # that a space takes; the classifier of a backbone plays no part

O = TypeVar("O", DetectOptions, FitOptions)  # noqa: E741


@dataclass(frozen=True)
class FittedBoxes:
    """The detector's settings, fitted to the training objects.

    Attributes:
        settings: of the detector.
        met: how well its first boxes meet the training objects, see `with_fitted_boxes`; None where they were given.
    """

    settings: DetectorSettings
    met: float | None


@dataclass(frozen=True, eq=False)
class _Beginning:
    """What a run begins with.

    Attributes:
        subject: the space, or the network.
        example: a network of it.
        identity: what makes the run another one, beside what all runs have.
        first_weights, origin: as `BoxJob` has them.
        preprocessing: for those weights.
    """

    subject: Subject
    example: Architecture
    identity: Mapping[str, Any]
    preprocessing: BoxPreprocessing
    origin: Origin
    first_weights: Callable[[], Mapping[str, Tensor] | None] = lambda: None


def opened(
    options: DetectOptions, method: AnyTask, clock: Callable[[], float], powercap: Path = POWERCAP
) -> BoxJob[DetectOptions]:
    """A run that makes a detector of a network that is given: reads the photographs, fits the boxes.

    Args:
        options: what was asked; nothing is wrong with it as far as `problems_of` tells.
        method: how to get to a network.
        clock: seconds.
        powercap: the folder of this machine's energy counters.

    Raises:
        InvalidValue: what was asked does not go with the photographs.
        DataError: with everything that is wrong with the photographs.
    """
    started = clock()
    data = load_boxes(options)
    published = backbone_of(options.network)
    published = replace(published, architecture=replace(published.architecture, resolution=options.size))
    begins = beginning_of(options)

    def first_weights() -> Mapping[str, Tensor] | None:
        seed = stream_seed(options.seed, "weights/detector")
        return None if begins is False else zoo.load_published(published, pretrained=begins, seed=seed).state_dict()

    beginning = _Beginning(
        subject=published.architecture,
        example=published.architecture,
        identity={
            "network": digest(to_json(published.architecture)),
            "starting_weights": _digest_of(begins) if isinstance(begins, Path) else begins,
        },
        preprocessing=_preprocessing(options, data, published, options.listener),
        origin=origin_of(options),
        first_weights=first_weights,
    )
    return _job("detect", options, method, data, beginning, (started, clock, powercap))


def opened_search(
    options: FitOptions, method: Method[FitOptions], clock: Callable[[], float], powercap: Path = POWERCAP
) -> BoxJob[FitOptions]:
    """A run that searches a backbone, which is trained as a detector; raises as `opened`."""
    started = clock()
    assert isinstance(method, AnyTask)  # checked
    data = load_boxes(options)
    space = backbones(options, method, len(data.classes))
    first = space.canonical([[0] * len(space.decisions)])[0]
    beginning = _Beginning(
        subject=space,
        example=space.decode(first).architecture,
        identity={
            "task": Detect.name.value,
            "method": plain_of(method),
            "subject": digest(templates_of(space)),
            "size": options.size,
            **method.identity(options),
        },
        preprocessing=box_preprocessing(data.train, options.size),
        origin=replace(method.origin(options), starting_weights="drawn"),
    )
    return _job("fit", options, method, data, beginning, (started, clock, powercap))


def backbones(options: FitOptions, method: Method[FitOptions], classes: int) -> SearchSpace:
    """The space of backbones; how detectors are trained stands in the place of its recipe.

    Raises:
        InvalidValue: something in it makes no sense for a detector.
    """
    space = method.subject(replace(options, recipe=None), max(FEWEST_CLASSES, classes), options.size)
    assert isinstance(space, SearchSpace)
    problems = []
    if any(path.startswith("recipe.") for path in space.decisions):
        problems.append(
            "the space leaves recipes open, and how detectors are trained is not searched; of method fbnetv3, give "
            "`search.recipes=false`"
        )
    if not isinstance(space.architecture.resolution, int):
        problems.append("the space leaves the resolution open, and a detector's input has one size; decide it")
    require(problems, "space")
    space = replace(space, recipe=recipe_of(options).plain())
    first = space.canonical([[0] * len(space.decisions)])[0]
    try:
        settings.decided(DetectorSettings(), options.detector, "detector").on(space.decode(first).architecture, classes)
    except InvalidValue as error:
        raise InvalidValue(f"networks of the space make no detector: {error}") from error
    return space


def problems_of(options: DetectOptions) -> list[str]:
    """Everything that is wrong with what was asked, as far as the options tell."""
    found: list[str] = []
    problems = raised(lambda: found.extend(network_problems(options.sound())))
    return list(dict.fromkeys([*detector_problems(options), *problems, *found]))


def detector_problems(options: DetectOptions | FitOptions) -> list[str]:
    """What is wrong with numbers, data, device, recipe and detector, whatever its network is."""
    problems, sound = options.problems(), options.sound()
    if isinstance(options.data, BoxData):
        problems += beside_a_value(options)
    problems += [f"`size`: {problem}" for problem in size_problems(sound.size)]
    return problems + raised(
        lambda: device_of(sound),
        lambda: recipe_of(sound),
        lambda: settings.decided(DetectorSettings(), sound.detector, "detector"),
    )


def recipe_of(options: DetectOptions | FitOptions) -> DetectorRecipe:
    """The recipe, its epochs aside where the plan sets them."""
    return settings.decided(DetectorRecipe(), options.recipe, "recipe")


def load_boxes(options: DetectOptions | FitOptions) -> BoxData:
    """The photographs: as they are, or read."""
    check_still_there(options.data, options.run_dir)
    limit_threads()
    given, listener = options.data, options.listener
    if isinstance(given, BoxData):
        return given
    assert isinstance(given, (Path, str))  # checked
    return read_boxes(Path(given), test_fraction=options.test_fraction, seed=options.seed, progress=listener.progress)


def _job(
    verb: str,
    options: O,
    method: AnyTask,
    data: BoxData,
    beginning: _Beginning,
    times: tuple[float, Callable[[], float], Path],
) -> BoxJob[O]:
    started, clock, powercap = times
    accelerator = chosen_accelerator(options.accelerator)
    run = _open_run(verb, options, data, beginning)
    boxes = read_record(run.record("boxes"), FittedBoxes)
    return BoxJob(
        run=run,
        listener=options.listener,
        clock=clock,
        started=started,
        powercap=powercap,
        options=options,
        task=Detect(),
        subject=beginning.subject,
        device=device_of(options),
        accelerator=accelerator,
        method=method,
        data=data.held(memory_budget(MEMORY_BYTES)),
        preprocessing=beginning.preprocessing,
        detector_recipe=recipe_of(options),
        settings=boxes.settings,
        met=boxes.met,
        first_weights=beginning.first_weights,
        origin=beginning.origin,
    )


def _open_run(verb: str, options: DetectOptions | FitOptions, data: BoxData, beginning: _Beginning) -> RunDirectory:
    identity = {**_identity(options, data), **beginning.identity}
    run = run_directory(options, data.name, identity)
    with run.locked():
        continued = run.open(RunInfo(verb, identity, to_command(options)), fresh=options.fresh)
        options.listener.opened(run.folder)
        if isinstance(beginning.subject, SearchSpace):
            write_json(run.space, templates_of(beginning.subject))
        if not run.record("boxes").exists():
            write_record(run.record("boxes"), _fitted(options, data, beginning.example))
    options.listener.say(f"{'Continuing' if continued else 'Starting'} {run.folder}")
    return run


def _identity(options: DetectOptions | FitOptions, data: BoxData) -> dict[str, Any]:
    """What makes a run this run, whatever its network is."""
    command = to_command(options)
    return {
        "data_fingerprint": data.fingerprint,
        "latency_ms": options.latency_ms,
        "device": options.device if isinstance(options.device, str) else options.device.name,
        "threads": options.threads,
        "minutes": options.minutes,
        "seed": options.seed,
        "recipe": command.get("recipe"),
        "detector": command.get("detector"),
    }


def _digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _fitted(options: DetectOptions | FitOptions, data: BoxData, example: Architecture) -> FittedBoxes:
    """The detector's settings, with the boxes that meet the training objects best where none were given.

    They depend on the size of the input alone, not on the network.
    """
    chosen = settings.decided(DetectorSettings(), options.detector, "detector")
    plan = chosen.on(example, len(data.classes))
    if chosen.smallest is not None or chosen.largest is not None:
        return FittedBoxes(replace(chosen, smallest=plan.smallest, largest=plan.largest), None)
    parts = zip(data.train.boxes, data.train.sizes, strict=True)
    corners = [boxes.corners / np.tile(size, 2).astype(np.float32) for boxes, size in parts]
    labels = np.concatenate([boxes.labels for boxes in data.train.boxes])
    fitted, met = with_fitted_boxes(plan, np.concatenate(corners), labels, options.seed)
    return FittedBoxes(replace(chosen, smallest=fitted.smallest, largest=fitted.largest), met)


def _preprocessing(options: DetectOptions, data: BoxData, published: Published, listener: Listener) -> BoxPreprocessing:
    """Normalised as for the first weights, where somebody states it; else by the training photographs."""
    plain = box_preprocessing(data.train, options.size)
    begins = beginning_of(options)
    if begins is False:
        return plain
    known = normalisation_of(begins if isinstance(begins, Path) else None, published)
    if known is None:
        listener.say(
            f"Note: how images were normalised for the weights of {name_of(options.network)} is not recorded; the mean "
            "and standard deviation of these photographs are used"
        )
        return plain
    mean, std, source = known
    listener.say(f"Images are normalised as for the weights ({source})")
    return replace(plain, mean=mean, std=std)
