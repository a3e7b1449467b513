"""The training of one network by a recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import nn

from sculptnet.arch import Recipe, require_decided
from sculptnet.errors import InvalidValue
from sculptnet.learn.by_recipe import Evaluate, RecipeTraining
from sculptnet.learn.loop import NOWHERE, BatchSource, Surroundings, require_images, run_training
from sculptnet.learn.machine import Machine, evaluating, open_machine
from sculptnet.learn.objective import objective_for
from sculptnet.records import Log, no_log
from sculptnet.state import Checkpoint, Progress, no_progress


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves.

    Attributes:
        network: the network that was given, in eval mode, with the averaged weights where the recipe has them.
        curve: for each epoch, `epoch` (from 1), `loss` (mean over the steps), `learning_rate` (of the last step) and
            what `evaluate` returned.
    """

    network: nn.Module
    curve: tuple[Mapping[str, float], ...]


def train_network(
    network: nn.Module,
    recipe: Recipe,
    batches: BatchSource,
    *,
    num_classes: int,
    seed: int,
    evaluate: Evaluate | None = None,
    teacher: nn.Module | None = None,
    checkpoint: Checkpoint = NOWHERE,
    checkpoint_seconds: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
    log: Log = no_log,
    progress: Progress = no_progress,
    accelerator: str = "cpu",
    precision: str = "auto",
) -> Trained:
    """Trains `network`, in place, from the weights it has.

    The result depends on the arguments alone: a training that was killed and is called again with the same arguments
    goes on from `checkpoint` and ends with the same bits (same machine, same number of threads and processes). To that
    end the global generators of python, numpy and torch are seeded for every step, and put back after it.

    Under `torchrun` or `accelerate launch`, every process calls this with its share of the images. Gradients, losses
    and batch-norm statistics are averaged over the processes after every step, so all hold the same network; each
    normalises its activations with its own batch's statistics. Process 0 alone logs, saves and tells progress.

    Args:
        network: its dropout and drop-path rates are set from the recipe, and to 0 afterwards.
        batches: what is trained on; the augmentation of the recipe is the source's part, except mixup.
        evaluate: called after every epoch with the network in eval mode (averaged weights where the recipe has
            them), without gradients; what it returns goes into the log and the curve.
        teacher: its soft labels count with the weight `recipe.distillation`; left as it is, in its old mode.
        checkpoint: saved after every epoch, whenever `checkpoint_seconds` of `clock` have passed, and when
            `progress` raises KeyboardInterrupt.
        progress: told "training", the steps done and all steps, after every step.
        accelerator, precision: see `open_machine`.

    Raises:
        TrainingDiverged: the loss is no longer finite; names epoch, step and learning rate.
        RunError: the checkpoint belongs to another training, or not all processes have it.
        InvalidValue: the recipe is a template, or `batches` are not what they say.
    """
    require_decided(recipe, "train_network")
    if recipe.distillation and teacher is None:
        raise InvalidValue(
            f"train_network: recipe.distillation is {recipe.distillation:g} and there is no teacher to learn from; "
            "give teacher=, or set distillation to 0"
        )
    require_images(batches)
    machine = open_machine(accelerator, precision)
    with machine.reproducible(), _taught_by(teacher, machine):
        objective = objective_for(recipe, num_classes, teacher)
        training = RecipeTraining(network, recipe, objective, batches.steps_per_epoch, seed, machine, evaluate)
        run_training(training, batches, Surroundings(checkpoint, checkpoint_seconds, clock, log, progress))
    return Trained(network, tuple(training.position.curve))


def _taught_by(teacher: nn.Module | None, machine: Machine) -> AbstractContextManager[None]:
    return nullcontext() if teacher is None else evaluating(teacher.to(machine.device))
