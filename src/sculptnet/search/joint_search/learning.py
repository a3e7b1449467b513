"""How the predictor's layers learn: statistics first, which cost nothing, then accuracies."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from sculptnet.errors import InvalidValue, collected
from sculptnet.learn.fitting import fit, orders_of, single
from sculptnet.search.joint_search.layers import Layers

Vector: TypeAlias = npt.NDArray[np.float64]
PRETRAINING_BATCH = 256
SUBJECT, SETTING = "joint: the predictor's loss", "Learning.learning_rate"  # in errors


@final
@dataclass(frozen=True)
class Learning:
    """How the predictor learns. What the paper is known to say is the default; "ours" is published nowhere.

    Attributes:
        samples: random architectures whose statistics it learns first. Paper, second-hand: 20,000.
        held_out: the share of them that it is checked with. Paper, second-hand: 0.2.
        pretraining_epochs: how often it sees the others; 0 leaves pre-training out, and then nothing is frozen. Ours.
        encoder, head: widths of layers; the encoder's last is the embedding's. Ours.
        frozen_epochs: epochs on accuracies in which the encoder stays as it is. Paper: 50.
        epochs: epochs after them in which all layers learn. Paper, second-hand: 50.
        learning_rate: of AdamW; in each part it falls to 0 along half a cosine. Ours; the paper says it decays.
        later_rate: that of the second part, over `learning_rate`. The paper says it is lower; the number is ours.
        weight_decay: of AdamW, on accuracies. Ours: tens of samples teach a large network little else than noise.
        batch_size: accuracies in a step. Ours.
        huber: where the Huber loss turns from square to straight, in standard deviations of the accuracies. Ours.

    Raises:
        InvalidValue: with everything that is out of range.
    """

    samples: int = 20_000
    held_out: float = 0.2
    pretraining_epochs: int = 20
    encoder: tuple[int, ...] = (128, 64)
    head: tuple[int, ...] = (64,)
    frozen_epochs: int = 50
    epochs: int = 50
    learning_rate: float = 0.01
    later_rate: float = 0.5
    weight_decay: float = 3.0
    batch_size: int = 16
    huber: float = 1.0

    def __post_init__(self) -> None:
        whole = {"samples": (self.samples, 10), "batch_size": (self.batch_size, 1)}
        whole |= {name: (getattr(self, name), 0) for name in ("pretraining_epochs", "frozen_epochs", "epochs")}
        for name in ("encoder", "head"):
            whole |= {f"{name}[{index}]": (width, 1) for index, width in enumerate(getattr(self, name))}
        problems = [
            f"{name} must be at least {low}, got {value}" for name, (value, low) in whole.items() if value < low
        ]
        problems += [] if self.encoder else ["encoder must have a layer, got none"]
        for name in ("learning_rate", "later_rate", "huber"):
            if not 0 < getattr(self, name) < math.inf:
                problems.append(f"{name} must be a number above 0, got {getattr(self, name)}")
        if not 0 <= self.weight_decay < math.inf:
            problems.append(f"weight_decay must be a number, at least 0, got {self.weight_decay}")
        if not 0 < self.held_out < 1:
            problems.append(f"held_out must lie between 0 and 1, got {self.held_out}")
        if problems:
            raise InvalidValue(collected(problems, "Learning"))


def pretrained(layers: Layers, features: Vector, targets: Vector, seed: int, learning: Learning) -> Layers:
    """Encoder and proxy head after learning statistics; the accuracy head as it was.

    Args:
        layers: stay as they are.
        features: of architectures, `(n, features)`.
        targets: `(n, statistics)`, standardised.
        seed: of the order of rows.
        learning: settings.

    Raises:
        TrainingDiverged: the loss is no longer finite.
    """
    rows, wanted, learner = single(features), single(targets), deepcopy(layers)
    fit(
        [*learner.encoder.parameters(), *learner.proxy.parameters()],
        lambda batch: huber_loss(learner.statistics(learner.embedding(rows[batch])), wanted[batch]),
        orders_of(len(rows), seed, "joint: pre-training", range(learning.pretraining_epochs)),
        batch_size=PRETRAINING_BATCH,
        learning_rate=learning.learning_rate,
        weight_decay=0.0,
        subject=SUBJECT,
        setting=SETTING,
    )
    return learner


def taught(
    layers: Layers, architectures: Vector, recipes: Vector, targets: Vector, seed: int, learning: Learning
) -> Layers:
    """Encoder and accuracy head after learning accuracies, the head alone in the first epochs.

    Args:
        layers: stay as they are.
        architectures, recipes: `(n, features)` each.
        targets: `(n,)`, standardised.
        seed: of the order of rows.
        learning: settings.

    Raises:
        TrainingDiverged: the loss is no longer finite.
    """
    rows, others, wanted = single(architectures), single(recipes), single(targets)
    learner = deepcopy(layers)
    with torch.no_grad():
        embedded = learner.embedding(rows)

    def of_head(batch: Tensor) -> Tensor:
        return huber_loss(learner.score(embedded[batch], others[batch]), wanted[batch], delta=learning.huber)

    def of_all(batch: Tensor) -> Tensor:
        said = learner.score(learner.embedding(rows[batch]), others[batch])
        return huber_loss(said, wanted[batch], delta=learning.huber)

    head, both = [learner.accuracy], [learner.encoder, learner.accuracy]
    frozen, end = learning.frozen_epochs, learning.frozen_epochs + learning.epochs
    for loss_of, parts, factor, epochs in (
        (of_head, head, 1.0, range(frozen)),
        (of_all, both, learning.later_rate, range(frozen, end)),
    ):
        fit(
            [parameter for part in parts for parameter in part.parameters()],
            loss_of,
            orders_of(len(rows), seed, "joint: accuracies", epochs),
            batch_size=learning.batch_size,
            learning_rate=learning.learning_rate * factor,
            weight_decay=learning.weight_decay,
            subject=SUBJECT,
            setting=SETTING,
        )
    return learner
