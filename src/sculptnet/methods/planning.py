"""The plan of a search whose networks are trained from scratch: made once, from trial steps and the minutes left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from sculptnet.arch import Architecture
from sculptnet.cost import macs
from sculptnet.job import TrialTaskJob
from sculptnet.option_groups import NetworkGroup
from sculptnet.search import Problem
from sculptnet.stages.lengths import fixed_names, has_recipes
from sculptnet.stages.plan import (
    SearchPlan,
    Speed,
    Wishes,
    make_plan,
    most_epochs,
    note_if_early,
    planned,
    warn_if_late,
)
from sculptnet.streams import stream
from sculptnet.words import minutes, several

LATE_REMEDY = "fewer images, smaller ones or a narrower space (`space.width=0.5`) help"
GIVEN_LATE_REMEDY = "fewer images, smaller ones or a smaller network help"

Timed: TypeAlias = Callable[[Architecture], Speed]
Notes: TypeAlias = Callable[[SearchPlan, Speed], list[str]]


def planned_search(job: TrialTaskJob, problem: Problem, wishes: Wishes, timed: Timed, notes: Notes) -> SearchPlan:
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
        speed = timed(typical)
        fixed = replace(
            wishes,
            epochs=recipe.epochs if "epochs" in fixed_names(options) else None,
            full_trials=options.full_trials,
            recipes=has_recipes(job.space),
        )
        images = job.task.images(job)
        plan = make_plan(options.minutes * 60 - job.elapsed_s(), speed, images, fixed)
        network_given = isinstance(options, NetworkGroup)
        job.say(describe_plan(plan, macs(typical), network_given=network_given))
        for note in [*notes(plan, speed), *job.task.notes(job, plan)]:
            job.say(f"Note: {note}")
        warn_if_late(job, plan, options.minutes, GIVEN_LATE_REMEDY if network_given else LATE_REMEDY)
        if fixed.epochs is None and plan.epochs >= most_epochs(images // speed.batch_size):
            note_if_early(job, plan, options.minutes, plan.epochs)
        return plan

    return planned(job, SearchPlan, make)


def describe_plan(plan: SearchPlan, typical_macs: int, *, network_given: bool = False) -> str:
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
        f"{'the' if network_given else 'a typical'} network{'' if network_given else ' in the budget'} has "
        f"{typical_macs / 1e6:.1f} M MACs; "
        f"{plan.peak_bytes / 2**30:.1f} GiB of memory in trial steps; "
        f"torch uses {several(plan.torch_threads, 'thread')}"
    )
