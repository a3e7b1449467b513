"""One given network, trained on images and shipped exactly as the flow ships what it finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch

from sculptnet import blocks
from sculptnet.arch import Recipe, classes_in
from sculptnet.cost import macs
from sculptnet.export import load_network
from sculptnet.files import read_json
from sculptnet.flow.context import Voice
from sculptnet.flow.kept_plan import plan_of
from sculptnet.flow.looking import look
from sculptnet.flow.network_context import NetworkContext, first_network, open_network_context
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.result import FitResult
from sculptnet.flow.searching import minutes, several, training_batches
from sculptnet.flow.shipping import ship
from sculptnet.flow.speed import measure_training
from sculptnet.flow.training import train_module
from sculptnet.flow.working_time import timed
from sculptnet.flow.writing import write_run_report
from sculptnet.train import rescaled


@dataclass(frozen=True)
class TrainingPlan:
    """How long the training is: made once, from trial steps and the minutes left.

    Attributes:
        epochs: as the user fixed them, or as many as fit, one at least.
        seconds: expected of `training` and `shipping`.
        peak_bytes: the most memory that was held in trial steps.
        torch_threads: with which they were fastest.
    """

    epochs: int
    seconds: Mapping[str, float]
    peak_bytes: int
    torch_threads: int


def run_network(request: NetworkRequest, voice: Voice, clock: Callable[[], float] = time.monotonic) -> FitResult:
    """Trains, exports, measures and reports; what earlier calls finished is read, not done again."""
    context = open_network_context(request, voice, clock)
    run = context.run
    with run.locked():
        if run.card.exists() and run.report.exists():
            classes = (*blocks.ALL, *classes_in(context.architecture))
            architecture = load_network(run.model, blocks=classes).architecture
            return FitResult(run.folder, architecture, read_json(run.card), run.report)
        with timed(context, "report"):
            if not run.card.exists():
                _train_and_ship(context)
            card = read_json(run.card)
            report = write_run_report(context, context.architecture, card)
        return FitResult(run.folder, context.architecture, card, report)


def _train_and_ship(context: NetworkContext) -> None:
    look(context)
    recipe = context.request.recipe(context.preprocessing.resolution)
    recipe = rescaled(recipe, planned(context, recipe).epochs)
    network = first_network(context.request, context.published)
    begins = "Fine-tuning" if context.request.fine_tunes else "Training"
    context.voice.say(f"{begins} {context.request.network}, {macs(context.architecture) / 1e6:.1f} M MACs")
    train_module(context, network, recipe, "final")
    ship(context, network, recipe)


def planned(context: NetworkContext, recipe: Recipe) -> TrainingPlan:
    """The run's plan: read if it is there, else made once."""
    info = context.run.info()
    if "plan" in info:
        plan = plan_of(TrainingPlan, info["plan"])
        torch.set_num_threads(plan.torch_threads)  # another number would round differently
        return plan
    context.voice.say("Timing trial steps")
    batches = training_batches(context, context.data.train, recipe)
    speed = measure_training(context, batches, context.architecture)
    epoch_s = speed.train_step_s * batches.steps_per_epoch
    left_s = context.request.minutes * 60 - context.elapsed_s() - speed.shipping_s
    epochs = context.request.fixed_epochs() or max(1, math.floor(left_s / epoch_s))
    seconds = {"training": epochs * epoch_s, "shipping": speed.shipping_s}
    plan = TrainingPlan(epochs, seconds, speed.peak_bytes, speed.torch_threads)
    context.run.note("plan", asdict(plan))
    tell(context, plan)
    return plan


def tell(context: NetworkContext, plan: TrainingPlan) -> None:
    """Says what will be done and how long it takes."""
    times = ", ".join(f"{name} {minutes(seconds)}" for name, seconds in plan.seconds.items())
    context.voice.say(
        f"Plan: {several(plan.epochs, 'epoch')}\nExpected: {minutes(sum(plan.seconds.values()))} ({times}); "
        f"{plan.peak_bytes / 2**30:.1f} GiB of memory in trial steps; "
        f"torch uses {several(plan.torch_threads, 'thread')}"
    )
    expected_s = context.elapsed_s() + sum(plan.seconds.values())
    if expected_s > 1.1 * 60 * context.request.minutes:
        context.voice.say(
            f"Warning: that takes {minutes(expected_s)} in all, more than the --minutes {context.request.minutes:g} "
            "asked for; fewer images, a lower --resolution or a smaller network help"
        )
