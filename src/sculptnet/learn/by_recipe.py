"""Training by a recipe: its optimiser, schedule, loss and averaged weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from sculptnet.arch import Recipe, to_json
from sculptnet.learn.average import average_of
from sculptnet.learn.machine import Machine, evaluating
from sculptnet.learn.objective import Objective
from sculptnet.learn.optimizers import optimizer_for
from sculptnet.learn.schedules import scheduler_for
from sculptnet.learn.state import State
from sculptnet.learn.training import Training
from sculptnet.nets import set_dropout
from sculptnet.records.training_events import Epoch, TrainEpoch

Evaluate: TypeAlias = Callable[[nn.Module], Mapping[str, float]]


class RecipeTraining(Training):
    """A network, its optimiser and averaged weights.

    Args:
        network: moved to the machine's device; its dropout and drop-path rates are set from the recipe.
        recipe: decided.
        objective: the loss of a batch.
        steps_per_epoch: of every epoch.
        seed: of whatever a step draws.
        machine: what trains.
        evaluate: called after every epoch with the network in eval mode, averaged where the recipe has it.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        objective: Objective,
        steps_per_epoch: int,
        seed: int,
        machine: Machine,
        evaluate: Evaluate | None = None,
    ) -> None:
        set_dropout(network, recipe.dropout, recipe.drop_path)
        network.to(machine.device).to(memory_format=torch.channels_last)
        super().__init__(network, machine, recipe.epochs, steps_per_epoch, seed)
        self.recipe, self.objective, self.evaluate = recipe, objective, evaluate
        self.optimizer = optimizer_for(network, recipe.optimizer)
        self.scheduler = scheduler_for(self.optimizer, recipe, steps_per_epoch)
        self.average = average_of(network, recipe.ema) if recipe.ema > 0 else None
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        modules = {"network": network} | ({} if self.average is None else {"average": self.average.module})
        self.state = State(
            modules, {"optimizer": (self.optimizer, dict(network.named_parameters()))}, {"losses": self.losses}
        )

    def begin_epoch(self) -> None:
        """Puts the network in train mode, batch norms with frozen statistics aside."""
        super().begin_epoch()
        if self.recipe.frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of the optimiser."""
        self.optimizer.zero_grad()
        loss = self.backward(images, labels)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        self.machine.average([*gradients, *self.statistics, loss])
        if self.recipe.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        done = self.steps_before(self.position.epoch) + self.position.step
        self.scheduler.step_update(done)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(done + 1)
        return loss

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Adds the gradients of this process's batch to the parameters' and returns its loss, without dimensions."""
        with self.machine.autocast():
            loss = self.objective(self.network, images, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def learning_rate(self, step: int) -> float:
        """That of a step of this epoch."""
        self.scheduler.step_update(self.steps_before(self.position.epoch) + step)
        return float(self.optimizer.param_groups[0]["lr"])

    def where(self, step: int) -> str:
        """Epoch, step and learning rate."""
        return (
            f"epoch {self.position.epoch + 1} of {self.epochs}, step {step + 1} of {self.steps}, at the learning rate "
            f"{self.learning_rate(step):g}"
        )

    def remedy(self, step: int) -> str:
        """The settings of the recipe."""
        remedies = (
            "lower recipe.optimizer.learning_rate, warm up longer (recipe.schedule.warmup_epochs) or clip gradients "
            "(recipe.clip_norm)"
        )
        frozen = self.recipe.frozen_statistics
        return (
            f"learn batch norms' statistics anew (recipe.frozen_statistics=False), {remedies}" if frozen else remedies
        )

    def metrics(self) -> dict[str, float]:
        """What `evaluate` says after this epoch."""
        if self.evaluate is None:
            return {}
        network = self.average.module if self.average is not None else self.network
        with torch.no_grad(), evaluating(network):
            return {name: float(value) for name, value in self.evaluate(network).items()}

    def report(self) -> Epoch:
        """Loss, learning rate, speed and metrics."""
        position, metrics = self.position, self.metrics()
        rate = self.learning_rate(self.steps_per_epoch - 1)
        entry = {"epoch": position.epoch + 1, "loss": self.losses.mean().item(), "learning_rate": rate}
        position.curve = [*position.curve, entry | metrics]
        return TrainEpoch(
            epoch=position.epoch + 1,
            epochs=self.epochs,
            loss=entry["loss"],
            learning_rate=rate,
            seconds=position.seconds,
            images_per_second=position.images / position.seconds if position.seconds > 0 else None,
            metrics=metrics,
        )

    def finish(self) -> None:
        """Leaves the network as it is to be used: averaged, without dropout, in eval mode and the usual layout."""
        if self.average is not None:
            self.average.apply()
        set_dropout(self.network, 0.0, 0.0)
        self.network.to(memory_format=torch.contiguous_format)
        super().finish()

    def identity(self) -> dict[str, Any]:
        """Recipe, seed, steps and processes."""
        recipe = {f"recipe.{name}": value for name, value in to_json(self.recipe).items() if name != "kind"}
        counts = {"seed": self.seed, "steps_per_epoch": self.steps_per_epoch, "processes": self.machine.world}
        return recipe | counts
