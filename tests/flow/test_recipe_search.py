"""A given network whose recipe is searched: shipped as `fit` ships its find; resumed; wrong requests named at once."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from tests.asking import asked
from tests.flow.conftest import Command

from sculptnet import cli, spaces
from sculptnet.arch import to_json
from sculptnet.errors import InvalidValue
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.networks import recipes_of
from sculptnet.option_groups import Accelerator
from sculptnet.options import FitOptions, RecipeOptions
from sculptnet.plain import from_command
from sculptnet.runs import RunDirectory
from sculptnet.verbs import run_fit, run_recipe

FAKE = ("--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "0.05")
QUICK = ("--set", "recipe.epochs=2", "--set", "recipe.batch_size=16")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers, for images of 16 pixels."""
    space = spaces.fbnet(1000, 16, channels=(8, 16, 24), layers=(1, 1, 1), strides=(1, 2, 2), head_channels=32)
    path = tmp_path_factory.mktemp("network") / "small.json"
    path.write_text(json.dumps(to_json(space.decode([2, 2, 2]).architecture)))
    return path


def test_the_network_is_decided_and_the_recipe_open(file: Path) -> None:
    space = recipes_of(str(file))(3, 32)
    assert all(path.startswith("recipe.") for path in space.decisions)
    assert (space.architecture.resolution, space.architecture.num_classes) == (32, 3)
    assert space.recipe.batch_size == 128
    assert space.decisions["recipe.optimizer[0].learning_rate"].options[0] == 0.01  # half the batch of 256, half 0.02


OWN = spaces.nas_bench_macro()
OWN_NETWORK = OWN.decode([0] * len(OWN.decisions)).architecture


def test_a_network_may_be_the_users_own_and_must_be_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = types.ModuleType("networks_of_a_user")
    vars(networks).update(mine=OWN_NETWORK, many=OWN.architecture, nothing={"mine": OWN_NETWORK})
    monkeypatch.setitem(sys.modules, networks.__name__, networks)
    assert recipes_of("networks_of_a_user:mine")(10, 32).architecture.stages == OWN_NETWORK.stages
    with pytest.raises(InvalidValue, match=r"network 'networks_of_a_user:many' needs decided values"):
        search(network="networks_of_a_user:many")
    with pytest.raises(InvalidValue, match=r"network 'networks_of_a_user:nothing' is of the class dict; name an Arch"):
        search(network="networks_of_a_user:nothing")
    for number, (content, message) in enumerate(
        (
            ("{", r"0\.json cannot be read as JSON .*; name an architecture file"),
            (
                json.dumps(to_json(spaces.fbnetv3_recipe())),
                r"1\.json holds no architecture \(.*got Recipe\)",
            ),
            (json.dumps(to_json(OWN.architecture)), r"\d\.json' needs decided values, but Architecture"),
        )
    ):
        file = tmp_path / f"{number}.json"
        file.write_text(content)
        with pytest.raises(InvalidValue, match=message):
            search(network=str(file))


def search(**values: Any) -> None:
    """A search whose images nobody can read."""
    plain = {"network": "fbnet_a", "data": "images", "method": "random", "device": "sculptnet.testing:fake_device"}
    run_recipe(asked(RecipeOptions, **(plain | values)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "fbnet_x"}, "unknown network 'fbnet_x'; .*fbnet_a"),
        (
            {"method": "fbnet"},
            "method fbnet does not learn from trials alone; random, evolution and optuna try recipes",
        ),
        ({"method": "ofa"}, "method ofa does not learn from trials alone; random, evolution and optuna try recipes"),
        ({"method": "mnasnet"}, "method mnasnet searches architectures; random, evolution and optuna try recipes"),
        ({"settings": ("recipe.dropout=2",)}, r"`recipe\.dropout`: .*Recipe\.dropout must be at least 0 and at most 1"),
    ],
)
def test_what_is_wrong_is_said_before_images_are_read(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        search(**values)


def test_a_search_for_a_network_needs_a_budget() -> None:
    with pytest.raises(InvalidValue, match="the budget is missing; give `latency_ms`"):
        run_fit(asked(FitOptions, data="images", method="random", device="sculptnet.testing:fake_device"))


def test_where_the_network_is_given_no_space_and_no_baselines_can_be(command: Command) -> None:
    code, _, error = command("search-recipe", "fbnet_a", "images", "--set", "space.width=0.5")
    assert code == cli.BAD_REQUEST
    assert "'space.width=0.5' names the group 'space'; known: recipe, search" in error
    for option in (("--space", "fbnet"), ("--baselines",), ("--check-proxy",), ("--limit", "macs=1")):
        code, _, error = command("search-recipe", "fbnet_a", "images", *option)
        assert code == cli.BAD_REQUEST
        assert f"No such option: {option[0]}" in error


def test_a_recipe_is_found_shipped_and_reported_and_the_same_command_reads_it_again(
    command: Command, photos: Path, file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    own = ("--run-dir", str(run), "--method", "random", "--full-trials", "2")
    words = ("search-recipe", str(file), str(photos), *FAKE, *QUICK, *own)
    said: list[str] = []
    options = asked(
        RecipeOptions,
        network=str(file),
        data=str(photos),
        device="sculptnet.testing:fake_device",
        accelerator=Accelerator.CPU,
        minutes=0.05,
        settings=("recipe.epochs=2", "recipe.batch_size=16"),
        run_dir=run,
        method="random",
        full_trials=2,
        listener=Listener(said.append),
    )
    run_recipe(options, Stage.SEARCH)
    assert "FBNetV3's recipes are for long trainings; in 2 epochs they cost accuracy" in " ".join(said)
    trials = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    assert sum(trial["epochs"] is None for trial in trials) >= 2
    assert sum(trial["epochs"] == 2 for trial in trials) == 2
    assert not (run / "model").exists()
    code, out, error = command(*words)
    assert code == 0, error
    card = json.loads((run / "model" / "card.json").read_text())
    assert (card["network"], card["method"], card["budget"]) == (file.name, "random", None)
    assert "Best recipe" in out + error
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "--set recipe.epochs=2" in page
    assert f"sculptnet search-recipe {file} {photos}" in page
    assert str(from_command(RecipeOptions, RunDirectory(run).info().command, {}).network) == str(file)
    before = (run / "trials.jsonl").read_bytes()
    code, out, error = command("fit", str(run))
    assert code == 0, error
    assert (run / "trials.jsonl").read_bytes() == before
    code, _, error = command(*words, "--set", "recipe.optimizer.learning_rate=0.1", "--run-dir", str(run) + "2")
    assert code == cli.BAD_REQUEST
    assert "--set recipe.optimizer.learning_rate: optimizer is open; decide it too, such as optimizer=Sgd" in error
