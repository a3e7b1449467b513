"""A tiny network and images that are easy to tell apart. `worker.py` uses them in other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sculptnet.arch import (
    AdamW,
    Architecture,
    Augmentation,
    Cosine,
    Exponential,
    Recipe,
    RmsProp,
    Sgd,
    Steps,
)
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.nets import Network, initialise

CLASSES = 3
RECIPES = {
    "plain": Recipe(epochs=2, batch_size=12),
    "everything": Recipe(
        epochs=2,
        batch_size=12,
        optimizer=Sgd(0.05),
        schedule=Cosine(warmup_epochs=0.5, final_fraction=0.1),
        augmentation=Augmentation(mixup=0.4),
        dropout=0.2,
        drop_path=0.3,
        ema=0.99,
        clip_norm=1.0,
        distillation=0.3,
    ),
    "rmsprop": Recipe(epochs=2, batch_size=12, optimizer=RmsProp(), schedule=Exponential(0.9, 0.5), ema=0.9),
    "two_processes": Recipe(epochs=2, batch_size=12, optimizer=Sgd(0.05), clip_norm=2.0),
    "adamw": Recipe(epochs=2, batch_size=12, optimizer=AdamW(), schedule=Steps((1,), 0.1, 0.25), dropout=0.5),
}


def tiny_network(seed: int = 0) -> Network:
    blocks = (InvertedResidual(8, 3, 2, 2), InvertedResidual(8, 3, 2), InvertedResidual(8, 5, 3))
    network = Network(Architecture(8, Conv(8, 3, 1), (blocks,), PooledConv(16), Classifier(CLASSES)))
    initialise(network, seed)
    return network


@dataclass(frozen=True, eq=False)
class Colours:
    """Noise plus a class's own colour; the batch of a step depends on the epoch and step alone."""

    steps_per_epoch: int = 4
    batch_size: int = 12
    rank: int = 0
    world: int = 1

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(start_step, self.steps_per_epoch):
            generator = torch.Generator().manual_seed(1000 * epoch + step)
            labels = torch.randint(CLASSES, (self.batch_size,), generator=generator)
            images = torch.randn(self.batch_size, 3, 8, 8, generator=generator)
            images = images + 2 * torch.nn.functional.one_hot(labels, 3)[:, :, None, None]
            yield images[self.rank :: self.world], labels[self.rank :: self.world]


@dataclass(eq=False)
class Memory:
    """A checkpoint in memory that remembers how far each save was."""

    kept: tuple[dict[str, Tensor], Any] | None = None
    states: list[Any] = field(default_factory=list)

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        self.kept = dict(tensors), state
        self.states.append(state)

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        return self.kept


@pytest.fixture
def new_network() -> Callable[[int], nn.Module]:
    return tiny_network


@pytest.fixture
def colours() -> Colours:
    return Colours()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def recipes() -> Mapping[str, Recipe]:
    return RECIPES


@pytest.fixture(params=["plain", "everything", "rmsprop", "adamw"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]
