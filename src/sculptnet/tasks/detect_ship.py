"""A trained detector as files, judged with the runtime itself, timed on the device, described in its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import onnx
import torch
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import IMAGE_CHANNELS, to_json
from sculptnet.cost import cost_of
from sculptnet.data.detection import BoxData, BoxScore, evaluation_batches, score_boxes
from sculptnet.data.detection.paired import PairedMap, compare_maps
from sculptnet.data.detection.score import Detected
from sculptnet.devices import FileMemo, Timing, measure_onnx
from sculptnet.errors import DeviceError
from sculptnet.export import versions
from sculptnet.export.detector_files import MODEL, OnnxDetector, export_detector, save_detector
from sculptnet.export.detector_graph import raw_graph, timed_copy
from sculptnet.export.session import Images
from sculptnet.export.weights import WEIGHTS
from sculptnet.files import write_json
from sculptnet.job import BoxJob
from sculptnet.learn.detection import detect
from sculptnet.method import Found
from sculptnet.nets.detector import Detector
from sculptnet.records import write_record
from sculptnet.records.card import (
    BoxAgreement,
    BoxRules,
    BoxSource,
    Budget,
    ComparedBoxes,
    DetectorCard,
    DeviceFacts,
    FileFacts,
    Predicted,
)
from sculptnet.records.run_events import FileTested
from sculptnet.stages.ship import measured
from sculptnet.streams import stream

Run: TypeAlias = BoxJob[Any]
COMPARED_PHOTOS, TESTED_AT_ONCE = 8, 8
WITHOUT = "without NMS"  # the network alone: what a device that cannot drop overlaps runs


def ship_detector(job: Run, detector: Detector, found: Found) -> None:
    """Writes `model/` and its card."""
    job.say("Exporting; judging and measuring what was exported")
    detector.eval()
    folder, classes = job.run.model, job.data.classes
    save_detector(detector, classes, job.preprocessing, folder)
    write_json(folder / "recipe.json", to_json(job.detector_recipe.rescaled(found.candidate.recipe.epochs)))
    photos = drawn_photos(job)
    exported, agreement = export_detector(
        detector, job.preprocessing, classes, folder, photos, threads=job.options.threads
    )
    detected = found_by_file(job, folder / MODEL)
    score = score_boxes(job.data.test, detected, classes)
    job.log(FileTested(MODEL, detection=score))
    compared = compare_maps(job.data.test, detected, found_by_weights(job, detector), classes, job.options.seed)
    warnings = warnings_of(score, compared)
    for warning in warnings:
        job.say(f"Warning: {warning}")
    photo = typical_photo(OnnxDetector(folder / MODEL, threads=job.options.threads), photos)
    timings, loops = timed(job, detector, folder / MODEL, photo)
    card = replace(
        describe(job, detector, exported, agreement, score, timings, loops),
        predicted=predicted(found),
        compared={MODEL: ComparedBoxes(WEIGHTS, compared.difference, compared.interval)},
        warnings=tuple(warnings),
    )
    write_record(job.run.card, card)


def predicted(found: Found) -> Predicted | None:
    """What the table says of a searched detector."""
    if found.table is None:
        return None
    return Predicted(cost_of(found.table, found.candidate.architecture), found.table.reference_ms)


def drawn_photos(job: Run) -> Images:
    """Training photographs on which file and PyTorch are compared: drawn, since data may come sorted."""
    train = job.data.train
    chosen = stream(job.options.seed, "detector.compared").permutation(len(train))[:COMPARED_PHOTOS]
    photos: Images = next(evaluation_batches(train.take(chosen), job.preprocessing, COMPARED_PHOTOS)).numpy()
    return photos


def typical_photo(model: OnnxDetector, photos: Images) -> Images:
    """The one, float32 `(1, 3, size, size)`, in which the file finds the median number of boxes.

    Dropping overlaps takes as long as there is to drop, and one photograph alone may be empty or crowded.
    """
    counts = [len(model.heads(photo[None])[1]) for photo in photos]
    typical = sorted(range(len(photos)), key=lambda index: counts[index])[len(photos) // 2]
    return photos[typical : typical + 1]


def found_by_file(job: Run, model: Path) -> list[Detected]:
    """What the file finds in the test photographs, with the runtime that will run it; read once, here."""
    runtime, test = OnnxDetector(model, threads=job.options.threads), job.data.test
    found = []
    for index in range(len(test)):
        found.append(runtime.detect(test, index))
        job.listener.progress(f"testing {MODEL}", index + 1, len(test))
    return found


def found_by_weights(job: Run, detector: Detector) -> list[Detected]:
    """What PyTorch finds in them, for comparison; leaves the detector on the CPU."""
    test = job.data.test
    found = detect(detector, evaluation_batches(test, job.preprocessing, TESTED_AT_ONCE), test, job.accelerator)
    detector.cpu()
    return found


def warnings_of(score: BoxScore, compared: PairedMap) -> list[str]:
    """Whether the file is worse than the weights: by 0.1 points of mAP at least, and with its whole 95 % interval.

    The interval is that of the paired difference, see `PairedMap`. A file that finds other boxes than PyTorch in the
    compared training photographs is never written.
    """
    if not compared.worse or compared.interval is None:
        return []
    low, high = compared.interval
    return [
        f"{MODEL} is less accurate than {WEIGHTS}: mAP {score.ap:.1%} on the same {score.images:,} test photographs "
        f"against {score.ap - compared.difference:.1%}, a loss of {-100 * compared.difference:.1f} points (95 % "
        f"interval, paired: {-100 * high:.1f} to {-100 * low:.1f}). Use another version of ONNX Runtime or PyTorch, "
        "and export again"
    ]


def timed(job: Run, detector: Detector, model: Path, photo: Images) -> tuple[dict[str, Timing], dict[str, Timing]]:
    """The latency of the file and of the network alone: between other work, and in a loop.

    How long overlaps take depends on what is seen: `photo`. A device that cannot run the file is timed without it.
    """
    graphs = {MODEL: timed_copy(onnx.load(model), photo), WITHOUT: raw_graph(detector)}
    models = {name: graph.SerializeToString() for name, graph in graphs.items()}
    reference = job.reference()

    def timings(names: Sequence[str], alternate: bool) -> dict[str, Timing]:
        return measure_onnx(
            {name: models[name] for name in names},
            job.device,
            modules={WITHOUT: detector},
            reference=reference,
            alternate=alternate,
            memo=FileMemo(job.run.measurements),
            progress=job.listener.progress,
        )

    names = tuple(models)
    try:
        return timings(names, True), timings(names, False)
    except DeviceError as error:
        job.say(f"Note: the latency is that of the network {WITHOUT}, since {error}")
        return timings(names[1:], True), timings(names[1:], False)


def describe(
    job: Run,
    detector: Detector,
    exported: FileFacts,
    agreement: BoxAgreement,
    score: BoxScore,
    timings: Mapping[str, Timing],
    loops: Mapping[str, Timing],
) -> DetectorCard:
    """What is known of the detector, without the comparison with its weights."""
    request, origin = job.options, job.origin
    file = MODEL if MODEL in timings else WITHOUT
    return DetectorCard(
        name=job.run.folder.name,
        budget=None if request.latency_ms is None else Budget(at_most=request.latency_ms, file=file),
        within_budget=None if request.latency_ms is None else timings[file].median_ms <= request.latency_ms,
        measured={name: measured(timing, loops[name]) for name, timing in timings.items()},
        detection=score,
        files={MODEL: exported},
        parity={MODEL: agreement},
        macs=multiply_adds(detector),
        parameters=sum(parameter.numel() for parameter in detector.parameters()),
        detector=_rules(detector, job.met),
        classes=tuple(job.data.classes),
        preprocessing=job.preprocessing,
        data=_source(job.data),
        method=origin.method,
        network=origin.network,
        starting_weights=origin.starting_weights,
        seed=request.seed,
        device=DeviceFacts(job.device.name, job.device.describe()),
        versions=versions(),
    )


def _rules(detector: Detector, met: float | None) -> BoxRules:
    plan = detector.plan
    return BoxRules(
        num_classes=plan.num_classes,
        smallest=plan.smallest,
        largest=plan.largest,
        score_threshold=plan.score_threshold,
        overlap=plan.overlap,
        most_boxes=plan.most_boxes,
        first_boxes=len(detector.boxes),
        met=met,
    )


def _source(data: BoxData) -> BoxSource:
    return BoxSource(
        name=data.name,
        train_images=len(data.train),
        monitor_images=len(data.monitor),
        test_images=len(data.test),
        train_boxes=data.train.num_boxes,
        monitor_boxes=data.monitor.num_boxes,
        test_boxes=data.test.num_boxes,
        notes=tuple(data.notes),
        dropped=tuple(data.dropped),
        fingerprint=data.fingerprint,
    )


def multiply_adds(detector: Detector) -> int:
    """Multiply-adds of the detector's convolutions for one image; post-processing is not counted."""
    image = torch.zeros(1, IMAGE_CHANNELS, detector.plan.size, detector.plan.size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        detector(image)
    return int(counter.get_total_flops()) // 2
