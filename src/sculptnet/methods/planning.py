"""The plan of a search whose networks are trained from scratch: made once, from trial steps and the minutes left."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeAlias

from sculptnet.arch import Architecture, Recipe, SearchSpace
from sculptnet.cost import macs
from sculptnet.data import Preprocessing, TrainingBatches
from sculptnet.job import TrialJob
from sculptnet.options import ImageOptions
from sculptnet.search import Problem
from sculptnet.stages.batches import training_batches
from sculptnet.stages.plan import SearchPlan, Speed, Wishes, make_plan, planned, warn_if_late
from sculptnet.stages.unused import names_of
from sculptnet.streams import stream
from sculptnet.words import minutes, several

FEW_EPOCHS = 8  # Fashion-MNIST, 2 epochs: 83.8 % with shifts and label smoothing, 88.7 % without
LATE_REMEDY = "fewer images, a lower `resolution` or a narrower space (`space.width=0.5`) help"

Timed: TypeAlias = Callable[[TrainingBatches, Architecture], Speed]
Notes: TypeAlias = Callable[[SearchPlan, Speed], list[str]]


def planned_search(job: TrialJob, problem: Problem, wishes: Wishes, timed: Timed, notes: Notes) -> SearchPlan:
    """The run's plan: read if it is there, else made once, told, and kept.

    Args:
        job: the run.
        problem: within its limits a typical network is drawn.
        wishes: what the method and its settings fix; what the options fix is added here.
        timed: times trial steps of the typical network, and whatever else the method trains.
        notes: what the method has to say of a plan.
    """

    def make() -> SearchPlan:
        options, recipe = job.options, job.recipe()
        typical = job.space.decode(problem.sample(stream(options.seed, "flow/typical"), 1)[0]).architecture
        job.say("Timing trial steps")
        speed = timed(training_batches(job, job.data.train, recipe), typical)
        fixed = replace(
            wishes,
            epochs=recipe.epochs if "epochs" in fixed_names(options) else None,
            full_trials=options.full_trials,
            recipes=has_recipes(job.space),
        )
        plan = make_plan(options.minutes * 60 - job.elapsed_s(), speed, len(job.data.train), fixed)
        job.say(describe_plan(plan, macs(typical)))
        for note in [*notes(plan, speed), *length_notes(job, plan)]:
            job.say(f"Note: {note}")
        warn_if_late(job, plan, options.minutes, LATE_REMEDY)
        return plan

    return planned(job, SearchPlan, make)


def fixed_names(options: ImageOptions) -> Collection[str]:
    """The fields of the recipe that the user decided, by dotted names; of a whole recipe all that plans look at."""
    if isinstance(options.recipe, Recipe):
        return ("epochs", "label_smoothing", "augmentation.crop_padding", "augmentation.crop_scale")
    return names_of(options.recipe)


def length_notes(job: TrialJob, plan: SearchPlan) -> list[str]:
    """What the trainings of a plan are too short for."""
    recipe, found = job.recipe(), []
    epochs = several(plan.epochs, "epoch")
    short = plan.epochs < FEW_EPOCHS
    hindering = hindrances(recipe, job.preprocessing, fixed_names(job.options)) if short else []
    if hindering:
        found.append(
            f"in {epochs}, what makes training images harder costs more accuracy than it gives; for a network to use, "
            f"give more `minutes`; for a quick try, {' '.join(f'`{one}`' for one in hindering)}"
        )
    if has_recipes(job.space) and short:
        found.append(
            f"FBNetV3's recipes are for long trainings; in {epochs} they cost accuracy, which more `minutes` give back"
        )
    elif has_recipes(job.space) and 0 < plan.trial_epochs < FEW_EPOCHS:
        found.append(
            f"trials of {several(plan.trial_epochs, 'epoch')} choose recipes for short trainings, which cost accuracy "
            f"in {epochs}; more `minutes` make trials longer"
        )
    return found


def has_recipes(space: SearchSpace) -> bool:
    """Whether candidates differ in their recipes."""
    return any(path.startswith("recipe.") for path in space.decisions)


def hindrances(recipe: Recipe, preprocessing: Preprocessing, fixed: Collection[str]) -> list[str]:
    """The settings that would switch off what pays in long trainings only, apart from those that the user `fixed`."""
    augmentation, whole = recipe.augmentation, preprocessing.resize == preprocessing.resolution
    off = {"label_smoothing": (recipe.label_smoothing, 0.0)}
    if whole:
        off["augmentation.crop_padding"] = (augmentation.crop_padding, 0.0)
    else:
        off["augmentation.crop_scale"] = (augmentation.crop_scale, 1.0)
    return [f"recipe.{name}={to:g}" for name, (now, to) in off.items() if now != to and name not in fixed]


def describe_plan(plan: SearchPlan, typical_macs: int) -> str:
    """The plan as people read it: what will be done, how long it takes, how much memory was held in trial steps."""
    parts = (
        [f"search {several(plan.search_epochs, 'epoch')} of {plan.search_images} images"] if plan.search_epochs else []
    )
    what = "finalist" if plan.draws > plan.trials else "trial"
    parts.append(
        f"{several(plan.trials, what)} for {several(plan.trial_epochs, 'epoch')} each"
        if plan.trial_epochs
        else "one finalist, since there is no time to compare several"
    )
    if plan.full_trials:
        parts.append(f"the best {plan.full_trials} for {several(plan.epochs, 'epoch')}")
    parts.append(f"final training {several(plan.epochs, 'epoch')}")
    times = ", ".join(f"{name} {minutes(seconds)}" for name, seconds in plan.seconds.items())
    return (
        f"Plan: {'; '.join(parts)}\nExpected: {minutes(sum(plan.seconds.values()))} ({times}); "
        f"a typical network in the budget has {typical_macs / 1e6:.1f} M MACs; "
        f"{plan.peak_bytes / 2**30:.1f} GiB of memory in trial steps; "
        f"torch uses {several(plan.torch_threads, 'thread')}"
    )
