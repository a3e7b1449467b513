"""Comparisons of detectors: other backbones of the same measured latency, trained as the one that is shipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from sculptnet import zoo
from sculptnet.arch import Architecture, Candidate
from sculptnet.cost import FactoredCost
from sculptnet.data.detection import score_boxes
from sculptnet.export.detector_files import MODEL, OnnxDetector, export_detector
from sculptnet.job import BoxJob
from sculptnet.learn import rescaled
from sculptnet.nets.detector import Detector
from sculptnet.options import FitOptions
from sculptnet.records import of_kind
from sculptnet.records.card import read_card
from sculptnet.records.run_events import BoxBaselineJudged
from sculptnet.stages.baselines import RANDOM_TITLE, nearest_width, random_at, shipped_reference_ms
from sculptnet.tasks.detect_ship import drawn_photos, found_by_file, multiply_adds, timed, typical_photo
from sculptnet.words import minutes

Run: TypeAlias = BoxJob[FitOptions]
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of MobileNetV2 for photographs: 32 with its stem
NAMES = ("mobilenet_v2", "random")


def missing_detector_baselines(job: Run) -> tuple[str, ...]:
    """The comparisons that are asked for and not yet in the log of the run."""
    if not job.options.baselines:
        return ()
    done = {event.name for event in of_kind(job.events(), BoxBaselineJudged)}
    return tuple(name for name in NAMES if name not in done)


def add_detector_baselines(job: Run, cost: FactoredCost, epochs: int, each_s: float) -> None:
    """Trains and measures what is missing; each is logged when it is done."""
    target_ms = read_card(job.run.card).judged().latency_ms
    makers: Mapping[str, Callable[[], tuple[str, Architecture]]] = {
        "mobilenet_v2": lambda: _mobilenet(job, target_ms),
        "random": lambda: (RANDOM_TITLE, random_at(job, cost, target_ms)),
    }
    missing = missing_detector_baselines(job)
    job.say(f"{len(missing)} comparisons, each trained as the detector was: about {minutes(each_s * len(missing))}")
    for name in missing:
        title, architecture = makers[name]()
        job.say(f"Comparison: training a detector on {title}")
        candidate = Candidate(architecture, rescaled(job.recipe(), epochs))
        _judge(job, name, job.task.trained(job, candidate, f"baseline:{name}"))


def _mobilenet(job: Run, target_ms: float) -> tuple[str, Architecture]:
    """MobileNetV2 with the width whose measured latency as a detector is nearest to the target, and its name."""
    classes, size = job.space.architecture.num_classes, job.preprocessing.size

    def make(width: float) -> Architecture:
        return zoo.mobilenet_v2(classes, size, width=width, stem_stride=2, strides=STRIDES)

    width = nearest_width(job, make, target_ms)
    return f"mobilenet_v2 x{width:g}", make(width)


def _judge(job: Run, name: str, detector: Detector) -> None:
    """Exports, times and tests a comparison as the shipped detector was, and logs it."""
    detector.eval()
    folder, photos = job.run.folder / "baselines" / name, drawn_photos(job)
    export_detector(detector, job.preprocessing, job.data.classes, folder, photos, threads=job.options.threads)
    score = score_boxes(job.data.test, found_by_file(job, folder / MODEL), job.data.classes)
    photo = typical_photo(OnnxDetector(folder / MODEL, threads=job.options.threads), photos)
    timings, _ = timed(job, detector, folder / MODEL, photo)
    budget = read_card(job.run.card).budget
    assert budget is not None  # a search has one
    timing = timings[budget.file].at(shipped_reference_ms(job))
    job.log(
        BoxBaselineJudged(
            name=name,
            detection=score,
            latency_ms=timing.median_ms,
            low_ms=timing.low_ms,
            high_ms=timing.high_ms,
            parameters=sum(parameter.numel() for parameter in detector.parameters()),
            macs=multiply_adds(detector),
        )
    )
    job.say(f"{name}: {timing.median_ms:.3f} ms, mAP {score.ap:.1%}, mAP@0.5 {score.ap50:.1%}")
