"""A supernet around a small trained network, by the progressive schedule; what is cut out of it is fine-tuned."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.methods.flows import SPACE, files_of, fitted, trials_of

import sculptnet
from sculptnet import spaces
from sculptnet.cost import macs
from sculptnet.errors import InvalidSpace, RunError
from sculptnet.export import save_network
from sculptnet.methods import OnceForAll
from sculptnet.methods.finalists import SPEED_MARGIN
from sculptnet.methods.shrinking import Schedule
from sculptnet.nets import Network, initialise
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.spaces.named import SpaceSettings

BUDGET_MS = 0.15
METHOD = OnceForAll(
    schedule=Schedule.PROGRESSIVE,
    epochs=1,
    samples=25,
    calibration_images=30,
    draws=2,
    population=10,
    generations=2,
    fine_tune_epochs=1,
)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Three layers with drawn weights."""
    space = SPACE(3, 16)
    labels = [[option.label() for option in node.options] for node in space.decisions.values()]
    choices = [names.index(name) for names, name in zip(labels, ("k5_e3", "k5_e6", "k3_e6"), strict=True)]
    network = Network(space.decode(choices).architecture)
    initialise(network, seed=3)
    return network


@pytest.fixture(scope="module")
def folder(start: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, as RUN/model is."""
    path = tmp_path_factory.mktemp("start") / "model"
    save_network(start, path)
    return path


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the run said."""
    return []


@pytest.fixture(scope="module")
def finished(folder: Path, told: list[str], tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run."""
    return fitted(
        tmp_path_factory.mktemp("ofa") / "run",
        said=told,
        method=METHOD,
        start=str(folder),
        latency_ms=BUDGET_MS,
        space=None,
        recipe={"batch_size": "24"},
    )


def test_what_is_shipped_is_cut_out_of_the_start_within_the_budget(finished: FitResult, start: Network) -> None:
    assert finished.within_budget is True
    assert macs(finished.architecture) <= macs(start.architecture)
    here, there = finished.architecture.named(), start.architecture.named()
    assert {path for path, _ in here} <= {path for path, _ in there}


def test_phases_are_trained_one_after_the_other_and_said(told: list[str]) -> None:
    (plan,) = [text for text in told if text.startswith("Plan: supernet ")]
    phases = [text.split(",")[0].removeprefix("Supernet after ") for text in told if text.startswith("Supernet after ")]
    assert phases[0] == "full"
    assert len(phases) == len(set(phases)) > 2
    assert all(f"{name} 1 epoch" in plan for name in phases)


def test_what_is_judged_is_what_is_measured_within_the_budget(finished: FitResult) -> None:
    trials = trials_of(finished.folder)
    for one in trials:
        fits = one.metrics.get("measured_latency_high_ms", BUDGET_MS) <= BUDGET_MS / SPEED_MARGIN
        assert ("top1" in one.metrics) == (one.error is None) == fits


def test_fine_tuning_changes_the_weights_that_were_cut_out(finished: FitResult, told: list[str]) -> None:
    assert "Fine-tuning what was cut out of the supernet, 1 epoch" in told
    kept = RunDirectory(finished.folder).supernet.load()
    assert kept is not None
    shipped = finished.network().state_dict()
    common = [name for name, tensor in shipped.items() if name in kept[0] and kept[0][name].shape == tensor.shape]
    assert any(not torch.equal(shipped[name], kept[0][name]) for name in common if name.endswith("weight"))


def test_a_run_on_images_that_were_given_as_a_value_is_not_specialised_later(finished: FitResult) -> None:
    files = files_of(finished.folder)
    with pytest.raises(RunError, match="data"):
        sculptnet.specialize(finished.folder, 0.12)
    assert files_of(finished.folder) == files


def test_a_space_with_too_few_networks_to_learn_from_is_refused_before_anything_is_measured(
    folder: Path, tmp_path: Path
) -> None:
    few = SpaceSettings({"expansion_factors": "1"})
    two = partial(spaces.ofa_mobilenet_v3, width=0.25, depths=(1,), expansions=(3,), kernel_sizes=(3,))
    for name, start, space in (("few", str(folder), few), ("two", None, partial(two, resolutions=(12, 16)))):
        with pytest.raises(InvalidSpace) as caught:
            fitted(tmp_path / name, method=METHOD, start=start, space=space, recipe=None)
        found = re.search(r"at least 20 different networks, and this space has (\d+); open more", str(caught.value))
        assert found is not None
        assert 1 < int(found[1]) < 20
        assert not (tmp_path / name / "table.json").exists()
