"""How DNAS learns: weights and architecture parameters in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sculptnet.cost import FactoredCost
from sculptnet.learn.loop import Batch, BatchSource, whole
from sculptnet.learn.machine import Machine
from sculptnet.learn.state import State
from sculptnet.learn.training import Training
from sculptnet.nets import RelaxedSupernet, initialise
from sculptnet.nets.relaxed import LEAST_COMPARED
from sculptnet.records.search_events import SearchEpoch
from sculptnet.search.differentiable.loss import (
    cosine,
    cost_factor,
    gumbel_noise,
    loss_unit,
    mean_entropy,
    probabilities,
    sampled,
    temperature,
)
from sculptnet.streams import stream_seed


@final
@dataclass(frozen=True)
class Constants:
    """The numbers of a search; `dnas` documents them."""

    seed: int
    epochs: int
    warmup_epochs: int
    tau: float
    tau_decay: float
    alpha: float
    beta: float
    weight_learning_rate: float
    weight_momentum: float
    weight_decay: float
    theta_learning_rate: float
    theta_betas: tuple[float, float]
    theta_weight_decay: float
    branches: int | None
    label_smoothing: float


@final
@dataclass(frozen=True, eq=False)
class Alternating:
    """The batches of a search: in each epoch those for the weights, then, after warm-up, those for theta."""

    weights: BatchSource
    theta: BatchSource
    warmup_epochs: int

    @property
    def steps_per_epoch(self) -> int:
        """Those of an epoch after warm-up."""
        return self.weights.steps_per_epoch + self.theta.steps_per_epoch

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """See `BatchSource`; a source that ends early is named as `dnas` calls it."""
        first, second = self.weights.steps_per_epoch, self.theta.steps_per_epoch
        if start_step < first:
            yield from whole(self.weights, epoch, start_step, first, "weight_batches")
        if epoch >= self.warmup_epochs:
            yield from whole(self.theta, epoch, max(0, start_step - first), second, "theta_batches")


@final
class SearchTraining(Training):
    """A supernet, theta and their optimisers, and how far they are.

    Attributes:
        supernet: its weights are drawn anew and trained in place.
        theta: the architecture parameters, a vector per decision, float64, on the CPU; 0 at first. The paper does not
            say where they start; any constant gives the same probabilities, weight decay alone prefers 0.
    """

    doing = "search"
    subject = "the checkpoint belongs to another search"

    def __init__(
        self,
        supernet: RelaxedSupernet,
        factored: FactoredCost | None,
        constants: Constants,
        batches: Alternating,
        machine: Machine,
        *,
        channels_last: bool,
    ) -> None:
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        initialise(supernet, stream_seed(constants.seed, "dnas/weights"))
        supernet.to(machine.device).to(memory_format=self.layout)
        super().__init__(supernet, machine, constants.epochs, batches.steps_per_epoch, constants.seed)
        self.supernet, self.factored, self.constants = supernet, factored, constants
        self.weight_steps, self.theta_steps = batches.weights.steps_per_epoch, batches.theta.steps_per_epoch
        self.theta = {
            path: torch.zeros(len(node.options), dtype=torch.float64, requires_grad=True)
            for path, node in supernet.space.decisions.items()
        }
        self.weight_optimizer = torch.optim.SGD(
            supernet.parameters(),
            constants.weight_learning_rate,
            momentum=constants.weight_momentum,
            weight_decay=constants.weight_decay,
        )
        self.theta_optimizer = torch.optim.Adam(
            self.theta.values(),
            constants.theta_learning_rate,
            betas=constants.theta_betas,
            weight_decay=constants.theta_weight_decay,
        )
        self.statistics = [buffer for buffer in supernet.buffers() if buffer.is_floating_point()]
        self.correct = torch.zeros_like(self.losses)  # images of each step that were classified correctly
        self.images = torch.zeros(self.steps_per_epoch, dtype=torch.int64)  # of each step
        self.state = State(
            {"supernet": supernet},
            {
                "weight_optimizer": (self.weight_optimizer, dict(supernet.named_parameters())),
                "theta_optimizer": (self.theta_optimizer, self.theta),
            },
            {
                **{f"theta.{path}": vector for path, vector in self.theta.items()},
                "losses": self.losses,
                "correct": self.correct,
                "images": self.images,
            },
        )

    # ------------------------------------------------------------------ a step
    def steps_before(self, epoch: int) -> int:
        """In warm-up, epochs have no steps on theta."""
        return epoch * self.weight_steps + max(0, epoch - self.constants.warmup_epochs) * self.theta_steps

    def learns_theta(self, step: int) -> bool:
        """Whether a step of an epoch is one on theta, rather than on the weights."""
        return step >= self.weight_steps

    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of the weights' optimiser, or of theta's."""
        step = self.position.step
        learns_theta = self.learns_theta(step)
        with torch.set_grad_enabled(learns_theta):
            run, factor = self._drawn(learns_theta)
        with self.machine.autocast():
            logits = self.supernet(images, run)
            entropy = cross_entropy(logits, labels, label_smoothing=self.constants.label_smoothing)
        loss = entropy * factor.to(entropy)
        told = torch.stack([loss.detach(), (logits.argmax(1) == labels).sum().to(loss)])
        if learns_theta:
            self._move_theta(loss, told)
        else:
            self._move_weights(loss, told)
        self.correct[step], self.images[step] = told[1], len(labels)
        return told[0]

    def _drawn(self, learns_theta: bool) -> tuple[Mapping[str, Tensor], Tensor]:
        """The weights of the candidates that run in this step, and what cross-entropy is multiplied by."""
        constants, epoch, branches = self.constants, self.position.epoch, self.constants.branches
        if branches is not None and learns_theta:
            branches = max(branches, LEAST_COMPARED)
        noise = gumbel_noise(self.theta, constants.seed, epoch * self.steps_per_epoch + self.position.step)
        tau = temperature(epoch, constants.tau, constants.tau_decay)
        weights = sampled(self.theta, noise, tau, branches, self.supernet.shared)
        if self.factored is None:
            return weights.run, torch.ones(())
        cost = self.factored.expected(weights.all) * loss_unit(self.factored.name)
        return weights.run, cost_factor(cost, constants.alpha, constants.beta)

    def _move_weights(self, loss: Tensor, told: Tensor) -> None:
        done = self.position.epoch * self.weight_steps + self.position.step
        for group in self.weight_optimizer.param_groups:
            group["lr"] = self.constants.weight_learning_rate * cosine(done, self.epochs * self.weight_steps)
        self.weight_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in self.supernet.parameters() if parameter.grad is not None]
        self.machine.average([*gradients, *self.statistics, told])
        self.weight_optimizer.step()

    def _move_theta(self, loss: Tensor, told: Tensor) -> None:
        vectors = list(self.theta.values())
        gradients = torch.cat(torch.autograd.grad(loss, vectors))  # of theta alone: spares the weights' own
        there = gradients.to(self.machine.device)  # where processes exchange what they have
        self.machine.average([there, *self.statistics, told])
        parts = torch.split(there.cpu(), [len(vector) for vector in vectors])
        for vector, gradient in zip(vectors, parts, strict=True):
            vector.grad = gradient
        self.theta_optimizer.step()

    # ------------------------------------------------------------------ what it tells
    def where(self, step: int) -> str:
        """Epoch, and step of which half."""
        half = f"step {step + 1} of {self.weight_steps} on weights"
        if self.learns_theta(step):
            half = f"step {step - self.weight_steps + 1} of {self.theta_steps} on theta"
        return f"epoch {self.position.epoch + 1} of {self.epochs}, {half}"

    def remedy(self, step: int) -> str:
        """The rate to lower."""
        rate = "theta_learning_rate" if self.learns_theta(step) else "weight_learning_rate"
        return (
            f"lower {rate} (now {getattr(self.constants, rate):g}), or look for images that are not finite. What was "
            "saved before is unharmed"
        )

    def report(self) -> SearchEpoch:
        """How the epoch went; without `theta_...` while only weights are trained."""
        epoch, constants = self.position.epoch, self.constants
        chances = probabilities(self.theta)
        loss, accuracy = self._means(slice(self.weight_steps))
        event = SearchEpoch(
            epoch=epoch + 1,
            epochs=constants.epochs,
            phase="weights",
            loss=loss,
            accuracy=accuracy,
            tau=temperature(epoch, constants.tau, constants.tau_decay),
            entropy=mean_entropy(chances),
            probabilities={path: tuple(vector.tolist()) for path, vector in chances.items()},
            seconds=self.position.seconds,
        )
        if epoch >= constants.warmup_epochs:
            loss, accuracy = self._means(slice(self.weight_steps, None))
            event = replace(event, phase="architecture", theta_loss=loss, theta_accuracy=accuracy)
        if self.factored is not None:
            event = replace(event, cost=self.factored.name, expected_cost=float(self.factored.expected(chances)))
        return event

    def _means(self, steps: slice) -> tuple[float, float]:
        """The mean loss and the accuracy over the images of some steps."""
        images = self.images[steps].numpy()
        loss = np.average(self.losses[steps].double().cpu().numpy(), weights=images)
        return float(loss), self.correct[steps].sum().item() / float(images.sum())

    def identity(self) -> dict[str, Any]:
        """Constants, steps, decisions, processes, and the cost by its name and extremes."""
        extremes = [] if self.factored is None else [extreme.value for extreme in self.factored.extremes()]
        return {
            **asdict(self.constants),
            "theta_betas": list(self.constants.theta_betas),
            "channels_last": self.layout is torch.channels_last,
            "steps_per_epoch": {"weights": self.weight_steps, "theta": self.theta_steps},
            "decisions": {path: len(vector) for path, vector in self.theta.items()},
            "cost": None if self.factored is None else [self.factored.name, *extremes],
            "processes": self.machine.world,
        }
