"""Detectors trained: the one that is shipped, trials, trial steps."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
from torch import Tensor

from sculptnet.data.detection import BoxBatches, BoxSplit, evaluation_batches, score_boxes
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.errors import DataError
from sculptnet.evaluate import ByDetectorTraining
from sculptnet.job import BoxJob
from sculptnet.learn.detection import DetectorRecipe, DetectorTraining, detect, train_detector
from sculptnet.learn.machine import open_machine
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.ssdlite import SsdLite
from sculptnet.records import Event
from sculptnet.runs import FileCheckpoint
from sculptnet.stages.plan import Speed
from sculptnet.stages.speed import fastest_threads, peak_bytes
from sculptnet.stages.workers import as_workers, decoders
from sculptnet.streams import stream, stream_seed

EVALUATIONS = 12  # of the curve, at most
EVALUATION_BATCH = 8
TRIAL_STEPS = 3
FORWARD_SHARE = 0.3  # of a training step that evaluating the same photographs takes
TRIAL_MEASURE_S = 2.0  # to export and time one detector
SHIPPING_SECONDS = 40.0  # export, timing, report
HELD_OUT_SHARE = 0.2  # of the training photographs, for trials, where fewer are kept back for curves
FINAL = "final"


def first_detector(
    job: BoxJob[Any], plan: SsdLite, name: str = FINAL, weights: Mapping[str, Tensor] | None = None
) -> Detector:
    """A detector as its training starts; `weights` of a whole network, else drawn."""
    detector = Detector(plan)
    initialise_detector(detector, stream_seed(job.options.seed, f"weights/{_seeded(name)}"), weights)
    return detector


def train_in_place(job: BoxJob[Any], detector: Detector, epochs: int, name: str = FINAL) -> None:
    """Trains a detector, or goes on where an earlier call stopped; `name` keeps checkpoints and events apart."""
    monitor, recipe = job.data.monitor, job.detector_recipe.rescaled(epochs)

    def evaluate(network: Detector) -> Mapping[str, float]:
        if not monitor.num_boxes:
            return {}
        size = min(EVALUATION_BATCH, evaluation_batch_size(job.preprocessing.size))
        boxes = detect(network, evaluation_batches(monitor, job.preprocessing, size), monitor, job.accelerator)
        score = score_boxes(monitor, boxes, job.data.classes)
        return {"map": score.ap, "map50": score.ap50}

    def log(event: Event) -> None:
        job.log(replace(event, trial=name))

    train_detector(
        detector,
        recipe,
        job.batches(recipe),
        seed=stream_seed(job.options.seed, f"training/{_seeded(name)}"),
        evaluate=evaluate,
        evaluations=EVALUATIONS,
        checkpoint=job.run.checkpoint(name),
        clock=job.clock,
        log=log,
        progress=job.listener.progress,
        accelerator=job.accelerator,
    )
    detector.cpu()


def _seeded(name: str) -> str:
    return "detector" if name == FINAL else name


def trial_parts(job: BoxJob[Any]) -> tuple[BoxSplit, BoxSplit]:
    """Photographs that trials are trained on, and that they are judged by; the test is neither.

    Those that curves are drawn on judge trials where they are a fifth of both; else a fifth is set apart.

    Raises:
        DataError: there is nothing to be found in those that would judge.
    """
    train, monitor = job.data.train, job.data.monitor
    if len(monitor) < HELD_OUT_SHARE * (len(train) + len(monitor)):
        order = stream(job.options.seed, "detector.trials").permutation(len(train))
        count = max(1, round(HELD_OUT_SHARE * len(train)))
        train, monitor = train.take(np.sort(order[count:])), train.take(np.sort(order[:count]))
    if all(boxes.ignored.all() for boxes in monitor.boxes):
        raise DataError(
            f"none of the {len(monitor)} photographs that trials would be judged by has a box; more photographs, or a "
            "split `val` with boxes, are needed to search"
        )
    return train, monitor


def by_detector_training(job: BoxJob[Any]) -> ByDetectorTraining:
    """Short training of a detector, judged by photographs that were kept back."""
    train, held_out = trial_parts(job)
    return ByDetectorTraining(
        train=train,
        held_out=held_out,
        classes=job.data.classes,
        preprocessing=job.preprocessing,
        settings=job.settings,
        recipe=job.detector_recipe,
        seed=stream_seed(job.options.seed, "trials"),
        num_workers=decoders(as_workers(job.options.workers), job.num_workers()),
        accelerator=job.accelerator,
        checkpoint_in=FileCheckpoint,
    )


def measure_detector(job: BoxJob[Any], plan: SsdLite) -> Speed:
    """Times trial steps of a detector, and leaves torch with the threads that were fastest."""
    recipe = job.detector_recipe
    step_s, threads = fastest_threads(lambda: _step_seconds(job, recipe, first_detector(job, plan)))
    each_s = step_s / recipe.batch_size * FORWARD_SHARE
    judged = EVALUATIONS * len(job.data.monitor) + 2 * len(job.data.test)  # the test: as a file and in PyTorch
    held_out = max(len(job.data.monitor), round(HELD_OUT_SHARE * len(job.data.train)))
    return Speed(
        search_step_s=0.0,
        train_step_s=step_s,
        batch_size=recipe.batch_size,
        trial_measure_s=TRIAL_MEASURE_S + held_out * each_s,
        shipping_s=SHIPPING_SECONDS + judged * each_s,
        peak_bytes=peak_bytes(),
        torch_threads=threads,
    )


def _step_seconds(job: BoxJob[Any], recipe: DetectorRecipe, detector: Detector) -> float:
    """The median time of a training step, decoding included, after one that is not counted; on a copy."""
    machine, batches = open_machine(job.accelerator), job.batches(recipe)
    training = DetectorTraining(copy.deepcopy(detector), recipe, TRIAL_STEPS + 1, 0, machine)
    training.network.train()
    seconds = []
    begun = job.clock()
    for images, objects in islice(_again(batches), TRIAL_STEPS + 1):
        training.step(images, objects)
        training.check_losses()  # waits for a GPU
        now = job.clock()
        seconds.append(now - begun)
        begun = now
    return max(median(seconds[1:]), 1e-6)


def _again(batches: BoxBatches) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in range(TRIAL_STEPS + 1):
        yield from batches.epoch(epoch)
