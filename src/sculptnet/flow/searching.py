"""Second stage: the plan, and the search that it makes possible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from sculptnet.arch import Block, Recipe, SearchSpace
from sculptnet.cost import LatencyTable, macs
from sculptnet.data import Preprocessing, Split, TrainingBatches, subset
from sculptnet.flow.context import Context, RunContext
from sculptnet.flow.measuring import limits_beside
from sculptnet.flow.plan import FEW_STEPS, WEIGHT_SHARE, Plan, Wishes, make_plan
from sculptnet.flow.sampling import cost_of_proposals, sampling_search, wished_trials
from sculptnet.flow.speed import measure_speed
from sculptnet.search import Limit, Objective, Problem, Search
from sculptnet.streams import stream, stream_seed

PAPER_TAU_DECAY, PAPER_EPOCHS = 0.045, 90  # FBNet: tau falls by exp(-0.045) an epoch, over 90 epochs
FEW_EPOCHS = 8  # Fashion-MNIST, 2 epochs: 83.8 % with shifts and label smoothing, 88.7 % without


def make_problem(context: Context, table: LatencyTable, at_most_ms: float) -> Problem:
    """Accuracy, with at most `at_most_ms` by the table, and within the other limits."""
    limits = (Limit(table, at_most_ms), *limits_beside(context, table))
    return Problem(context.space, (Objective("top1"),), limits)


def planned(context: Context, problem: Problem) -> Plan:
    """The run's plan: read if it is there, else made once from trial steps and the minutes left."""
    info = context.run.info()
    if "plan" in info:
        plan = Plan.from_json(info["plan"])
        torch.set_num_threads(plan.torch_threads)  # another number would round differently
        return plan
    request, recipe = context.request, context.recipe()
    method, settings = request.chosen_method()
    rng = stream(request.seed, "flow/typical")
    typical = context.space.decode(problem.sample(rng, 1)[0]).architecture
    context.voice.say("Timing trial steps")
    speed = measure_speed(
        context,
        training_batches(context, context.data.train, recipe),
        branches_of(context),
        typical,
        method.supernet,
    )
    fixed = request.given()["recipe"]
    wishes = Wishes(
        search_epochs=settings.get("epochs"),
        search_warmup_epochs=settings.get("warmup_epochs"),
        epochs=recipe.epochs if "epochs" in fixed else None,
        trials=settings.get("finalists") if request.from_run is not None else wished_trials(method, settings),
        full_trials=request.full_trials,
        searches=method.supernet is not None,
        samples_branches=branches_of(context) is not None,
        run_share=run_share(branches_of(context), context.space),
        trial_cost=cost_of_proposals(problem, request.seed) if method.soft else 1.0,
        fewest_trials=2 if method.fewest is None else method.fewest(settings),
        predicts=request.from_run is not None,
        recipes=has_recipes(context.space),
    )
    plan = make_plan(request.minutes * 60 - context.elapsed_s(), speed, len(context.data.train), wishes)
    context.run.note("plan", plan.to_json())
    context.voice.say(describe_plan(plan, macs(typical)))
    _warn(context, plan, steps_of_a_candidate(plan, speed.batch_size, wishes.run_share))
    return plan


def _warn(context: Context, plan: Plan, steps: float) -> None:
    """Says what the plan is too short for."""
    request, recipe = context.request, context.recipe()
    method, _ = request.chosen_method()
    if method.supernet is not None and steps < FEW_STEPS:
        context.voice.say(
            f"Note: this search trains each candidate block in {_about(steps)}; below about {FEW_STEPS} it hardly "
            "tells blocks apart, and its draws are near random ones within the budget. More --minutes help; "
            "--method random trains finalists instead"
        )
    hindering = hindrances(recipe, context.preprocessing, request.given()["recipe"]) if plan.epochs < FEW_EPOCHS else []
    epochs = several(plan.epochs, "epoch")
    if hindering:
        context.voice.say(
            f"Note: in {epochs}, what makes training images harder costs more accuracy than it gives; for a "
            f"network to use, give more --minutes; for a quick try, {' '.join(f'--set {one}' for one in hindering)}"
        )
    if plan.epochs < FEW_EPOCHS and (method.open_recipe or request.recipe_only is not None):
        alone = "; --set space.open_recipe=false (space fbnetv3) searches the architecture alone"
        context.voice.say(
            f"Note: FBNetV3's recipes are for long trainings; in {epochs} they cost accuracy, which more "
            f"--minutes give back{'' if request.recipe_only is not None else alone}"
        )
    elif 0 < plan.trial_epochs < FEW_EPOCHS and has_recipes(context.space):
        context.voice.say(
            f"Note: trials of {several(plan.trial_epochs, 'epoch')} choose recipes for short trainings, which cost "
            f"accuracy in {epochs}; more --minutes make trials longer"
        )
    expected_s = context.elapsed_s() + sum(plan.seconds.values())
    if expected_s > 1.1 * 60 * request.minutes:
        context.voice.say(
            f"Warning: the least sensible plan takes {minutes(expected_s)} in all, measuring included, more than the "
            f"--minutes {request.minutes:g} asked for; fewer images, a lower --resolution or a narrower space "
            "(--set space.width=0.5) help"
        )


