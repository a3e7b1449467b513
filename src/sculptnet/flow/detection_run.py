"""A detector: trained, exported with its post-processing, judged on the test photographs, measured, reported."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from sculptnet.data.ahead import fewer_workers
from sculptnet.data.detection import BoxBatches, evaluation_batches, score_boxes
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.export.detector_files import load_detector
from sculptnet.files import read_json
from sculptnet.flow.context import Voice
from sculptnet.flow.detection_context import DetectionContext, open_detection
from sculptnet.flow.detection_report import report_detection
from sculptnet.flow.detection_request import DetectionRequest
from sculptnet.flow.detection_shipping import ship_detector
from sculptnet.flow.kept_plan import plan_of
from sculptnet.flow.searching import minutes
from sculptnet.flow.working_time import timed
from sculptnet.nets.detector import Detector
from sculptnet.runs import RunDirectory
from sculptnet.state import Event
from sculptnet.streams import stream_seed
from sculptnet.train.detection import DetectorRecipe, DetectorTraining, detect, train_detector
from sculptnet.train.machine import open_machine

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


@dataclass(frozen=True)
class DetectionResult:
    """A finished run.

    Attributes:
        folder: the run directory.
        card: `model/card.json`.
        report: the page.
    """

    folder: Path
    card: Mapping[str, Any]
    report: Path

    @property
    def within_budget(self) -> bool | None:
        """Whether the measured latency is within the budget; None without one."""
        within: bool | None = self.card["within_budget"]
        return within

    def detector(self) -> Detector:
        """The trained detector."""
        return load_detector(RunDirectory(self.folder).model)[0]

    def summary(self) -> str:
        """The result as people read it."""
        found, budget = self.card["detection"], self.card["budget"]
        lines = [f"mAP {found['map']:.1%}, mAP@0.5 {found['map50']:.1%} on {found['images']} test photographs"]
        lines += [
            f"  {one['name']}: AP {one['ap']:.1%}, AP@0.5 {one['ap50']:.1%} ({one['boxes']} boxes)"
            for one in found["per_class"]
            if one["ap"] is not None
        ]
        for name, timing in self.card["measured"].items():
            lines.append(f"{name:<16} {timing['latency_ms']:8.3f} ms on {self.card['device']['name']}")
        if budget is not None:
            verdict = "within" if self.within_budget else "OVER"
            lines.append(f"{budget['file']} is {verdict} the budget of {budget['at_most']:g} ms")
        lines += [f"Warning: {warning}" for warning in self.card.get("warnings", ())]
        return "\n".join([*lines, f"Model:  {RunDirectory(self.folder).model}", f"Report: {self.report}"])

    def to_json(self) -> dict[str, Any]:
        """The result as machines read it."""
        return {"run": str(self.folder), "card": self.card, "report": str(self.report)}


def run_detection(
    request: DetectionRequest, voice: Voice, clock: Callable[[], float] = time.monotonic
) -> DetectionResult:
    """Trains, exports, judges, measures and reports; what earlier calls finished is read, not done again."""
    context = open_detection(request, voice, clock)
    run = context.run
    with run.locked():
        if run.card.exists() and run.report.exists():
            return DetectionResult(run.folder, read_json(run.card), run.report)
        with timed(context, "report"):
            if not run.card.exists():
                detector, recipe = _trained(context)
                ship_detector(context, detector, recipe)
            report = report_detection(context)
        return DetectionResult(run.folder, read_json(run.card), report)


def _trained(context: DetectionContext) -> tuple[Detector, DetectorRecipe]:
    look(context)
    detector = context.first_detector()
    recipe = context.request.recipe()
    recipe = recipe.rescaled(planned(context, recipe, detector).epochs)
    monitor, classes = context.data.monitor, context.data.classes

    def evaluate(network: Detector) -> Mapping[str, float]:
        if not monitor.num_boxes:
            return {}
        size = min(EVALUATION_BATCH, evaluation_batch_size(context.preprocessing.size))
        batches = evaluation_batches(monitor, context.preprocessing, size)
        score = score_boxes(monitor, detect(network, batches, monitor, context.accelerator), classes)
        return {"map": score.ap, "map50": score.ap50}

    def log(event: Event) -> None:
        context.log({**event, "trial": "final"})

    train_detector(
        detector,
        recipe,
        context.batches(recipe),
        seed=stream_seed(context.request.seed, "training/detector"),
        evaluate=evaluate,
        evaluations=EVALUATIONS,
        checkpoint=context.run.checkpoint("final"),
        clock=context.clock,
        log=log,
        progress=context.voice.progress,
        accelerator=context.accelerator,
    )
    return detector.cpu(), recipe


def look(context: DetectionContext) -> None:
    """Prints what is in the data, and every doubt about it."""
    data, say = context.data, context.voice.say
    counts = ", ".join(
        f"{len(split)} {name} ({split.num_boxes:,} boxes)"
        for name, split in (("training", data.train), ("monitoring", data.monitor), ("test", data.test))
    )
    say(f"{data.name}: {len(data.classes)} classes ({', '.join(data.classes)}); photographs: {counts}")
    for note in data.notes:
        say(f"Note: {note}")
    fewer = fewer_workers(context.workers(), 3 * context.preprocessing.size**2)
    if fewer is not None:
        say(fewer)
    plan = context.plan
    if context.met is not None:
        say(
            f"First boxes of {plan.smallest:.0%} to {plan.largest:.0%} of the input meet the training objects with a "
            f"mean intersection over union of {context.met:.2f}"
        )
    context.log({"event": "data", "notes": list(data.notes), "dropped": list(data.dropped)})


def planned(context: DetectionContext, recipe: DetectorRecipe, detector: Detector) -> DetectionPlan:
    """The run's plan: read if it is there, else made once."""
    info = context.run.info()
    if "plan" in info:
        plan = plan_of(DetectionPlan, info["plan"])
        torch.set_num_threads(plan.torch_threads)
        return plan
    context.voice.say("Timing trial steps")
    step_s = _step_seconds(context, recipe, detector)
    epoch_s = step_s * context.batches(recipe).steps_per_epoch
    each_s = step_s / recipe.batch_size * FORWARD_SHARE
    shipping_s = SHIPPING_SECONDS + 2 * len(context.data.test) * each_s  # judged as a file and in PyTorch
    judging_s = len(context.data.monitor) * each_s
    left_s = context.request.minutes * 60 - context.elapsed_s() - shipping_s - EVALUATIONS * judging_s
    epochs = context.request.fixed_epochs() or max(1, math.floor(left_s / epoch_s))
    evaluation_s = min(EVALUATIONS, epochs) * judging_s
    seconds = {"training": epochs * epoch_s, "evaluation": evaluation_s, "shipping": shipping_s}
    plan = DetectionPlan(epochs, seconds, torch.get_num_threads())
    context.run.note("plan", asdict(plan))
    times = ", ".join(f"{name} {minutes(value)}" for name, value in seconds.items())
    context.voice.say(f"Plan: {epochs} epochs\nExpected: {minutes(sum(seconds.values()))} ({times})")
    expected_s = context.elapsed_s() + sum(seconds.values())
    if expected_s > 1.1 * 60 * context.request.minutes:
        context.voice.say(
            f"Warning: that takes {minutes(expected_s)} in all, more than the {context.request.minutes:g} minutes "
            "asked for; fewer photographs, a smaller --size or a smaller network help"
        )
    return plan


def _step_seconds(context: DetectionContext, recipe: DetectorRecipe, detector: Detector) -> float:
    """The median time of a training step, decoding included, after one that is not counted; on a copy."""
    machine, batches = open_machine(context.accelerator), context.batches(recipe)
    training = DetectorTraining(copy.deepcopy(detector), recipe, TRIAL_STEPS + 1, 0, machine)
    training.network.train()
    seconds = []
    begun = context.clock()
    for images, objects in islice(_again(batches), TRIAL_STEPS + 1):
        training.step(images, objects)
        training.check_losses()  # waits for a GPU
        now = context.clock()
        seconds.append(now - begun)
        begun = now
    return max(median(seconds[1:]), 1e-6)


def _again(batches: BoxBatches) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in range(TRIAL_STEPS + 1):
        yield from batches.epoch(epoch)
