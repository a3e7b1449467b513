"""From the recipe's schedule to the learning rate of every step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from sculptnet.arch import Cosine, Exponential, Recipe, Steps

if TYPE_CHECKING:
    from timm.scheduler.scheduler import Scheduler


def scheduler_for(optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> Scheduler:
    """Sets the learning rate before each step: `step_update(t)` with t = 0, 1, ... over the whole training.

    With r the optimiser's learning rate, e = `steps_per_epoch`, T = `recipe.epochs` e steps in all and
    W = round(warmup_epochs e) steps of warm-up, the rate of step t < W is r (t + 1) / (W + 1). From W on:

    - `Cosine`: r (f + (1 - f) (1 + cos(pi (t - W) / (T - W))) / 2), f = `final_fraction`.
    - `Steps`: r factor^k, k = how many milestones m have round(m e) <= t. Milestones count warm-up epochs too.
    - `Exponential`: r factor^floor(t / (every_epochs e)), counted from the start of training too.
    """
    from timm.scheduler.cosine_lr import CosineLRScheduler  # brings torchvision: seconds that not every process needs
    from timm.scheduler.multistep_lr import MultiStepLRScheduler
    from timm.scheduler.step_lr import StepLRScheduler

    schedule, rate = recipe.schedule, recipe.optimizer.learning_rate
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    first = rate / (warmup + 1)  # timm goes from here to the rate in `warmup` equal steps: no step is wasted at 0
    if isinstance(schedule, Cosine):
        # one step has the full rate in a cosine of any length; of a length of one timm warns
        length = max(2, recipe.epochs * steps_per_epoch - warmup)
        return CosineLRScheduler(
            optimizer,
            length,
            lr_min=rate * schedule.final_fraction,
            warmup_t=warmup,
            warmup_lr_init=first,
            warmup_prefix=True,
            t_in_epochs=False,
        )
    if isinstance(schedule, Steps):
        # timm lowers the rate one step before the given one
        at = [round(milestone * steps_per_epoch) + 1 for milestone in sorted(schedule.milestones)]
        return MultiStepLRScheduler(
            optimizer, at, schedule.factor, warmup, warmup_lr_init=first, warmup_prefix=False, t_in_epochs=False
        )
    period = schedule.every_epochs * steps_per_epoch
    return StepLRScheduler(
        optimizer, period, schedule.factor, warmup, warmup_lr_init=first, warmup_prefix=False, t_in_epochs=False
    )


def rescaled(recipe: Recipe, epochs: int) -> Recipe:
    """`recipe` for a training of `epochs`: warm-up, milestones and periods keep their share of the whole."""
    factor = epochs / recipe.epochs
    schedule: Cosine | Steps | Exponential = recipe.schedule
    schedule = replace(schedule, warmup_epochs=schedule.warmup_epochs * factor)
    if isinstance(schedule, Steps):
        schedule = replace(schedule, milestones=tuple(milestone * factor for milestone in schedule.milestones))
    if isinstance(schedule, Exponential):
        schedule = replace(schedule, every_epochs=schedule.every_epochs * factor)
    return replace(recipe, epochs=epochs, schedule=schedule)
