"""A training in progress: what a step changes, and how it is saved and restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sculptnet.arch import Recipe, to_json
from sculptnet.errors import RunError, TrainingDiverged, collected
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.nets import set_dropout
from sculptnet.state import Event
from sculptnet.train.average import average_of
from sculptnet.train.machine import Machine, evaluating
from sculptnet.train.objective import Objective
from sculptnet.train.optimizers import optimizer_for
from sculptnet.train.schedules import scheduler_for
from sculptnet.train.snapshot import restore, tensors_of

CUDA_STEPS_BETWEEN_CHECKS = 50  # there, reading a loss waits for all the work before it


@dataclass
class Position:
    """How far a training is.

    Attributes:
        epoch: epochs done.
        step: steps done of the epoch after them.
        seconds, images: spent on and seen in these steps.
        curve: one entry per epoch done.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


class Training:
    """A network, its optimiser and averaged weights, and how far they are. `position` and `network` may be read."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        objective: Objective,
        steps_per_epoch: int,
        seed: int,
        machine: Machine,
    ) -> None:
        set_dropout(network, recipe.dropout, recipe.drop_path)
        self.network = network.to(machine.device).to(memory_format=torch.channels_last)
        self.recipe, self.objective, self.machine = recipe, objective, machine
        self.steps_per_epoch, self.seed = steps_per_epoch, seed
        self.optimizer = optimizer_for(network, recipe.optimizer)
        self.scheduler = scheduler_for(self.optimizer, recipe, steps_per_epoch)
        self.average = average_of(network, recipe.ema) if recipe.ema > 0 else None
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self.losses = torch.zeros(steps_per_epoch, device=machine.device)
        self.position = Position()
        self._checked = 0

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step of the optimiser on a batch of this process."""
        position = self.position
        self.machine.reseed(self.seed, position.epoch, position.step)
        images, labels = self.machine.place(images, labels)
        self.optimizer.zero_grad()
        loss = self.backward(images, labels)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        self.machine.average([*gradients, *self.statistics, loss])
        if self.recipe.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        done = position.epoch * self.steps_per_epoch + position.step
        self.scheduler.step_update(done)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(done + 1)
        self.losses[position.step] = loss
        position.step += 1
        position.images += len(images) * self.machine.world
        if self.machine.device.type == "cpu" or position.step % CUDA_STEPS_BETWEEN_CHECKS == 0:
            self.check_losses()

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Adds the gradients of this process's batch to the parameters' and returns its loss, without dimensions."""
        with self.machine.autocast():
            loss = self.objective(self.network, images, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def check_losses(self) -> None:
        """Looks at the losses since the last look.

        Raises:
            TrainingDiverged: one is not finite.
        """
        position = self.position
        finite = self.losses[self._checked : position.step].isfinite()
        if not finite.all():
            step = self._checked + int(finite.logical_not().nonzero()[0])
            raise TrainingDiverged(
                f"the loss is {self.losses[step].item()} in epoch {position.epoch + 1} of {self.recipe.epochs}, step "
                f"{step + 1} of {self.steps_per_epoch}, at the learning rate {self.learning_rate(step):g}; lower "
                "recipe.optimizer.learning_rate, warm up longer (recipe.schedule.warmup_epochs) or clip gradients "
                "(recipe.clip_norm)"
            )
        self._checked = position.step

    def check_weights(self) -> None:
        """Looks at what the last step made of the network.

        Raises:
            TrainingDiverged: a weight is not finite, though all losses were.
        """
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise TrainingDiverged(
                    f"after the last step {name} is not finite; lower recipe.optimizer.learning_rate or clip gradients "
                    "(recipe.clip_norm)"
                )

    def learning_rate(self, step: int) -> float:
        """That of a step of this epoch."""
        self.scheduler.step_update(self.position.epoch * self.steps_per_epoch + step)
        return float(self.optimizer.param_groups[0]["lr"])

    def end_epoch(self, evaluate: Callable[[nn.Module], Mapping[str, float]] | None) -> Event:
        """Evaluates, goes on to the next epoch and returns the event to log."""
        self.check_losses()
        if self.position.epoch + 1 == self.recipe.epochs:  # in earlier epochs the next loss tells
            self.check_weights()
        position, metrics = self.position, dict[str, float]()
        if evaluate is not None:
            network = self.average.module if self.average is not None else self.network
            with torch.no_grad(), evaluating(network):
                metrics = {name: float(value) for name, value in evaluate(network).items()}
        rate = self.learning_rate(self.steps_per_epoch - 1)
        entry = {"epoch": position.epoch + 1, "loss": self.losses.mean().item(), "learning_rate": rate}
        speed = {"seconds": position.seconds}
        if position.seconds > 0:
            speed["images_per_second"] = position.images / position.seconds
        self.position = Position(position.epoch + 1, curve=[*position.curve, entry | metrics])
        self._checked = 0
        return {"event": "train_epoch", "epochs": self.recipe.epochs, **entry, **speed, **metrics}

    def finish(self) -> None:
        """Leaves the network as it is to be used: averaged, without dropout, in eval mode and the usual layout."""
        if self.average is not None:
            self.average.apply()
        set_dropout(self.network, 0.0, 0.0)
        self.network.to(memory_format=torch.contiguous_format).eval()

    # ------------------------------------------------------------------ checkpoints
    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `Checkpoint.save` takes."""
        average = self.average.module if self.average is not None else None
        tensors = tensors_of(self.network, self.optimizer, average, self.losses)
        return tensors, {"training": self._identity(), **asdict(self.position)}

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
                "others elsewhere; give all processes the same checkpoint folder, or start anew (--fresh)"
            )

    def _restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        there, here = state["training"], self._identity()
        problems = [
            f"{name} is {there.get(name)!r}, here {here.get(name)!r}"
            for name in sorted(there.keys() | here.keys())
            if there.get(name) != here.get(name)
        ]
        if problems:
            raise RunError(
                collected(
                    problems, "the checkpoint belongs to another training; use its settings or start anew (--fresh)"
                )
            )
        average = self.average.module if self.average is not None else None
        restore(tensors, self.network, self.optimizer, average, self.losses)
        self.position = Position(**{name: value for name, value in state.items() if name != "training"})
        self._checked = self.position.step

    def _identity(self) -> dict[str, Any]:
        """What two processes that work on the same training agree in."""
        recipe = {f"recipe.{name}": value for name, value in to_json(self.recipe).items() if name != "kind"}
        counts = {"seed": self.seed, "steps_per_epoch": self.steps_per_epoch, "processes": self.machine.world}
        return recipe | counts
