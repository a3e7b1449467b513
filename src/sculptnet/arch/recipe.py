"""The recipe: how a network is trained, as a value. With open values in it, the same class is a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sculptnet.arch.choice import Prefix, options_of
from sculptnet.errors import InvalidValue, collected


def _number(
    owner: str,
    name: str,
    value: Any,
    low: float,
    high: float = float("inf"),
    open_low: bool = False,
    whole: bool = False,
) -> list[str]:
    """The problems of one numeric field, for every option of it."""
    problems = []
    rule = f"{'above' if open_low else 'at least'} {low:g}" + (f" and at most {high:g}" if high < float("inf") else "")
    for option in options_of(value):
        numeric = isinstance(option, int if whole else (int, float)) and not isinstance(option, bool)
        if not numeric or not low <= option <= high or (open_low and option == low):
            problems.append(f"{owner}.{name} must be {'a whole number ' if whole else ''}{rule}, got {option!r}")
    return problems


def _check(owner: object, problems: Sequence[str]) -> None:
    if problems:
        raise InvalidValue(collected(problems, type(owner).__name__))


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent with momentum. Weight decay skips biases and batch norm."""

    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("Sgd", "learning_rate", self.learning_rate, 0, open_low=True),
                *_number("Sgd", "momentum", self.momentum, 0, 1),
                *_number("Sgd", "weight_decay", self.weight_decay, 0),
            ],
        )


@dataclass(frozen=True)
class RmsProp:
    """RMSProp as TensorFlow has it (epsilon inside the square root), used by MnasNet and EfficientNet."""

    learning_rate: float = 0.016
    decay: float = 0.9
    momentum: float = 0.9
    epsilon: float = 1e-3
    weight_decay: float = 1e-5

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("RmsProp", "learning_rate", self.learning_rate, 0, open_low=True),
                *_number("RmsProp", "decay", self.decay, 0, 1),
                *_number("RmsProp", "momentum", self.momentum, 0, 1),
                *_number("RmsProp", "epsilon", self.epsilon, 0, open_low=True),
                *_number("RmsProp", "weight_decay", self.weight_decay, 0),
            ],
        )


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay, which skips biases and batch norm."""

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("AdamW", "learning_rate", self.learning_rate, 0, open_low=True),
                *_number("AdamW", "beta1", self.beta1, 0, 1),
                *_number("AdamW", "beta2", self.beta2, 0, 1),
                *_number("AdamW", "weight_decay", self.weight_decay, 0),
            ],
        )


@dataclass(frozen=True)
class Cosine:
    """From the learning rate to `final_fraction` of it along half a cosine, after a linear warm-up."""

    warmup_epochs: float = 0.0
    final_fraction: float = 0.0

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("Cosine", "warmup_epochs", self.warmup_epochs, 0),
                *_number("Cosine", "final_fraction", self.final_fraction, 0, 1),
            ],
        )


@dataclass(frozen=True)
class Steps:
    """The learning rate times `factor` at each milestone, an epoch number, after a linear warm-up."""

    milestones: tuple[float, ...] = (90, 180, 270)
    factor: float = 0.1
    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        problems = [
            problem
            for milestones in options_of(self.milestones)
            for value in (milestones.items if isinstance(milestones, Prefix) else milestones)
            for problem in _number("Steps", "milestones", value, 0)
        ]
        _check(
            self,
            [
                *problems,
                *_number("Steps", "factor", self.factor, 0, 1),
                *_number("Steps", "warmup_epochs", self.warmup_epochs, 0),
            ],
        )


@dataclass(frozen=True)
class Exponential:
    """The learning rate times `factor` every `every_epochs`, in steps, after a linear warm-up."""

    factor: float = 0.97
    every_epochs: float = 2.4
    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("Exponential", "factor", self.factor, 0, 1),
                *_number("Exponential", "every_epochs", self.every_epochs, 0, open_low=True),
                *_number("Exponential", "warmup_epochs", self.warmup_epochs, 0),
            ],
        )


@dataclass(frozen=True)
class Augmentation:
    """What happens to training images.

    Attributes:
        flip: mirror half of the images left to right.
        crop_padding: shift images of fixed size by up to this fraction of the side (zeros come in); small images.
        crop_scale: the smallest area fraction of a random resized crop; 1.0 means no such crop; photographs.
        randaugment_layers, randaugment_magnitude: RandAugment's N and M (Cubuk et al. 2020); 0 layers switch it off.
        mixup: alpha of mixup's Beta distribution (Zhang et al. 2018); 0 switches it off.
    """

    flip: bool = True
    crop_padding: float = 0.125
    crop_scale: float = 0.35
    randaugment_layers: int = 0
    randaugment_magnitude: int = 9
    mixup: float = 0.0

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("Augmentation", "crop_padding", self.crop_padding, 0, 0.5),
                *_number("Augmentation", "crop_scale", self.crop_scale, 0, 1, open_low=True),
                *_number("Augmentation", "randaugment_layers", self.randaugment_layers, 0, whole=True),
                *_number("Augmentation", "randaugment_magnitude", self.randaugment_magnitude, 0, 30, whole=True),
                *_number("Augmentation", "mixup", self.mixup, 0),
            ],
        )


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step, over all processes together.
        optimizer, schedule, augmentation: see their classes. `learning_rate` belongs to `batch_size` as given.
        label_smoothing: the probability mass spread over all classes.
        dropout: before the classifier.
        drop_path: stochastic depth of the last residual block; earlier ones have less, linearly (Huang et al. 2016).
        ema: decay per step of the averaged weights that are evaluated and exported; 0 switches averaging off.
        distillation: weight of the teacher's soft labels; above 0 a teacher is needed, 0 ignores it.
        clip_norm: gradients are scaled down to this norm; 0 switches clipping off.
        frozen_statistics: batch norms normalise by the statistics that they have, and keep them; for weights that are
            trained already and batches too small or too few to estimate others.
    """

    epochs: int = 30
    batch_size: int = 128
    optimizer: Sgd | RmsProp | AdamW = field(default_factory=Sgd)
    schedule: Cosine | Steps | Exponential = field(default_factory=Cosine)
    augmentation: Augmentation = field(default_factory=Augmentation)
    label_smoothing: float = 0.1
    dropout: float = 0.0
    drop_path: float = 0.0
    ema: float = 0.0
    distillation: float = 0.0
    clip_norm: float = 0.0
    frozen_statistics: bool = False

    def __post_init__(self) -> None:
        _check(
            self,
            [
                *_number("Recipe", "epochs", self.epochs, 1, whole=True),
                *_number("Recipe", "batch_size", self.batch_size, 1, whole=True),
                *_number("Recipe", "label_smoothing", self.label_smoothing, 0, 1),
                *_number("Recipe", "dropout", self.dropout, 0, 1),
                *_number("Recipe", "drop_path", self.drop_path, 0, 1),
                *_number("Recipe", "ema", self.ema, 0, 1),
                *_number("Recipe", "distillation", self.distillation, 0, 1),
                *_number("Recipe", "clip_norm", self.clip_norm, 0),
            ],
        )


RECIPE_PARTS: tuple[type, ...] = (Recipe, Sgd, RmsProp, AdamW, Cosine, Steps, Exponential, Augmentation)
