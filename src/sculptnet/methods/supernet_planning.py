"""From trial steps of a supernet to the plan of its run."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import torch
from torch import Tensor

from sculptnet.arch import Architecture, Candidate
from sculptnet.cost import macs
from sculptnet.data import subset
from sculptnet.job import FitJob
from sculptnet.learn import Phase, open_machine
from sculptnet.learn.shrinking_steps import SupernetTraining
from sculptnet.methods.planning import LATE_REMEDY
from sculptnet.methods.shrinking import Shrinking
from sculptnet.methods.supernet_learning import judge_of, new_supernet, phases_for, supernet_recipe
from sculptnet.methods.supernet_plan import SupernetPlan, SupernetSpeed, SupernetWishes, make_supernet_plan, steps_of
from sculptnet.nets import ElasticSupernet
from sculptnet.search import Job, Problem
from sculptnet.stages.batches import training_batches
from sculptnet.stages.plan import FEW_STEPS, planned, warn_if_late
from sculptnet.stages.speed import measure_training, peak_bytes
from sculptnet.streams import stream
from sculptnet.words import minutes, several

TRIAL_STEPS = 2  # of each phase, after one that is not counted
TRIAL_IMAGES = 128  # that judge one network
TRIAL_RATE = 1e-6


def supernet_planned(job: FitJob, shrinking: Shrinking, problem: Problem) -> SupernetPlan:
    """The run's plan: read if it is there, else made once from trial steps and the minutes left."""
    return planned(job, SupernetPlan, lambda: _made(job, shrinking, problem))


def _made(job: FitJob, shrinking: Shrinking, problem: Problem) -> SupernetPlan:
    rng = stream(job.options.seed, "flow/typical")
    typical = job.space.decode(problem.sample(rng, 1)[0]).architecture
    job.say("Timing trial steps")
    phases = phases_for(job, shrinking)
    parts = job.search_parts()
    wishes = SupernetWishes(
        {phase.name: phase.recipe.epochs for phase in phases},
        shrinking.epochs,
        shrinking.samples,
        shrinking.calibration_images,
        shrinking.fine_tune_epochs,
    )
    left_s = job.options.minutes * 60 - job.elapsed_s()
    plan = make_supernet_plan(left_s, measure_supernet(job, typical, phases), (len(parts[0]), len(parts[1])), wishes)
    _tell(job, plan, typical)
    return plan


def measure_supernet(job: FitJob, typical: Architecture, phases: tuple[Phase, ...]) -> SupernetSpeed:
    """Times steps of every phase, of fine-tuning `typical`, and how long it takes to judge a network."""
    recipe = supernet_recipe(job)
    weights_part, held_out = job.search_parts()
    batches = training_batches(job, weights_part, recipe)
    whole = training_batches(job, job.data.train, recipe)
    training = measure_training(job, whole, typical)
    images, labels = next(iter(batches.epoch(0)))
    supernet = new_supernet(job)
    supernet.to(job.accelerator)
    steps = {phase.name: _step_seconds(job, supernet, phase, images, labels) for phase in phases}
    supernet.eval()
    count = min(TRIAL_IMAGES, len(weights_part), len(held_out))
    judge = judge_of(job, supernet, count, subset(held_out, count, job.options.seed))
    judged = []
    for trial in range(TRIAL_STEPS):
        begun = job.clock()
        judge(Candidate(typical, recipe), Job(trial))
        judged.append(job.clock() - begun)
    return SupernetSpeed(
        steps,
        batches.batch_size,
        max(1e-9, judged[-1] / (2 * count)),
        max(1e-9, training.train_step_s * whole.steps_per_epoch),
        training.shipping_s,
        peak_bytes(),
        training.torch_threads,
    )


def _step_seconds(job: FitJob, supernet: ElasticSupernet, phase: Phase, images: Tensor, labels: Tensor) -> float:
    optimizer = replace(phase.recipe.optimizer, learning_rate=TRIAL_RATE)
    slow = replace(phase, recipe=replace(phase.recipe, optimizer=optimizer))
    teacher = supernet.subnet(supernet.full).eval() if phase.needs_teacher else None
    machine = open_machine(job.accelerator)
    training = SupernetTraining(supernet, slow, teacher, TRIAL_STEPS + 1, job.options.seed, machine)
    supernet.train()
    seconds = []
    for _ in range(TRIAL_STEPS + 1):
        begun = job.clock()
        training.step(images, labels)
        if machine.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(job.clock() - begun)
    return max(1e-9, median(seconds[1:]))


def _tell(job: FitJob, plan: SupernetPlan, typical: Architecture) -> None:
    """Says what will be done, how long it takes, and what is too little."""
    images = len(job.search_parts()[0])
    times = ", ".join(f"{name.replace('_', '-')} {minutes(seconds)}" for name, seconds in plan.seconds.items())
    job.say(
        f"Plan: supernet {_listed(plan, images)}; accuracies of {plan.samples} networks, each from "
        f"{plan.calibration_images} images for statistics and {plan.held_out_images} to judge; fine-tuning "
        f"{several(plan.fine_tune_epochs, 'epoch')}\nExpected: {minutes(sum(plan.seconds.values()))} ({times}); a "
        f"typical network in the budget has {macs(typical) / 1e6:.1f} M MACs; {plan.peak_bytes / 2**30:.1f} GiB of "
        f"memory in trial steps; torch uses {plan.torch_threads} threads"
    )
    note = few_steps(plan, job.recipe().batch_size)
    if note is not None:
        job.say(note)
    warn_if_late(job, plan, job.options.minutes, LATE_REMEDY)


def few_steps(plan: SupernetPlan, batch_size: int) -> str | None:
    """What there is to say of a training too short for a supernet, with `batch_size` images a step.

    Seen: all networks at chance after 12 steps. The limit itself is that of differentiable search's supernets.
    """
    steps = sum(plan.epochs.values()) * steps_of(plan.images, batch_size)
    if steps >= FEW_STEPS:
        return None
    return (
        f"Note: the supernet is trained in {steps} steps; with fewer than about {FEW_STEPS}, do not expect its "
        "networks to be good or to be told apart. More `minutes` help; methods fbnet and random trains what it ships "
        "from scratch"
    )


def _listed(plan: SupernetPlan, images: int) -> str:
    phases = ", ".join(f"{name} {several(count, 'epoch')}" for name, count in plan.epochs.items())
    fewer = f" (of {images:,}, others in the next)" if plan.images < images else ""
    return f"{phases} of {plan.images:,} images{fewer}"
