"""Training a detector: its recipe, and the loop of `train_network` around SSD's loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sculptnet.arch import AdamW, Cosine, Exponential, Recipe, RmsProp, Sgd, Steps, to_json
from sculptnet.data.detection import BoxAugmentation, BoxSplit
from sculptnet.data.detection.score import Detected
from sculptnet.errors import InvalidValue
from sculptnet.learn.by_recipe import Evaluate, RecipeTraining
from sculptnet.learn.loop import NOWHERE, BatchSource, Surroundings, require_images, run_training
from sculptnet.learn.machine import Machine, evaluating, open_machine
from sculptnet.learn.networks import Trained
from sculptnet.learn.objective import Objective
from sculptnet.learn.schedules import rescaled
from sculptnet.nets.detector import Detector
from sculptnet.records import Log, no_log
from sculptnet.state import Checkpoint, Progress, no_progress


@dataclass(frozen=True)
class DetectorRecipe:
    """How a detector is trained.

    Attributes:
        epochs: passes over the training photographs.
        batch_size: photographs per step, 2 at least.
        optimizer, schedule: as in `Recipe`; a recipe for another number of epochs keeps the shares of the schedule.
        augmentation: see its class.
        ema: decay per step of the averaged weights that are evaluated and exported; 0 switches averaging off.
        clip_norm: gradients are scaled down to this norm; 0 switches clipping off.
    """

    epochs: int = 60
    batch_size: int = 16
    optimizer: Sgd | RmsProp | AdamW = field(default_factory=lambda: AdamW(learning_rate=1e-3, weight_decay=0.01))
    schedule: Cosine | Steps | Exponential = field(default_factory=lambda: Cosine(warmup_epochs=3))
    augmentation: BoxAugmentation = field(default_factory=BoxAugmentation)
    ema: float = 0.998
    clip_norm: float = 10.0

    def __post_init__(self) -> None:
        self.plain()
        if self.batch_size < 2:
            raise InvalidValue(f"DetectorRecipe: batch_size must be at least 2, got {self.batch_size}")

    def plain(self) -> Recipe:
        """What the loop and the optimiser take of it."""
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            schedule=self.schedule,
            label_smoothing=0.0,
            ema=self.ema,
            clip_norm=self.clip_norm,
        )

    def rescaled(self, epochs: int) -> DetectorRecipe:
        """The recipe for a training of `epochs`; see `learn.rescaled`."""
        return replace(self, epochs=epochs, schedule=rescaled(self.plain(), epochs).schedule)


class DetectorTraining(RecipeTraining):
    """A detector's training in progress.

    Args:
        detector, recipe, steps_per_epoch, seed, machine: see `RecipeTraining`; one process.
        evaluate, evaluations: see `train_detector`.
    """

    def __init__(
        self,
        detector: Detector,
        recipe: DetectorRecipe,
        steps_per_epoch: int,
        seed: int,
        machine: Machine,
        evaluate: Callable[[Detector], Mapping[str, float]] | None = None,
        evaluations: int = 1,
    ) -> None:
        if machine.world > 1:
            raise InvalidValue(
                f"detectors are trained by one process, got {machine.world}; leave torchrun or accelerate launch out"
            )
        self.detector_recipe, self.every = recipe, math.ceil(recipe.epochs / evaluations)
        objective = Objective(detector.plan.num_classes)
        super().__init__(
            detector, recipe.plain(), objective, steps_per_epoch, seed, machine, cast("Evaluate | None", evaluate)
        )

    def metrics(self) -> dict[str, float]:
        """What `evaluate` says after some epochs, the last among them."""
        done = self.position.epoch + 1
        return super().metrics() if done % self.every == 0 or done == self.epochs else {}

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Adds the gradients of a batch and returns its loss; `labels` are objects as `Detector.loss` takes them."""
        detector = self.network
        assert isinstance(detector, Detector)
        with self.machine.autocast():
            heads = detector(images)
        loss = detector.loss(heads, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def identity(self) -> dict[str, Any]:
        """That of a training by a recipe, and what only detectors have."""
        detector = self.network
        assert isinstance(detector, Detector)
        own = {"augmentation": to_json(self.detector_recipe.augmentation), "detector": to_json(detector.plan)}
        return {**super().identity(), **own}


def train_detector(
    detector: Detector,
    recipe: DetectorRecipe,
    batches: BatchSource,
    *,
    seed: int,
    evaluate: Callable[[Detector], Mapping[str, float]] | None = None,
    evaluations: int = 20,
    checkpoint: Checkpoint = NOWHERE,
    checkpoint_seconds: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
    log: Log = no_log,
    progress: Progress = no_progress,
    accelerator: str = "cpu",
    precision: str = "auto",
) -> Trained:
    """Trains `detector`, in place, from the weights it has; resumes, logs and seeds as `train_network` does.

    Args:
        detector: left in eval mode, with the averaged weights where the recipe has them.
        recipe: its augmentation is the part of `batches`.
        batches: images, and objects as `Detector.loss` takes them.
        seed: of whatever a step draws.
        evaluate: called with the detector in eval mode after some epochs, the last among them.
        evaluations: how often at most.
        checkpoint, checkpoint_seconds, clock, log, progress, accelerator, precision: see `train_network`.

    Raises:
        TrainingDiverged: the loss is no longer finite.
        RunError: the checkpoint belongs to another training.
    """
    require_images(batches)
    machine = open_machine(accelerator, precision)
    with machine.reproducible():
        training = DetectorTraining(detector, recipe, batches.steps_per_epoch, seed, machine, evaluate, evaluations)
        run_training(training, batches, Surroundings(checkpoint, checkpoint_seconds, clock, log, progress))
    return Trained(detector, tuple(training.position.curve))


@torch.inference_mode()
def detect(detector: Detector, batches: Iterable[Tensor], split: BoxSplit, accelerator: str = "cpu") -> list[Detected]:
    """What `detector` finds in the photographs of `split`, in pixels of the photographs.

    The detector is moved to the accelerator and stays there; its training mode is put back.

    Args:
        detector: trained.
        batches: the photographs in order, as `evaluation_batches` gives them.
        split: for their sizes.
        accelerator: what torch computes on.
    """
    machine = open_machine(accelerator, "fp32")
    detector.to(machine.device)
    found = []
    with evaluating(detector), machine.reproducible():
        for images in batches:
            placed = images.to(machine.device, memory_format=torch.channels_last)
            found += detector.detections(detector(placed))
    results: list[Detected] = []
    for (boxes, scores, labels), size in zip(found, split.sizes, strict=True):
        scale = np.tile(size, 2).astype(np.float32) / np.float32(detector.plan.size)
        results.append((boxes.cpu().numpy() * scale, scores.cpu().numpy(), labels.cpu().numpy()))
    return results


DETECTOR_RECIPE_PARTS: tuple[type, ...] = (DetectorRecipe, BoxAugmentation)
