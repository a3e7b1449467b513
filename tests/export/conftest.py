"""A tiny network whose batch norms do something, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sculptnet.arch import SearchSpace
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.export.session import Images
from sculptnet.nets import Network, initialise

CLASSES = ("falling", "rising", "plain")


@torch.no_grad()
def enliven(module: nn.Module, seed: int = 0) -> None:
    """Random weights and batch norms that shift and scale, so that folding them wrongly shows."""
    initialise(module, seed)
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0.0, 0.2, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
            layer.weight.uniform_(0.8, 1.2, generator=generator)
            layer.bias.normal_(0.0, 0.2, generator=generator)
        elif isinstance(layer, nn.Linear):
            layer.weight.normal_(0.0, 0.5, generator=generator)


@pytest.fixture(scope="session")
def lively() -> Callable[[nn.Module], nn.Module]:
    """Gives a module random weights and batch norms, and returns it."""

    def make(module: nn.Module) -> nn.Module:
        enliven(module)
        return module

    return make


@pytest.fixture
def network(tiny_fbnet: SearchSpace) -> Network:
    """Grouped, plain and skipped layers."""
    made = Network(tiny_fbnet.decode([1, 5, 8, 3]).architecture)
    enliven(made)
    return made.eval()


@pytest.fixture(scope="session")
def preprocessing() -> Preprocessing:
    return Preprocessing(16, 18, (0.5, 0.45, 0.4), (0.25, 0.2, 0.3))


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    return rng.standard_normal((6, 3, 16, 16)).astype(np.float32)


@pytest.fixture
def nonsense(tmp_path: Path) -> Path:
    """A file that is no ONNX file."""
    path = tmp_path / "nonsense.onnx"
    path.write_text("nothing of use")
    return path
