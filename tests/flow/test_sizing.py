"""The size of a given network's images: the largest that is within the budget, decided once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.flow.conftest import SILENT, Command

from sculptnet import zoo
from sculptnet.arch import Architecture, to_json
from sculptnet.errors import Infeasible
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.methods.sizing import SMALLEST_FEATURES, features_side, sizes_of
from sculptnet.option_groups import Accelerator
from sculptnet.options import TrainOptions
from sculptnet.result import FitResult
from sculptnet.verbs import run_train

FAKE = ("--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "1")


@pytest.fixture(scope="module")
def narrow() -> Architecture:
    """MobileNetV2, a tenth as wide, for images of 72 pixels."""
    return zoo.mobilenet_v2(1000, 72, width=0.1)


def ask(narrow: Architecture, photos: Path, run_dir: Path, latency_ms: float, listener: Listener = SILENT) -> FitResult:
    options = TrainOptions(
        narrow,
        photos,
        latency_ms,
        device="sculptnet.testing:fake_device",
        accelerator=Accelerator.CPU,
        minutes=1.0,
        recipe={"epochs": 1, "batch_size": 8},
        run_dir=run_dir,
        listener=listener,
    )
    return run_train(options, Stage.SEARCH)


@pytest.mark.parametrize(
    ("name", "resolution", "expected"),
    [
        ("mobilenet_v2", 224, (224, *range(208, 32, -16))),  # 48 px are the last that leave 2x2 of a stride of 32
        ("mobilenet_v2", 100, (100, 96, 80, 64, 48)),
        ("efficientnet_lite0", 64, (64, 48)),
        ("efficientnet_lite0", 28, (28,)),
    ],
)
def test_sizes_go_down_by_sixteen_to_the_last_with_features_of_two_pixels(
    name: str, resolution: int, expected: tuple[int, ...]
) -> None:
    architecture = replace(zoo.BY_NAME[name].architecture, resolution=resolution)
    assert sizes_of(architecture) == expected
    sides = [features_side(replace(architecture, resolution=size)) for size in expected]
    assert all(side >= SMALLEST_FEATURES for side in sides[1:])


@pytest.fixture(scope="module")
def latencies(narrow: Architecture, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Of every size of the network, as a run with room for all of them keeps them."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert ask(narrow, photos, folder, 1e6).architecture.resolution == 72
    found: dict[str, float] = json.loads((folder / "size.json").read_text())["latencies_ms"]
    return found


def test_the_largest_size_within_the_budget_is_taken_and_kept(
    narrow: Architecture,
    photos: Path,
    latencies: dict[str, float],
    tmp_path: Path,
    said: list[str],
    listener: Listener,
) -> None:
    assert list(latencies) == ["72", "64", "48"]
    assert latencies["72"] > latencies["64"] > latencies["48"]
    between = (latencies["64"] + latencies["48"]) / 2
    found = ask(narrow, photos, tmp_path / "run", between, listener)
    assert found.architecture.resolution == 48
    assert any(line.startswith(f"Size of images: 48 px, the largest within {between:g} ms") for line in said)
    kept = (tmp_path / "run" / "size.json").read_bytes()
    assert ask(narrow, photos, tmp_path / "run", between).architecture == found.architecture
    assert (tmp_path / "run" / "size.json").read_bytes() == kept


def test_a_size_must_leave_room_for_the_drift_of_the_device(
    narrow: Architecture, photos: Path, latencies: dict[str, float], tmp_path: Path
) -> None:
    at_64 = latencies["64"]
    assert ask(narrow, photos, tmp_path / "just", at_64 * 1.01).architecture.resolution == 48
    assert ask(narrow, photos, tmp_path / "room", at_64 * 1.04).architecture.resolution == 64


def test_a_budget_under_the_smallest_size_says_what_it_takes(
    narrow: Architecture, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(Infeasible, match=r"the budget of 1e-09 ms is under what this network takes at 48 px on fake"):
        ask(narrow, photos, tmp_path / "run", 1e-9)


def test_the_shipped_files_take_the_chosen_size(
    narrow: Architecture, photos: Path, latencies: dict[str, float], tmp_path: Path, command: Command
) -> None:
    at_48 = latencies["48"]
    file = tmp_path / "narrow.json"
    file.write_text(json.dumps(to_json(narrow)))
    words = ("--latency-ms", str(at_48 * 1.1), "--set", "recipe.epochs=1", "--set", "recipe.batch_size=8")
    code, out, err = command(
        "train", str(file), str(photos), *FAKE, *words, "--run-dir", str(tmp_path / "run"), "--json"
    )
    assert (code, "Size of images: 48 px" in err) == (0, True)
    card = json.loads(out)["card"]
    assert card["within_budget"] is True
    assert card["preprocessing"]["resolution"] == 48
    shipped = json.loads((tmp_path / "run" / "model" / "architecture.json").read_text())
    assert shipped["resolution"] == 48


def test_a_resolution_that_is_given_is_kept_whatever_it_takes(
    narrow: Architecture, photos: Path, tmp_path: Path, command: Command
) -> None:
    file = tmp_path / "narrow.json"
    file.write_text(json.dumps(to_json(narrow)))
    words = ("--latency-ms", "1e-9", "--resolution", "64", "--set", "recipe.epochs=1")
    code, out, _ = command("train", str(file), str(photos), *FAKE, *words, "--run-dir", str(tmp_path / "run"), "--json")
    assert code == 3
    assert json.loads(out)["card"]["preprocessing"]["resolution"] == 64
