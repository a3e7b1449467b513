"""What training a detector works with: photographs, the boxes it starts from, its first weights, the run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sculptnet import zoo
from sculptnet.arch import to_json
from sculptnet.data.ahead import MOST_WORKERS
from sculptnet.data.detection import BoxBatches, BoxData, BoxPreprocessing, box_preprocessing, read_boxes
from sculptnet.data.detection.score import require_pycocotools
from sculptnet.devices import Device, open_device
from sculptnet.flow.context import (
    OpenRun,
    Voice,
    check_still_there,
    choose_accelerator,
    digest,
    limit_threads,
    run_directory,
)
from sculptnet.flow.detection_request import DetectionRequest
from sculptnet.flow.starting import normalisation_of
from sculptnet.machine_limits import cores, memory_budget
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.detector_boxes import with_fitted_boxes
from sculptnet.nets.ssdlite import SsdLite
from sculptnet.streams import stream_seed
from sculptnet.train.detection import DetectorRecipe
from sculptnet.zoo import Published

MEMORY_BYTES = 1 << 29  # of decoded training photographs


@dataclass(frozen=True, eq=False)
class DetectionContext(OpenRun):
    """One run, opened.

    Attributes:
        request, data, preprocessing: what was asked, the photographs.
        published: the network, at the size of the input.
        plan: the detector.
        met: how well its first boxes meet the training objects, see `with_fitted_boxes`; None where they were given.
        device, accelerator: what it is measured on, and what torch trains on.
    """

    request: DetectionRequest
    data: BoxData
    preprocessing: BoxPreprocessing
    published: Published
    plan: SsdLite
    met: float | None
    device: Device
    accelerator: str

    def batches(self, recipe: DetectorRecipe) -> BoxBatches:
        """The training photographs."""
        seed, train = stream_seed(self.request.seed, "detector/batches"), self.data.train
        return BoxBatches(train, self.preprocessing, recipe.augmentation, recipe.batch_size, seed, self.workers())

    def workers(self) -> int:
        """Processes that decode and augment beside a GPU, at most; a CPU is busy with training."""
        return min(MOST_WORKERS, cores()) if self.accelerator == "cuda" else 0

    def first_detector(self) -> Detector:
        """The detector as its training starts.

        Raises:
            InvalidValue: there are no such weights, or they are those of another network.
        """
        begins, seed = self.request.beginning(), stream_seed(self.request.seed, "weights/detector")
        weights = None
        if begins is not False:
            weights = zoo.load_published(self.published, pretrained=begins, seed=seed).state_dict()
        detector = Detector(self.plan)
        initialise_detector(detector, seed, weights)
        return detector


def open_detection(request: DetectionRequest, voice: Voice, clock: Callable[[], float]) -> DetectionContext:
    """Reads the photographs, fits the boxes, opens the run directory."""
    started = clock()
    require_pycocotools()
    check_still_there(request.data, request.run_dir)
    limit_threads()
    data = read_boxes(
        Path(request.data), test_fraction=request.test_fraction, seed=request.seed, progress=voice.progress
    )
    published = request.published()
    published = replace(published, architecture=replace(published.architecture, resolution=request.size))
    identity = _identity(request, data, published)
    run = run_directory(request, data.name, identity)
    device, accelerator = open_device(request.device, request.threads), choose_accelerator(request.accelerator)
    with run.locked():
        continued = run.open(identity, request.command(), fresh=request.fresh)
        voice.opened(run.folder)
        if "boxes" not in run.info():
            run.note("boxes", _fitted(request, data, published))
    voice.say(f"{'Continuing' if continued else 'Starting'} {run.folder}")
    boxes = run.info()["boxes"]
    plan = SsdLite(published.architecture, len(data.classes), **boxes["settings"])
    return DetectionContext(
        request=request,
        run=run,
        data=data.held(memory_budget(MEMORY_BYTES)),
        preprocessing=_preprocessing(request, data, published, voice),
        published=published,
        plan=plan,
        met=boxes["met"],
        device=device,
        accelerator=accelerator,
        voice=voice,
        clock=clock,
        started=started,
    )


def _identity(request: DetectionRequest, data: BoxData, published: Published) -> dict[str, Any]:
    """What makes a run this run."""
    begins = request.beginning()
    if isinstance(begins, Path):
        begins_as: object = hashlib.sha256(begins.read_bytes()).hexdigest()[:16]
    else:
        begins_as = begins
    return {
        "data_fingerprint": data.fingerprint,
        "detector": digest(to_json(published.architecture)),
        "starting_weights": begins_as,
        "latency_ms": request.latency_ms,
        "device": request.device,
        "threads": request.threads,
        "precision": "fp32",
        "minutes": request.minutes,
        "seed": request.seed,
        "settings": sorted(request.settings),
    }


def _fitted(request: DetectionRequest, data: BoxData, published: Published) -> dict[str, Any]:
    """The detector's settings, with the boxes that meet the training objects best where none were given."""
    given = {name: value for name, value in asdict(request.chosen()).items() if value is not None}
    plan = SsdLite(published.architecture, len(data.classes), **given)
    if "smallest" in given or "largest" in given:
        fitted, met = plan, None
    else:
        parts = zip(data.train.boxes, data.train.sizes, strict=True)
        corners = [boxes.corners / np.tile(size, 2).astype(np.float32) for boxes, size in parts]
        labels = np.concatenate([boxes.labels for boxes in data.train.boxes])
        fitted, met = with_fitted_boxes(plan, np.concatenate(corners), labels, request.seed)
    return {"settings": {**given, "smallest": fitted.smallest, "largest": fitted.largest}, "met": met}


def _preprocessing(request: DetectionRequest, data: BoxData, published: Published, voice: Voice) -> BoxPreprocessing:
    """Normalised as for the first weights, where somebody states it; else by the training photographs."""
    plain = box_preprocessing(data.train, request.size)
    begins = request.beginning()
    if begins is False:
        return plain
    known = normalisation_of(begins if isinstance(begins, Path) else None, published)
    if known is None:
        voice.say(
            f"Note: how images were normalised for the weights of {request.network} is not recorded; the mean and "
            "standard deviation of these photographs are used"
        )
        return plain
    mean, std, source = known
    voice.say(f"Images are normalised as for the weights ({source})")
    return replace(plain, mean=mean, std=std)
