"""Training a detector: its loop goes on where it stopped, and its recipe says what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from tests.boxes import SIZE, tiny_backbone, write_voc

from sculptnet.arch import AdamW, Cosine, Sgd
from sculptnet.data.detection import (
    BoxAugmentation,
    BoxBatches,
    BoxData,
    box_preprocessing,
    evaluation_batches,
    read_boxes,
    score_boxes,
)
from sculptnet.errors import InvalidValue, RunError
from sculptnet.learn.detection import DetectorRecipe, DetectorTraining, detect, train_detector
from sculptnet.learn.machine import Machine
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.ssdlite import SsdLite
from sculptnet.runs import FileCheckpoint

RECIPE = DetectorRecipe(epochs=2, batch_size=4, optimizer=Sgd(0.01), schedule=Cosine(), ema=0.9)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> BoxData:
    return read_boxes(write_voc(tmp_path_factory.mktemp("train") / "voc", {"train": 12, "val": 2, "test": 4}))


def trained(
    data: BoxData, checkpoint: FileCheckpoint, recipe: DetectorRecipe = RECIPE, stop_at: int = -1
) -> tuple[Detector, list[Mapping[str, float]]]:
    detector = Detector(SsdLite(tiny_backbone(), len(data.classes)))
    initialise_detector(detector, 0)
    batches = BoxBatches(data.train, box_preprocessing(data.train, SIZE), recipe.augmentation, recipe.batch_size, 0)

    def stop(what: str, done: int, total: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    result = train_detector(
        detector, recipe, batches, seed=0, evaluate=lambda network: {"seen": 1.0}, checkpoint=checkpoint, progress=stop
    )
    return detector, list(result.curve)


def test_a_training_that_was_stopped_ends_with_the_same_bits(data: BoxData, tmp_path: Path) -> None:
    whole, curve = trained(data, FileCheckpoint(tmp_path / "whole"))
    checkpoint = FileCheckpoint(tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        trained(data, checkpoint, stop_at=4)  # in the second epoch of three steps each
    resumed, same = trained(data, checkpoint)
    assert curve == same
    assert [entry["seen"] for entry in curve] == [1.0, 1.0]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    other = DetectorRecipe(epochs=2, batch_size=4, optimizer=Sgd(0.01), schedule=Cosine(), ema=0.9, clip_norm=1.0)
    with pytest.raises(RunError, match=r"recipe.clip_norm is 10.0, here 1.0"):
        trained(data, checkpoint, other)
    flipped = DetectorRecipe(2, 4, Sgd(0.01), Cosine(), BoxAugmentation(flip=False), 0.9)
    with pytest.raises(RunError, match="augmentation is"):
        trained(data, checkpoint, flipped)


def test_a_recipe_for_another_length_keeps_its_shares() -> None:
    recipe = DetectorRecipe(epochs=60, schedule=Cosine(warmup_epochs=3))
    assert recipe.rescaled(20).schedule == Cosine(warmup_epochs=1)
    assert recipe.rescaled(20).optimizer == AdamW(1e-3, weight_decay=0.01)


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(InvalidValue, match="batch_size must be at least 2, got 1"):
        DetectorRecipe(batch_size=1)


def test_several_processes_are_refused() -> None:
    detector = Detector(SsdLite(tiny_backbone(), 2))
    with pytest.raises(InvalidValue, match="trained by one process, got 2; leave torchrun"):
        DetectorTraining(detector, RECIPE, 1, 0, Machine(torch.device("cpu"), world=2))


@pytest.mark.slow
def test_bright_squares_and_dark_disks_are_found(tmp_path: Path) -> None:
    data = read_boxes(write_voc(tmp_path / "voc", {"train": 96, "val": 2, "test": 24}, most=1))
    recipe = DetectorRecipe(
        epochs=60,
        batch_size=8,
        optimizer=AdamW(4e-3, weight_decay=0.01),
        augmentation=BoxAugmentation(crop=False, zoom_out=1, colour=0),
    )
    detector = Detector(SsdLite(tiny_backbone(), 2, smallest=0.25))
    initialise_detector(detector, 0)
    preprocessing = box_preprocessing(data.train, SIZE)
    batches = BoxBatches(data.train.held(), preprocessing, recipe.augmentation, recipe.batch_size, 0)
    train_detector(detector, recipe, batches, seed=0)
    found = detect(detector, evaluation_batches(data.test, preprocessing, 8), data.test)
    assert score_boxes(data.test, found, data.classes).ap50 > 0.7
