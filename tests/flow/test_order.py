"""What is wrong with the data is said before the device is asked for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.asking import asked
from tests.boxes import SIZE, tiny_backbone, write_voc
from tests.flow.conftest import SILENT, Ask

from sculptnet.devices import Measurement, Plan
from sculptnet.errors import DataError, MissingExtra
from sculptnet.export import save_network
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.nets import Network
from sculptnet.options import DetectOptions, RecipeOptions, TrainOptions
from sculptnet.state import Progress, no_progress
from sculptnet.verbs import run_detect, run_fit, run_recipe, run_train

DEVICE = f"{__name__}:untouchable"


@dataclass(frozen=True)
class Untouchable:
    """A device that may be opened and described, and fails whenever it is asked to measure."""

    name: str = "untouchable"

    def describe(self) -> Mapping[str, Any]:
        return {"runtime": "none", "version": "1", "threads": 1, "cpu": "none"}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        raise AssertionError("the device was measured before the data was known to be of use")


def untouchable(threads: int) -> Untouchable:
    return Untouchable()


@pytest.fixture
def singles(tmp_path: Path) -> Path:
    """Photographs of which none can be set apart: one a class for training."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 1), ("test", 2)):
        for name in ("a", "b"):
            (tmp_path / "singles" / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "singles" / split / name / f"{index}.png")
    return tmp_path / "singles"


@pytest.mark.parametrize("stage", [Stage.SEARCH, Stage.REPORT])
@pytest.mark.parametrize("method", ["fbnet", "random", "ofa"])
def test_a_search_says_first_that_no_images_can_be_set_apart(
    method: str, stage: Stage, singles: Path, ask: Ask, tmp_path: Path
) -> None:
    options = ask(tmp_path / "run", data=str(singles), device=DEVICE, method=method, settings=())
    with pytest.raises(DataError, match="none can be set apart; add images"):
        run_fit(options, stage)


def test_a_search_for_recipes_says_it_before_anything_is_trained(
    singles: Path, listener: Listener, said: list[str], tmp_path: Path
) -> None:
    options = asked(
        RecipeOptions,
        network="mobilenet_v2",
        data=str(singles),
        method="random",
        device=DEVICE,
        run_dir=tmp_path / "run",
        listener=listener,
    )
    with pytest.raises(DataError, match="none can be set apart"):
        run_recipe(options)
    assert "Timing trial steps" not in said


def test_training_one_network_reads_its_photographs_first(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "red" / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read"):
        run_train(TrainOptions("mobilenet_v2", tmp_path / "photos", device=DEVICE, listener=SILENT))


def test_a_detector_reads_its_photographs_and_looks_for_pycocotools_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_network(Network(tiny_backbone(32)), tmp_path / "model")
    write_voc(tmp_path / "voc", {"train": 4, "test": 2})
    options = DetectOptions(
        tmp_path / "model",
        tmp_path / "voc",
        size=SIZE,
        device=DEVICE,
        run_dir=tmp_path / "run",
        listener=SILENT,
    )
    with monkeypatch.context() as patched:
        patched.setitem(__import__("sys").modules, "pycocotools.cocoeval", None)
        with pytest.raises(MissingExtra, match="pycocotools"):
            run_detect(options)
    assert not (tmp_path / "run").exists()
    next((tmp_path / "voc" / "JPEGImages").glob("*.png")).write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read"):
        run_detect(options)
