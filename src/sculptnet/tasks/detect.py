"""Detection of objects: a network becomes a detector, trained, exported with its post-processing, and judged."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import final

import torch
from torch import Tensor

from sculptnet.data.ahead import fewer_workers
from sculptnet.data.detection import BoxBatches, evaluation_batches, score_boxes
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.learn.detection import DetectorRecipe, DetectorTraining, detect, train_detector
from sculptnet.learn.machine import open_machine
from sculptnet.nets.detector import Detector
from sculptnet.records import Event
from sculptnet.records.card import DetectorCard, read_card_of
from sculptnet.records.run_events import DataSeen
from sculptnet.stages.plan import planned, warn_if_late
from sculptnet.streams import stream_seed
from sculptnet.tasks.base import Task
from sculptnet.tasks.detect_open import DetectJob
from sculptnet.tasks.detect_report import report_detection
from sculptnet.tasks.detect_result import DetectionResult
from sculptnet.tasks.detect_ship import ship_detector
from sculptnet.words import minutes

EVALUATIONS = 12  # of the curve, at most
EVALUATION_BATCH = 8
TRIAL_STEPS = 3
FORWARD_SHARE = 0.3  # of a training step that evaluating the same photographs takes
SHIPPING_SECONDS = 40.0  # export, timing, report


@dataclass(frozen=True)
class DetectionPlan:
    """How long the training is: made once, from trial steps and the minutes left.

    Attributes:
        epochs: as the user fixed them, or as many as fit, one at least.
        seconds: expected of `training`, `evaluation` and `shipping`.
        torch_threads: that torch uses; another number would round differently.
    """

    epochs: int
    seconds: Mapping[str, float]
    torch_threads: int


@final
class Detect(Task[DetectJob, DetectorRecipe, Detector, DetectionResult]):
    """Trains and ships a detector on the network of the run; what is found is how long it is trained."""

    def look(self, job: DetectJob) -> None:
        look(job)

    def find(self, job: DetectJob) -> DetectorRecipe:
        plan = planned(job, DetectionPlan, lambda: _made_plan(job))
        return job.recipe.rescaled(plan.epochs)

    def train(self, job: DetectJob, found: DetectorRecipe) -> Detector:
        detector, monitor = job.first_detector(), job.data.monitor

        def evaluate(network: Detector) -> Mapping[str, float]:
            if not monitor.num_boxes:
                return {}
            size = min(EVALUATION_BATCH, evaluation_batch_size(job.preprocessing.size))
            batches = evaluation_batches(monitor, job.preprocessing, size)
            boxes = detect(network, batches, monitor, job.accelerator)
            score = score_boxes(monitor, boxes, job.data.classes)
            return {"map": score.ap, "map50": score.ap50}

        def log(event: Event) -> None:
            job.log(replace(event, trial="final"))

        train_detector(
            detector,
            found,
            job.batches(found),
            seed=stream_seed(job.options.seed, "training/detector"),
            evaluate=evaluate,
            evaluations=EVALUATIONS,
            checkpoint=job.run.checkpoint("final"),
            clock=job.clock,
            log=log,
            progress=job.listener.progress,
            accelerator=job.accelerator,
        )
        detector.cpu()
        return detector

    def ship(self, job: DetectJob, found: DetectorRecipe, network: Detector) -> None:
        ship_detector(job, network, found)

    def searched(self, job: DetectJob) -> bool:
        return True

    def compared(self, job: DetectJob) -> bool:
        return True

    def compare(self, job: DetectJob, found: DetectorRecipe) -> None:
        """Nothing can be asked for."""

    def report(self, job: DetectJob, found: DetectorRecipe) -> Path:
        return report_detection(job)

    def result(self, job: DetectJob, found: DetectorRecipe | None) -> DetectionResult:
        return DetectionResult(job.run.folder, read_card_of(job.run.card, DetectorCard), job.run.report)


def look(job: DetectJob) -> None:
    """Prints what is in the data, and every doubt about it."""
    data, say = job.data, job.say
    counts = ", ".join(
        f"{len(split)} {name} ({split.num_boxes:,} boxes)"
        for name, split in (("training", data.train), ("monitoring", data.monitor), ("test", data.test))
    )
    say(f"{data.name}: {len(data.classes)} classes ({', '.join(data.classes)}); photographs: {counts}")
    for note in data.notes:
        say(f"Note: {note}")
    plan = job.plan
    if job.met is not None:
        say(
            f"First boxes of {plan.smallest:.0%} to {plan.largest:.0%} of the input meet the training objects with a "
            f"mean intersection over union of {job.met:.2f}"
        )
    fewer = fewer_workers(job.num_workers(), 3 * job.preprocessing.size**2)
    if fewer is not None:
        say(fewer)
    job.log(DataSeen(tuple(data.notes), dropped=tuple(data.dropped)))


def _made_plan(job: DetectJob) -> DetectionPlan:
    job.say("Timing trial steps")
    recipe, options = job.recipe, job.options
    step_s = _step_seconds(job, recipe, job.first_detector())
    epoch_s = step_s * job.batches(recipe).steps_per_epoch
    each_s = step_s / recipe.batch_size * FORWARD_SHARE
    shipping_s = SHIPPING_SECONDS + 2 * len(job.data.test) * each_s  # judged as a file and in PyTorch
    judging_s = len(job.data.monitor) * each_s
    left_s = options.minutes * 60 - job.elapsed_s() - shipping_s - EVALUATIONS * judging_s
    fixed = isinstance(options.recipe, DetectorRecipe) or "epochs" in (options.recipe or {})
    epochs = recipe.epochs if fixed else max(1, math.floor(left_s / epoch_s))
    evaluation_s = min(EVALUATIONS, epochs) * judging_s
    seconds = {"training": epochs * epoch_s, "evaluation": evaluation_s, "shipping": shipping_s}
    plan = DetectionPlan(epochs, seconds, torch.get_num_threads())
    times = ", ".join(f"{name} {minutes(value)}" for name, value in seconds.items())
    job.say(f"Plan: {epochs} epochs\nExpected: {minutes(sum(seconds.values()))} ({times})")
    warn_if_late(job, plan, options.minutes, "fewer photographs, a smaller size or a smaller network help")
    return plan


def _step_seconds(job: DetectJob, recipe: DetectorRecipe, detector: Detector) -> float:
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
