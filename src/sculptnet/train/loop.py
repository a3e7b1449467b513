"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from torch import Tensor, nn

from sculptnet.arch import Recipe, require_decided
from sculptnet.errors import InvalidValue
from sculptnet.state import Checkpoint, Log, NoCheckpoint, Progress, no_log, no_progress
from sculptnet.train.machine import Machine, evaluating, open_machine
from sculptnet.train.objective import objective_for
from sculptnet.train.training import Training

NOWHERE = NoCheckpoint()


class BatchSource(Protocol):
    """The images of one process."""

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has, the same in every process."""
        ...

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch from `start_step` on: images `(batch, 3, height, width)`, int64 labels `(batch,)`.

        A batch depends on its epoch and step alone, never on the batches before it.
        """
        ...


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
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
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
    end the global generators of python, numpy and torch are seeded before every step.

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
        InvalidValue: the recipe is a template or distils without a teacher, or `batches` are not what they say.
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
        training = Training(network, recipe, objective, batches.steps_per_epoch, seed, machine)
        around = Surroundings(checkpoint, checkpoint_seconds, clock, log, progress)
        run_training(training, batches, around, evaluate)
    return Trained(network, tuple(training.position.curve))


def require_images(batches: BatchSource) -> None:
    """Raises `InvalidValue` if an epoch has no batch."""
    if batches.steps_per_epoch < 1:
        raise InvalidValue("batches.steps_per_epoch must be at least 1, got 0: there are no images to train on")


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where a training saves, how often by which clock, and whom it tells; see `train_network`."""

    checkpoint: Checkpoint
    checkpoint_seconds: float
    clock: Callable[[], float]
    log: Log
    progress: Progress


def run_training(
    training: Training,
    batches: BatchSource,
    around: Surroundings,
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
) -> None:
    """Does what is left of `training`, whose network is then ready for use.

    Raises:
        TrainingDiverged, RunError, InvalidValue: as `train_network`.
    """
    tells, clock = training.machine.rank == 0, around.clock
    training.resume(around.checkpoint.load())
    saver = _Saver(training, around.checkpoint if tells else NOWHERE, around.checkpoint_seconds, clock())
    while training.position.epoch < training.recipe.epochs:
        _epoch(training, batches, saver, clock, around.progress if tells else no_progress)
        event = training.end_epoch(evaluate)
        if tells:
            around.log(event)  # before saving: a kill in between logs an epoch twice, the other order never
        saver.save(clock())
    training.finish()


def _taught_by(teacher: nn.Module | None, machine: Machine) -> AbstractContextManager[None]:
    return nullcontext() if teacher is None else evaluating(teacher.to(machine.device))


@dataclass
class _Saver:
    """Saves a training when it is time."""

    training: Training
    checkpoint: Checkpoint
    seconds: float
    saved_at: float

    def save(self, now: float) -> None:
        self.training.check_losses()
        self.checkpoint.save(*self.training.snapshot())
        self.saved_at = now

    def save_if_due(self, now: float) -> None:
        if now - self.saved_at >= self.seconds:
            self.save(now)


def _epoch(
    training: Training, batches: BatchSource, saver: _Saver, clock: Callable[[], float], progress: Progress
) -> None:
    """The steps that are left of the current epoch."""
    position, steps = training.position, training.steps_per_epoch
    if position.step < steps:
        training.network.train()
        source = batches.epoch(position.epoch, position.step)
        last = clock()
        for images, labels in islice(source, steps - position.step):
            training.step(images, labels)
            now = clock()
            position.seconds, last = position.seconds + now - last, now
            try:
                progress("training", position.epoch * steps + position.step, training.recipe.epochs * steps)
            except KeyboardInterrupt:  # between two steps the state is whole
                saver.save(now)
                raise
            saver.save_if_due(now)
    if position.step < steps:
        raise InvalidValue(
            f"batches.epoch({position.epoch}) ended after {position.step} batches; batches.steps_per_epoch says {steps}"
        )
