"""How DNAS learns: weights and architecture parameters in turn, resumable after a kill at any moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Protocol, final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sculptnet.cost import FactoredCost
from sculptnet.errors import TrainingDiverged
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.nets import RelaxedSupernet, initialise
from sculptnet.nets.relaxed import LEAST_COMPARED
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
from sculptnet.search.differentiable.state import Constants, Learned, Position, position_from_json, require_same
from sculptnet.state import Checkpoint, Log, Progress
from sculptnet.streams import stream_seed


class Batches(Protocol):
    """Training images in batches that depend on the epoch and the step alone."""

    @property
    def steps_per_epoch(self) -> int: ...

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields (images, labels) of `epoch`, counted from 0, from `start_step` on."""
        ...


@final
class Training:
    """A supernet, theta and their optimisers, and how far they are."""

    def __init__(
        self,
        supernet: RelaxedSupernet,
        factored: FactoredCost | None,
        constants: Constants,
        batches: Mapping[str, Batches],
        *,
        device: torch.device,
        channels_last: bool,
    ) -> None:
        self.constants, self.factored, self.batches, self.device = constants, factored, batches, device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        initialise(supernet, stream_seed(constants.seed, "dnas/weights"))
        supernet.to(device).to(memory_format=self.memory_format).train()
        self.learned = Learned(supernet, constants)
        self.position = Position()

    # ------------------------------------------------------------------ the loop
    def run(
        self,
        checkpoint: Checkpoint,
        checkpoint_seconds: float,
        clock: Callable[[], float],
        log: Log,
        progress: Progress,
    ) -> None:
        """Does what is left: within an epoch first the weights, then, after warm-up, theta."""
        self.restore(checkpoint)
        while self.position.epoch < self.constants.epochs:
            self._finish_phase(checkpoint, checkpoint_seconds, clock, progress)
            if self.position.phase == "weights" and self.position.epoch >= self.constants.warmup_epochs:
                self.position = replace(self.position, phase="theta", step=0)
                continue
            log(self.event())
            self.position = Position(self.position.epoch + 1)
            self.save(checkpoint)

    def _finish_phase(
        self, checkpoint: Checkpoint, checkpoint_seconds: float, clock: Callable[[], float], progress: Progress
    ) -> None:
        source = self.batches[self.position.phase]
        saved = last = clock()
        for images, labels in source.epoch(self.position.epoch, self.position.step):
            loss, correct = self.step(images, labels)
            now = clock()
            self.position = self.position.stepped(len(images), loss, correct, now - last)
            last = now
            try:
                progress("search", *self.done())
            except KeyboardInterrupt:  # between two steps the state is whole
                self.save(checkpoint)
                raise
            if now - saved >= checkpoint_seconds:
                self.save(checkpoint)
                saved = clock()

    def done(self) -> tuple[int, int]:
        """Steps that are done, and all steps."""
        weights, theta = (self.batches[phase].steps_per_epoch for phase in ("weights", "theta"))
        at, warmup, epochs = self.position, self.constants.warmup_epochs, self.constants.epochs
        before = at.epoch * weights + max(0, at.epoch - warmup) * theta
        within = at.step + (weights if at.phase == "theta" else 0)
        return before + within, epochs * weights + (epochs - warmup) * theta

    # ------------------------------------------------------------------ a step
    def step(self, images: Tensor, labels: Tensor) -> tuple[float, int]:
        """One step of the phase it is in: the loss, and the number of images classified correctly."""
        constants, learns_theta = self.constants, self.position.phase == "theta"
        index = self._step_index()
        tau = temperature(self.position.epoch, constants.tau, constants.tau_decay)
        branches = constants.branches
        if branches is not None and learns_theta:
            branches = max(branches, LEAST_COMPARED)
        labels = labels.to(self.device)
        with self._own_randomness(index):
            with torch.set_grad_enabled(learns_theta):
                theta, supernet = self.learned.theta, self.learned.supernet
                noise = gumbel_noise(theta, constants.seed, index)
                weights = sampled(theta, noise, tau, branches, supernet.shared)
                factor = self._cost_factor(weights.all)
            logits = self.learned.supernet(images.to(self.device, memory_format=self.memory_format), weights.run)
            loss = cross_entropy(logits, labels, label_smoothing=constants.label_smoothing) * factor.to(logits)
            value = loss.item()
            self._require_number(value)
            if learns_theta:
                self._update_theta(loss)
            else:
                self._update_weights(loss)
        return value, int((logits.argmax(1) == labels).sum())

    def _cost_factor(self, weights: Mapping[str, Tensor]) -> Tensor:
        if self.factored is None:
            return torch.ones(())
        cost = self.factored.expected(weights) * loss_unit(self.factored.name)
        return cost_factor(cost, self.constants.alpha, self.constants.beta)

    def _update_weights(self, loss: Tensor) -> None:
        total = self.constants.epochs * self.batches["weights"].steps_per_epoch
        done = self.position.epoch * self.batches["weights"].steps_per_epoch + self.position.step
        for group in self.learned.weight_optimizer.param_groups:
            group["lr"] = self.constants.weight_learning_rate * cosine(done, total)
        self.learned.weight_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.learned.weight_optimizer.step()

    def _update_theta(self, loss: Tensor) -> None:
        gradients = torch.autograd.grad(
            loss, list(self.learned.theta.values())
        )  # of theta alone: spares the weights' own
        for vector, gradient in zip(self.learned.theta.values(), gradients, strict=True):
            vector.grad = gradient
        self.learned.theta_optimizer.step()

    def _step_index(self) -> int:
        """A number of its own for every step of the search."""
        weights, theta = (self.batches[phase].steps_per_epoch for phase in ("weights", "theta"))
        within = self.position.step + (weights if self.position.phase == "theta" else 0)
        return self.position.epoch * (weights + theta) + within

    @contextmanager
    def _own_randomness(self, index: int) -> Iterator[None]:
        """Layers that draw (dropout) depend on seed and step alone, and torch's own generators stay as they were."""
        seed = stream_seed(self.constants.seed, "dnas/layers", index)
        cuda = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else []):
            torch.default_generator.manual_seed(seed)
            if cuda:
                torch.cuda.manual_seed(seed)
            yield

    def _require_number(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        at, constants = self.position, self.constants
        rate = "theta_learning_rate" if at.phase == "theta" else "weight_learning_rate"
        raise TrainingDiverged(
            f"the search's loss is {loss} in epoch {at.epoch + 1} of {constants.epochs}, step {at.step + 1} of "
            f"{self.batches[at.phase].steps_per_epoch} on {at.phase}; lower {rate} (now {getattr(constants, rate):g}), "
            "or look for images that are not finite. What was saved before is unharmed"
        )

    # ------------------------------------------------------------------ events
    def event(self) -> dict[str, Any]:
        """What is logged after an epoch; the keys of `theta_...` are absent while only weights are trained."""
        at, constants = self.position, self.constants
        chances = probabilities(self.learned.theta)
        cost = {}
        if self.factored is not None:
            cost = {"cost": self.factored.name, "expected_cost": float(self.factored.expected(chances))}
        return {
            "event": "search_epoch",
            "epoch": at.epoch + 1,
            "epochs": constants.epochs,
            "phase": "architecture" if at.phase == "theta" else "weights",
            **at.weights.means(""),
            **(at.theta.means("theta_") if at.phase == "theta" else {}),
            "tau": temperature(at.epoch, constants.tau, constants.tau_decay),
            "entropy": mean_entropy(chances),
            **cost,
            "probabilities": {path: vector.tolist() for path, vector in chances.items()},
            "seconds": at.seconds,
        }

    # ------------------------------------------------------------------ saving
    def save(self, checkpoint: Checkpoint) -> None:
        """Everything that the rest depends on."""
        checkpoint.save(self.learned.tensors(), {"search": self._identity(), "position": asdict(self.position)})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continues where `checkpoint` was saved, if it was.

        Raises:
            RunError: another search saved it; the message says what differs.
        """
        found = checkpoint.load()
        if found is not None:
            tensors, state = found
            with reading("the checkpoint of this search", AS_WRITTEN):
                require_same(state["search"], self._identity())
                self.learned.load(tensors)
                self.position = position_from_json(state["position"])

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree in: constants, steps, decisions, and the cost by its name and extremes."""
        extremes = [] if self.factored is None else [extreme.value for extreme in self.factored.extremes()]
        return {
            **asdict(self.constants),
            "theta_betas": list(self.constants.theta_betas),
            "channels_last": self.memory_format is torch.channels_last,
            "steps_per_epoch": {phase: source.steps_per_epoch for phase, source in self.batches.items()},
            "decisions": {path: len(vector) for path, vector in self.learned.theta.items()},
            "cost": None if self.factored is None else [self.factored.name, *extremes],
        }
