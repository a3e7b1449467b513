"""A trained detector as files, judged with the runtime itself, timed on the device, described in its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import IMAGE_CHANNELS, to_json
from sculptnet.data.detection import BoxScore, evaluation_batches, score_boxes
from sculptnet.data.detection.paired import PairedMap, compare_maps
from sculptnet.data.detection.score import Detected
from sculptnet.devices import FileMemo, Timing, measure_onnx
from sculptnet.devices.graphs import reference_model
from sculptnet.errors import DeviceError
from sculptnet.export import versions
from sculptnet.export.detector_files import MODEL, BoxAgreement, OnnxDetector, export_detector, save_detector
from sculptnet.export.detector_graph import raw_graph, timed_copy
from sculptnet.export.session import Images
from sculptnet.export.weights import WEIGHTS
from sculptnet.files import write_json
from sculptnet.learn.detection import DetectorRecipe, detect
from sculptnet.nets.detector import Detector
from sculptnet.stages.ship import describe_timing
from sculptnet.streams import stream
from sculptnet.tasks.detect_network import origin_of
from sculptnet.tasks.detect_open import DetectJob

COMPARED_PHOTOS, TESTED_AT_ONCE = 8, 8
WITHOUT = "without NMS"  # the network alone: what a device that cannot drop overlaps runs


def ship_detector(job: DetectJob, detector: Detector, recipe: DetectorRecipe) -> None:
    """Writes `model/` and its card."""
    job.say("Exporting; judging and measuring what was exported")
    detector.eval()
    folder, classes = job.run.model, job.data.classes
    save_detector(detector, classes, job.preprocessing, folder)
    write_json(folder / "recipe.json", to_json(recipe))
    photos = drawn_photos(job)
    exported, agreement = export_detector(
        detector, job.preprocessing, classes, folder, photos, threads=job.options.threads
    )
    found = found_by_file(job, folder / MODEL)
    score = score_boxes(job.data.test, found, classes)
    job.log({"event": "test", "file": MODEL, "detection": score.to_json()})
    compared = compare_maps(job.data.test, found, found_by_weights(job, detector), classes, job.options.seed)
    warnings = warnings_of(score, compared)
    for warning in warnings:
        job.say(f"Warning: {warning}")
    photo = typical_photo(OnnxDetector(folder / MODEL, threads=job.options.threads), photos)
    timings, loops = timed(job, detector, folder / MODEL, photo)
    card = {
        **describe(job, detector, exported, agreement, score, timings, loops),
        "compared": {MODEL: {"against": WEIGHTS, **compared.to_json()}},
        "warnings": warnings,
    }
    write_json(job.run.card, card)


def drawn_photos(job: DetectJob) -> Images:
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


def found_by_file(job: DetectJob, model: Path) -> list[Detected]:
    """What the file finds in the test photographs, with the runtime that will run it; read once, here."""
    runtime, test = OnnxDetector(model, threads=job.options.threads), job.data.test
    found = []
    for index in range(len(test)):
        found.append(runtime.detect(test, index))
        job.listener.progress(f"testing {MODEL}", index + 1, len(test))
    return found


def found_by_weights(job: DetectJob, detector: Detector) -> list[Detected]:
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


def timed(
    job: DetectJob, detector: Detector, model: Path, photo: Images
) -> tuple[dict[str, Timing], dict[str, Timing]]:
    """The latency of the file and of the network alone: between other work, and in a loop.

    How long overlaps take depends on what is seen: `photo`. A device that cannot run the file is timed without it.
    """
    graphs = {MODEL: timed_copy(onnx.load(model), photo), WITHOUT: raw_graph(detector)}
    models = {name: graph.SerializeToString() for name, graph in graphs.items()}
    reference = reference_model()

    def measured(names: Sequence[str], alternate: bool) -> dict[str, Timing]:
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
        return measured(names, True), measured(names, False)
    except DeviceError as error:
        job.say(f"Note: the latency is that of the network {WITHOUT}, since {error}")
        return measured(names[1:], True), measured(names[1:], False)


def describe(
    job: DetectJob,
    detector: Detector,
    exported: Mapping[str, Any],
    agreement: BoxAgreement,
    score: BoxScore,
    timings: Mapping[str, Timing],
    loops: Mapping[str, Timing],
) -> dict[str, Any]:
    """What is known of the detector, as plain JSON."""
    request, data = job.options, job.data
    file = MODEL if MODEL in timings else WITHOUT
    budget = None if request.latency_ms is None else {"at_most": request.latency_ms, "file": file}
    splits = (("train", data.train), ("monitor", data.monitor), ("test", data.test))
    return {
        "schema": 1,
        "kind": "detector",
        "name": job.run.folder.name,
        "budget": budget,
        "within_budget": None if request.latency_ms is None else timings[file].median_ms <= request.latency_ms,
        "measured": {name: describe_timing(timing, loops[name]) for name, timing in timings.items()},
        "detection": score.to_json(),
        "files": {MODEL: dict(exported)},
        "parity": {MODEL: agreement.to_json()},
        "macs": multiply_adds(detector),
        "parameters": sum(parameter.numel() for parameter in detector.parameters()),
        "detector": {
            **{name: value for name, value in to_json(detector.plan).items() if name not in ("kind", "backbone")},
            "first_boxes": len(detector.boxes),
            "met": job.met,
        },
        "classes": list(data.classes),
        "preprocessing": to_json(job.preprocessing),
        "data": {
            "name": data.name,
            **{f"{name}_images": len(split) for name, split in splits},
            **{f"{name}_boxes": split.num_boxes for name, split in splits},
            "notes": list(data.notes),
            "dropped": list(data.dropped),
            "fingerprint": data.fingerprint,
        },
        **origin_of(request),
        "seed": request.seed,
        "device": {"name": job.device.name, **job.device.describe()},
        "versions": versions(),
    }


def multiply_adds(detector: Detector) -> int:
    """Multiply-adds of the detector's convolutions for one image; post-processing is not counted."""
    image = torch.zeros(1, IMAGE_CHANNELS, detector.plan.size, detector.plan.size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        detector(image)
    return int(counter.get_total_flops()) // 2
