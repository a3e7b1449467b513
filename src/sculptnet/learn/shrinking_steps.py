"""What one step of a supernet's training does: several networks on the images of one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate, softmax

from sculptnet.arch import Architecture
from sculptnet.errors import InvalidValue
from sculptnet.learn.by_recipe import RecipeTraining
from sculptnet.learn.machine import Machine
from sculptnet.learn.objective import Objective
from sculptnet.learn.shrinking_phases import Kind, Phase, Rule
from sculptnet.nets import ElasticSupernet, Network, set_dropout
from sculptnet.records.training_events import Epoch, SupernetEpoch
from sculptnet.streams import stream


def resized(images: Tensor, resolution: int) -> Tensor:
    """`images` `(batch, 3, size, size)` at a smaller resolution: bilinear over all pixels covered, as Pillow does it.

    One batch serves networks of all resolutions (BigNAS does the same); it comes at the largest.
    """
    if images.shape[-1] == resolution:
        return images
    return interpolate(images, (resolution, resolution), mode="bilinear", antialias=True)


class SupernetTraining(RecipeTraining):
    """The training of a supernet in one phase."""

    def __init__(
        self,
        supernet: ElasticSupernet,
        phase: Phase,
        teacher: Network | None,
        steps_per_epoch: int,
        seed: int,
        machine: Machine,
    ) -> None:
        recipe = phase.recipe
        objective = Objective(supernet.full.num_classes, recipe.label_smoothing, recipe.augmentation.mixup)
        super().__init__(supernet, recipe, objective, steps_per_epoch, seed, machine)
        self.supernet, self.phase, self.teacher = supernet, phase, teacher
        largest = phase.extreme(supernet.space, ())
        names = {*supernet.used(largest), *supernet.used(phase.extreme(supernet.space, (Kind.KERNEL,)))}
        self._trained = [parameter for name, parameter in supernet.named_parameters() if name in names]

    def report(self) -> Epoch:
        """An epoch of the phase."""
        return SupernetEpoch.of(super().report(), self.phase.name)

    def networks(self, step: int) -> list[Architecture]:
        """The networks of a step, counted from the phase's start: the same in every process."""
        phase, space, rng = self.phase, self.supernet.space, stream(self.seed, "shrink/networks", step)
        drawn = phase.draw(space, rng, phase.subnets)
        if phase.rule is Rule.SANDWICH:
            return [phase.extreme(space, ()), phase.extreme(space, tuple(Kind)), *drawn]
        return [replace(architecture, resolution=drawn[0].resolution) for architecture in drawn]

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Adds the gradients of all networks of the step; returns the mean of their losses.

        A parameter that these networks do not have, though others of the phase do, has a gradient of 0, so that
        weight decay and momentum go on, as in the published code; one that no network of the phase has is left alone.
        """
        full = self.supernet.full.resolution
        if images.shape[-2:] != (full, full):
            raise InvalidValue(
                f"batches hold images of {images.shape[-2]}x{images.shape[-1]} pixels; the space's largest resolution, "
                f"{full}, is needed: smaller ones are made of these"
            )
        targets, smoothing = labels, self.objective.label_smoothing
        if self.objective.mixup > 0:
            (images, targets), smoothing = self.objective.mixed(images, labels), 0.0

        def hard(logits: Tensor) -> Tensor:
            return cross_entropy(logits, targets, label_smoothing=smoothing)

        networks = self.networks(self.steps_before(self.position.epoch) + self.position.step)
        learn = self._sandwich if self.phase.rule is Rule.SANDWICH else self._sampled
        losses = learn(networks, images, hard)
        for parameter in self._trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return torch.stack(losses).mean()

    def _sampled(self, networks: list[Architecture], images: Tensor, hard: Callable[[Tensor], Tensor]) -> list[Tensor]:
        images = resized(images, networks[0].resolution)
        if self.teacher is None:
            return [self._learn(architecture, images, hard)[0] for architecture in networks]
        with torch.no_grad(), self.machine.autocast():
            soft = softmax(self.teacher(images).float(), dim=1)

        def both(logits: Tensor) -> Tensor:
            return hard(logits) + self.phase.distillation * cross_entropy(logits, soft)

        return [self._learn(architecture, images, both)[0] for architecture in networks]

    def _sandwich(self, networks: list[Architecture], images: Tensor, hard: Callable[[Tensor], Tensor]) -> list[Tensor]:
        largest, *others = networks
        loss, logits = self._learn(largest, resized(images, largest.resolution), hard)
        soft, losses = softmax(logits.float(), dim=1), [loss]
        set_dropout(self.supernet, 0.0, 0.0)
        for architecture in others:
            small = resized(images, architecture.resolution)
            losses.append(self._learn(architecture, small, lambda logits: cross_entropy(logits, soft))[0])
        set_dropout(self.supernet, self.recipe.dropout, self.recipe.drop_path)
        return losses

    def _learn(
        self, architecture: Architecture, images: Tensor, loss_of: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Adds the gradients of one network; returns its loss and its logits."""
        with self.machine.autocast():
            logits: Tensor = self.supernet(images, architecture)
            loss = loss_of(logits)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), logits.detach()
