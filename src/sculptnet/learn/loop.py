"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeAlias

from torch import Tensor

from sculptnet.errors import InvalidValue
from sculptnet.learn.training import Training
from sculptnet.records import Log
from sculptnet.state import Checkpoint, NoCheckpoint, Progress, no_progress

NOWHERE = NoCheckpoint()
Batch: TypeAlias = tuple[Tensor, Tensor]


class BatchSource(Protocol):
    """The images of one process."""

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has, the same in every process."""
        ...

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from `start_step` on: images `(batch, 3, height, width)`, int64 labels `(batch,)`.

        A batch depends on its epoch and step alone, never on the batches before it.
        """
        ...


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


def run_training(training: Training, batches: BatchSource, around: Surroundings) -> None:
    """Does what is left of `training`, whose network is then ready for use.

    Raises:
        TrainingDiverged, RunError, InvalidValue: as `train_network`.
    """
    tells, clock = training.machine.rank == 0, around.clock
    training.resume(around.checkpoint.load())
    saver = _Saver(training, around.checkpoint if tells else NOWHERE, around.checkpoint_seconds, clock())
    while training.position.epoch < training.epochs:
        _epoch(training, batches, saver, clock, around.progress if tells else no_progress)
        event = training.end_epoch()
        if tells:
            around.log(event)  # before saving: a kill in between logs an epoch twice, the other order never
        saver.save(clock())
    training.finish()


def whole(source: BatchSource, epoch: int, start_step: int, steps: int, name: str = "batches") -> Iterator[Batch]:
    """The batches of an epoch from `start_step` on, up to `steps` of it.

    Raises:
        InvalidValue: there are fewer; told at their end, where `name` is what the caller calls the source.
    """
    step = start_step
    for batch in islice(source.epoch(epoch, start_step), steps - start_step):
        yield batch
        step += 1
    if step < steps:
        raise InvalidValue(f"{name}.epoch({epoch}) ended after {step} batches; {name}.steps_per_epoch says {steps}")


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
    position = training.position
    if position.step == training.steps:
        return
    training.begin_epoch()
    last = clock()
    for images, labels in whole(batches, position.epoch, position.step, training.steps):
        training.step(images, labels)
        now = clock()
        position.seconds, last = position.seconds + now - last, now
        try:
            progress(*training.progress())
        except KeyboardInterrupt:  # between two steps the state is whole
            saver.save(now)
            raise
        saver.save_if_due(now)
