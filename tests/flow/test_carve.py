"""A network that is trained already is carved: the smaller form of it that fits, within seconds and without a search."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.flow.conftest import SILENT, Ask, Command

from sculptnet import spaces, zoo
from sculptnet.blocks import ALL
from sculptnet.cost import macs
from sculptnet.errors import Infeasible, InvalidSpace, InvalidValue
from sculptnet.export import save_network
from sculptnet.inherit import load_library
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.nets import Network, initialise
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.verbs import run_fit

SETTINGS = (
    "space.width_factors=0.5,1",
    "space.head_factors=0.5,1",
    "recipe.batch_size=8",
    "recipe.optimizer.learning_rate=0.02",
    "search.images=40",
    "search.draws=2",
    "search.start_epochs=4",
    "search.recovery_epochs=2",
)


def network_of(resolution: int = 16) -> Network:
    """Three layers, each of its kernel and expansion, with drawn weights."""
    space = spaces.fbnet(3, resolution, layers=(1, 1, 1), channels=(8, 16, 24), strides=(1, 2, 2), head_channels=32)
    options = [list(node.options) for node in space.decisions.values()]
    labels = [[option.label() for option in found] for found in options]
    choices = [found.index(name) for found, name in zip(labels, ("k5_e3", "k5_e6", "k3_e6"), strict=True)]
    network = Network(space.decode(choices).architecture)
    initialise(network, seed=3)
    return network


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network, as RUN/model is."""
    folder = tmp_path_factory.mktemp("start") / "model"
    save_network(network_of(), folder)
    return folder


@pytest.fixture(scope="session")
def ask_carve(ask: Ask, start: Path) -> Ask:
    """Options that carve the start to a part of its time."""
    plain = {"method": "carve", "start": str(start), "settings": SETTINGS, "latency_ms": 0.2}
    return lambda run_dir, **changes: ask(run_dir, **(plain | changes))


@pytest.fixture(scope="session")
def carved(ask_carve: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run."""
    return run_fit(ask_carve(tmp_path_factory.mktemp("carved") / "run"))
