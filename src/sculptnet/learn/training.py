"""A training in progress: what all trainings do alike, whatever they learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sculptnet.errors import RunError, TrainingDiverged, collected
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.learn.machine import Machine
from sculptnet.learn.state import State, differences
from sculptnet.records import Event

CUDA_STEPS_BETWEEN_CHECKS = 50  # there, reading a loss waits for all the work before it


@dataclass
class Position:
    """How far a training is.

    Attributes:
        epoch: epochs done.
        step: steps done of the epoch after them.
        seconds, images: spent on and seen in these steps.
        curve: what a training keeps of each epoch done.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


class Training(ABC):
    """Steps on batches, their losses, how far they are, and how all of it is saved and restored.

    A subclass brings the objective and its optimisers: `learn`, `report`, and what tells one training from another.

    Attributes:
        network: what is trained, in train mode during an epoch.
        machine: what trains.
        epochs, steps_per_epoch: how long; an epoch may have fewer steps, see `steps_before`.
        seed: of whatever a step draws.
        layout: the memory format of images.
        losses: of the steps of this epoch, float32 on the device, each averaged over processes.
        state: the tensors that steps change, `losses` among them; a subclass sets it.
        position: how far it is.
    """

    doing: ClassVar[str] = "training"  # what progress is told
    subject: ClassVar[str] = "the checkpoint belongs to another training"
    layout: torch.memory_format = torch.channels_last
    state: State

    def __init__(self, network: nn.Module, machine: Machine, epochs: int, steps_per_epoch: int, seed: int) -> None:
        self.network, self.machine = network, machine
        self.epochs, self.steps_per_epoch, self.seed = epochs, steps_per_epoch, seed
        self.losses = torch.zeros(steps_per_epoch, device=machine.device)
        self.position = Position()
        self._checked = 0

    def begin_epoch(self) -> None:
        """Puts the network in train mode."""
        self.network.train()

    # ------------------------------------------------------------------ what a subclass brings
    @abstractmethod
    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """Moves weights by a step on a batch that lies on the device; returns its loss, without dimensions.

        Gradients, batch-norm statistics and the loss are averaged over the processes.
        """

    @abstractmethod
    def report(self) -> Event:
        """The event that ends the epoch; what it keeps goes into the curve."""

    @abstractmethod
    def where(self, step: int) -> str:
        """Names a step of this epoch in an error."""

    @abstractmethod
    def remedy(self, step: int) -> str:
        """What to change where that step's loss, or what it made of the weights, is not finite."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What two processes that work on the same training agree in, as JSON."""

    def steps_before(self, epoch: int) -> int:
        """How many steps the epochs before `epoch` have."""
        return epoch * self.steps_per_epoch

    def finish(self) -> None:
        """Leaves the network as it is to be used."""
        self.network.eval()

    # ------------------------------------------------------------------ steps
    @property
    def steps(self) -> int:
        """How many steps this epoch has."""
        return self.steps_before(self.position.epoch + 1) - self.steps_before(self.position.epoch)

    def progress(self) -> tuple[str, int, int]:
        """What it does, and how many steps of how many are done."""
        done = self.steps_before(self.position.epoch) + self.position.step
        return self.doing, done, self.steps_before(self.epochs)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step on a batch of this process; global generators are afterwards as they were before."""
        position = self.position
        with self.machine.seeded(self.seed, position.epoch, position.step):
            self.losses[position.step] = self.learn(*self.machine.place(images, labels, self.layout))
        position.step += 1
        position.images += len(images) * self.machine.world
        if self.machine.device.type == "cpu" or position.step % CUDA_STEPS_BETWEEN_CHECKS == 0:
            self.check_losses()

    def check_losses(self) -> None:
        """Looks at the losses since the last look.

        Raises:
            TrainingDiverged: one is not finite.
        """
        finite = self.losses[self._checked : self.position.step].isfinite()
        if not finite.all():
            step = self._checked + int(finite.logical_not().nonzero()[0])
            raise TrainingDiverged(f"the loss is {self.losses[step].item()} in {self.where(step)}; {self.remedy(step)}")
        self._checked = self.position.step

    def check_weights(self) -> None:
        """Looks at what the last step made of the weights.

        Raises:
            TrainingDiverged: one is not finite, though all losses were.
        """
        for name in self.state.not_finite():
            raise TrainingDiverged(f"after the last step {name} is not finite; {self.remedy(self.position.step - 1)}")

    def end_epoch(self) -> Event:
        """Goes on to the next epoch and returns the event to log."""
        self.check_losses()
        position = self.position
        if position.epoch + 1 == self.epochs:  # in earlier epochs the next loss tells
            self.check_weights()
        with self.machine.seeded(self.seed, position.epoch, position.step):
            event = self.report()
        self.position = Position(position.epoch + 1, curve=position.curve)
        self._checked = 0
        return event

    # ------------------------------------------------------------------ checkpoints
    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `Checkpoint.save` takes."""
        return self.state.copied(), {"training": self.identity(), **asdict(self.position)}

    def resume(self, saved: tuple[Mapping[str, Tensor], Any] | None) -> None:
        """Goes on from what `Checkpoint.load` returned.

        Raises:
            RunError: it belongs to another training, or another process is at another step.
        """
        if saved is not None:
            with reading("the checkpoint of this training", AS_WRITTEN):
                self._restore(*saved)
        here = torch.tensor([self.position.epoch, self.position.step], device=self.machine.device) * 1.0
        mean = here.clone()
        self.machine.average([mean])
        if not torch.equal(mean, here):
            raise RunError(
                f"process {self.machine.rank} would go on at epoch {self.position.epoch}, step {self.position.step}, "
                "others elsewhere; give all processes the same checkpoint folder, or start anew (`fresh=True`)"
            )

    def _restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        if "training" not in state:
            raise RunError(f"{self.subject}, or was saved by another version; start anew (`fresh=True`)")
        problems = differences(state["training"], self.identity())
        if problems:
            raise RunError(collected(problems, f"{self.subject}; use its settings or start anew (`fresh=True`)"))
        self.state.restore(tensors)
        self.position = Position(**{name: value for name, value in state.items() if name != "training"})
        self._checked = self.position.step
