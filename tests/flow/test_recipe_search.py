"""A given network whose recipe is searched: shipped as `fit` ships its find; resumed; wrong requests named at once."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from sculptnet import cli, spaces
from sculptnet.arch import to_json
from sculptnet.errors import InvalidValue
from sculptnet.flow.given_network import recipes_of
from sculptnet.flow.request import FitRequest, request_of_run

Command: TypeAlias = Callable[..., tuple[int, str, str]]
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
        request(recipe_only="networks_of_a_user:many")
    with pytest.raises(InvalidValue, match=r"network 'networks_of_a_user:nothing' is of the class dict; name an Arch"):
        request(recipe_only="networks_of_a_user:nothing")
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
            request(recipe_only=str(file))


def request(**values: object) -> FitRequest:
    plain = FitRequest("images", None, recipe_only="fbnet_a", method="random", device="sculptnet.testing:fake_device")
    return replace(plain, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recipe_only": "fbnet_x"}, "unknown network 'fbnet_x'; .*fbnet_a"),
        ({"method": "fbnet"}, r"--recipe-only fbnet_a: --method fbnet searches architectures"),
        ({"baselines": True, "space": "fbnet"}, "--space, --baselines: the network is given"),
        ({"settings": ("space.width=0.5",)}, r"--set space\.width: the network is given"),
        ({"settings": ("recipe.dropout=2",)}, r"recipe\.dropout: .*Recipe\.dropout must be at least 0 and at most 1"),
        ({"recipe_only": None}, "the budget is missing; give --latency-ms"),
    ],
)
def test_what_is_wrong_is_said_before_images_are_read(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        request(**values)


def test_a_recipe_is_found_shipped_and_reported_and_the_same_command_reads_it_again(
    command: Command, photos: Path, file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = (
        "--recipe-only",
        str(file),
        str(photos),
        *FAKE,
        *QUICK,
        "--run-dir",
        str(run),
        "--method",
        "random",
        "--full-trials",
        "2",
    )
    code, out, error = command("search", *words)
    assert code == 0, error
    assert "FBNetV3's recipes are for long trainings; in 2 epochs they cost accuracy" in " ".join((out + error).split())
    trials = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    assert sum(trial["epochs"] is None for trial in trials) >= 2
    assert sum(trial["epochs"] == 2 for trial in trials) == 2
    assert not (run / "model").exists()
    code, out, error = command("fit", *words)
    assert code == 0, error
    card = json.loads((run / "model" / "card.json").read_text())
    assert (card["network"], card["method"], card["budget"]) == (file.name, "random", None)
    assert "Best recipe" in out + error
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "--set recipe.epochs=2" in page
    assert f"sculptnet fit {photos}" in page
    assert f"--recipe-only {file}" in page
    assert request_of_run(run, fresh=False, baselines=False).recipe_only == str(file)
    before = (run / "trials.jsonl").read_bytes()
    assert command("fit", str(run))[0] == 0
    assert (run / "trials.jsonl").read_bytes() == before
    code, _, error = command("fit", *words, "--set", "recipe.optimizer.learning_rate=0.1", "--run-dir", str(run) + "2")
    assert code == cli.BAD_REQUEST
    assert "recipe.optimizer.learning_rate: optimizer is open; decide it too, such as optimizer=Sgd" in error
