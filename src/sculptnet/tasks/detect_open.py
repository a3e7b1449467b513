"""What training a detector works with: photographs, the boxes it starts from, its first weights, the run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sculptnet import settings, zoo
from sculptnet.arch import to_json
from sculptnet.data.ahead import MOST_WORKERS
from sculptnet.data.detection import BoxBatches, BoxData, BoxPreprocessing, box_preprocessing, read_boxes
from sculptnet.devices import Device
from sculptnet.devices.energy import POWERCAP
from sculptnet.files import digest
from sculptnet.job import OpenRun
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.listening import Listener
from sculptnet.machine_limits import cores, memory_budget
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.detector_boxes import with_fitted_boxes
from sculptnet.nets.ssdlite import DetectorSettings, SsdLite
from sculptnet.networks import name_of
from sculptnet.options import DetectOptions
from sculptnet.plain import to_command
from sculptnet.rules import raised
from sculptnet.runs import RunDirectory, RunInfo, read_record, write_record
from sculptnet.stages.unused import beside_a_value
from sculptnet.streams import stream_seed
from sculptnet.tasks.detect_network import backbone_of, beginning_of, network_problems
from sculptnet.tasks.opening import check_still_there, chosen_accelerator, device_of, limit_threads, run_directory
from sculptnet.zoo import Published
from sculptnet.zoo.starting import normalisation_of

MEMORY_BYTES = 1 << 29  # of decoded training photographs


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
class DetectJob(OpenRun):
    """A run on photographs with boxes, opened.

    Attributes:
        options, data, preprocessing: what was asked, the photographs.
        published: the network, at the size of the input.
        recipe: how the detector is trained, its epochs aside where the plan sets them.
        plan: the detector.
        met: see `FittedBoxes`.
        device, accelerator: what it is measured on, and what torch trains on.
    """

    options: DetectOptions
    data: BoxData
    preprocessing: BoxPreprocessing
    published: Published
    recipe: DetectorRecipe
    plan: SsdLite
    met: float | None
    device: Device
    accelerator: str

    def batches(self, recipe: DetectorRecipe) -> BoxBatches:
        """The training photographs."""
        seed, train = stream_seed(self.options.seed, "detector/batches"), self.data.train
        return BoxBatches(train, self.preprocessing, recipe.augmentation, recipe.batch_size, seed, self.num_workers())

    def num_workers(self) -> int:
        """Processes that decode and augment beside a GPU, at most; a CPU is busy with training."""
        return min(MOST_WORKERS, cores()) if self.accelerator == "cuda" else 0

    def first_detector(self) -> Detector:
        """The detector as its training starts.

        Raises:
            InvalidValue: there are no such weights, or they are those of another network.
        """
        begins, seed = beginning_of(self.options), stream_seed(self.options.seed, "weights/detector")
        weights = None
        if begins is not False:
            weights = zoo.load_published(self.published, pretrained=begins, seed=seed).state_dict()
        detector = Detector(self.plan)
        initialise_detector(detector, seed, weights)
        return detector


def problems_of(options: DetectOptions) -> list[str]:
    """Everything that is wrong with what was asked, as far as the options tell."""
    found: list[str] = []
    broken, options = options.problems(), options.sound()
    problems = raised(
        lambda: device_of(options),
        lambda: found.extend(network_problems(options)),
        lambda: recipe_of(options),
        lambda: settings.decided(DetectorSettings(), options.detector, "detector"),
    )
    if isinstance(options.data, BoxData):
        found += beside_a_value(options)
    return list(dict.fromkeys(broken + problems + found))


def recipe_of(options: DetectOptions) -> DetectorRecipe:
    """The recipe, its epochs aside where the plan sets them."""
    return settings.decided(DetectorRecipe(), options.recipe, "recipe")


def opened(options: DetectOptions, clock: Callable[[], float], powercap: Path = POWERCAP) -> DetectJob:
    """Reads the photographs, fits the boxes, opens the run directory."""
    started, listener = clock(), options.listener
    check_still_there(options.data, options.run_dir)
    limit_threads()
    accelerator, data = chosen_accelerator(options.accelerator), options.data
    if not isinstance(data, BoxData):
        data = read_boxes(
            Path(data), test_fraction=options.test_fraction, seed=options.seed, progress=listener.progress
        )
    published = backbone_of(options.network)
    published = replace(published, architecture=replace(published.architecture, resolution=options.size))
    run = _open_run(options, data, published)
    boxes = read_record(run.record("boxes"), FittedBoxes)
    chosen = {name: value for name, value in asdict(boxes.settings).items() if value is not None}
    return DetectJob(
        run=run,
        listener=listener,
        clock=clock,
        started=started,
        powercap=powercap,
        options=options,
        data=data.held(memory_budget(MEMORY_BYTES)),
        preprocessing=_preprocessing(options, data, published, listener),
        published=published,
        recipe=recipe_of(options),
        plan=SsdLite(published.architecture, len(data.classes), **chosen),
        met=boxes.met,
        device=device_of(options),
        accelerator=accelerator,
    )


def _open_run(options: DetectOptions, data: BoxData, published: Published) -> RunDirectory:
    identity = _identity(options, data, published)
    run = run_directory(options, data.name, identity)
    with run.locked():
        continued = run.open(RunInfo("detect", identity, to_command(options)), fresh=options.fresh)
        options.listener.opened(run.folder)
        if not run.record("boxes").exists():
            write_record(run.record("boxes"), _fitted(options, data, published))
    options.listener.say(f"{'Continuing' if continued else 'Starting'} {run.folder}")
    return run


def _identity(options: DetectOptions, data: BoxData, published: Published) -> dict[str, Any]:
    """What makes a run this run."""
    begins, command = beginning_of(options), to_command(options)
    if isinstance(begins, Path):
        begins_as: object = hashlib.sha256(begins.read_bytes()).hexdigest()[:16]
    else:
        begins_as = begins
    return {
        "data_fingerprint": data.fingerprint,
        "network": digest(to_json(published.architecture)),
        "starting_weights": begins_as,
        "latency_ms": options.latency_ms,
        "device": options.device if isinstance(options.device, str) else options.device.name,
        "threads": options.threads,
        "minutes": options.minutes,
        "seed": options.seed,
        "recipe": command.get("recipe"),
        "detector": command.get("detector"),
    }


def _fitted(options: DetectOptions, data: BoxData, published: Published) -> FittedBoxes:
    """The detector's settings, with the boxes that meet the training objects best where none were given."""
    chosen = settings.decided(DetectorSettings(), options.detector, "detector")
    given: Mapping[str, Any] = {name: value for name, value in asdict(chosen).items() if value is not None}
    plan = SsdLite(published.architecture, len(data.classes), **given)
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