def has_recipes(space: SearchSpace) -> bool:
    """Whether candidates differ in their recipes."""
    return any(path.startswith("recipe.") for path in space.decisions)


def _about(steps: float) -> str:
    return f"about {several(round(steps), 'step')}" if steps >= 1 else "less than one step"


def run_share(branches: int | None, space: SearchSpace) -> float:
    """The part of a slot's candidates that one step of the search trains, on average."""
    counts = [len(node.options) for node in space.decisions.values() if isinstance(node.options[0], Block)]
    options = sum(counts) / max(1, len(counts))
    return 1.0 if branches is None else min(1.0, branches / max(1.0, options))


def steps_of_a_candidate(plan: Plan, batch_size: int, share: float) -> float:
    """How often the search updates the weights of one candidate block, on average; `share`: see `run_share`."""
    return WEIGHT_SHARE * plan.search_epochs * plan.search_images / batch_size * share


def hindrances(recipe: Recipe, preprocessing: Preprocessing, fixed: Mapping[str, str]) -> list[str]:
    """The settings that would switch off what pays in long trainings only, apart from those that the user `fixed`."""
    augmentation, whole = recipe.augmentation, preprocessing.resize == preprocessing.resolution
    off = {"label_smoothing": (recipe.label_smoothing, 0.0)}
    if whole:
        off["augmentation.crop_padding"] = (augmentation.crop_padding, 0.0)
    else:
        off["augmentation.crop_scale"] = (augmentation.crop_scale, 1.0)
    return [f"recipe.{name}={to:g}" for name, (now, to) in off.items() if now != to and name not in fixed]


def describe_plan(plan: Plan, typical_macs: int) -> str:
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


def several(count: int, what: str) -> str:
    """`1 epoch`, `2 epochs`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def minutes(seconds: float) -> str:
    """`2:05 h`, `3:10 min` or `12 s`."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min" if seconds >= 60 else f"{math.ceil(seconds)} s"


def branches_of(context: Context) -> int | None:
    """Candidates a slot in one search step: as set; else one on a CPU, and all, as published, with CUDA."""
    _, settings = context.request.chosen_method()
    if "branches" in settings:
        chosen: int | None = settings["branches"]
        return chosen
    return 1 if context.accelerator == "cpu" else None


def training_batches(context: RunContext, split: Split, recipe: Recipe) -> TrainingBatches:
    """Augmented batches of `split`."""
    return TrainingBatches(
        split,
        context.preprocessing,
        recipe.augmentation,
        recipe.batch_size,
        stream_seed(context.request.seed, "batches"),
        num_workers=context.workers(),
    )


def make_search(context: Context, problem: Problem, plan: Plan) -> Search:
    """The method's generator, with the settings of the user and of the plan."""
    method, settings = context.request.chosen_method()
    seed = context.request.seed
    if method.supernet is None:
        kept = context.run.predictor
        return sampling_search(method, problem, seed, settings, plan.trials, context.log, kept)
    weights_part, theta_part = context.search_parts()
    recipe = context.recipe()
    # label-preserving augmentation alone: a search sees each image a few times only
    light = replace(recipe, augmentation=replace(recipe.augmentation, mixup=0.0, randaugment_layers=0))
    share = plan.search_images / len(context.data.train)
    parts = [
        training_batches(context, _share_of(part, share, recipe.batch_size, seed), light)
        for part in (weights_part, theta_part)
    ]
    supernet = method.supernet(context.space)
    planned = {
        "epochs": plan.search_epochs,
        "warmup_epochs": plan.search_warmup_epochs,
        "tau_decay": math.exp(-PAPER_TAU_DECAY * PAPER_EPOCHS / plan.search_epochs),
        "branches": branches_of(context),
        "accelerator": context.accelerator,
    }
    return method.search(
        problem,
        seed,
        supernet=supernet,
        weight_batches=parts[0],
        theta_batches=parts[1],
        checkpoint=context.run.checkpoint("search"),
        clock=context.clock,
        log=context.log,
        progress=context.voice.progress,
        **{**planned, **settings, "draws": plan.draws},
    )


def _share_of(split: Split, share: float, at_least: int, seed: int) -> Split:
    """`share` of the images of `split`, one batch at least."""
    count = min(len(split), max(at_least, round(len(split) * share)))
    return split if count == len(split) else subset(split, count, seed)
