"""Batches of photographs with boxes: boxes follow their pixels; nothing depends on workers or what came before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.boxes import SIZE, write_voc

from sculptnet.data.detection import (
    BoxAugmentation,
    BoxBatches,
    BoxPreprocessing,
    BoxSplit,
    box_preprocessing,
    evaluation_batches,
    read_boxes,
)
from sculptnet.errors import InvalidValue

PLAIN = BoxAugmentation(flip=False, crop=False, zoom_out=1, colour=0)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> BoxSplit:
    return read_boxes(write_voc(tmp_path_factory.mktemp("batches") / "voc", {"train": 9, "val": 1, "test": 1})).train


@pytest.fixture(scope="module")
def preprocessing(split: BoxSplit) -> BoxPreprocessing:
    return box_preprocessing(split, SIZE)


def test_batches_depend_neither_on_workers_nor_on_where_they_begin(
    split: BoxSplit, preprocessing: BoxPreprocessing
) -> None:
    whole = list(BoxBatches(split, preprocessing, BoxAugmentation(), 3, 5).epoch(2))
    assert len(whole) == 3
    shared = list(BoxBatches(split.held(), preprocessing, BoxAugmentation(), 3, 5, num_workers=2).epoch(2, 1))
    for (images, objects), (others, same) in zip(whole[1:], shared, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(objects, same)
    another = next(iter(BoxBatches(split, preprocessing, BoxAugmentation(), 3, 5).epoch(3)))
    assert not torch.equal(another[0], whole[0][0])


def test_torchs_generator_goes_on_where_it_was(split: BoxSplit, preprocessing: BoxPreprocessing) -> None:
    before = torch.default_generator.get_state()
    next(iter(BoxBatches(split, preprocessing, BoxAugmentation(), 3, 0).epoch(0)))
    assert torch.equal(torch.default_generator.get_state(), before)


def test_without_augmentation_training_sees_what_evaluation_sees(
    split: BoxSplit, preprocessing: BoxPreprocessing
) -> None:
    (images, objects) = next(iter(BoxBatches(split, preprocessing, PLAIN, 9, 0).epoch(0)))
    order = [next(i for i in range(9) if torch.allclose(seen(split, preprocessing, i), image)) for image in images]
    assert sorted(order) == list(range(9))
    for row, index in zip(objects, order, strict=True):
        boxes = split.boxes[index]
        assert row[row[:, 4] > 0, :4].tolist() == boxes.corners.tolist()
        assert (row[row[:, 4] > 0, 4] - 1).tolist() == boxes.labels.tolist()


def seen(split: BoxSplit, preprocessing: BoxPreprocessing, index: int) -> torch.Tensor:
    return next(evaluation_batches(split.take([index]), preprocessing, 1))[0]


def test_boxes_stay_on_their_objects(split: BoxSplit) -> None:
    """Whatever was cropped, zoomed and mirrored: a box of a square is full of its yellow, one of a disk is dark."""
    raw = BoxPreprocessing(SIZE, (0, 0, 0), (1, 1, 1))
    augmentation = BoxAugmentation(colour=0, zoom_out=2)
    looked_at = 0
    for epoch in range(4):
        for images, objects in BoxBatches(split, raw, augmentation, 3, 1).epoch(epoch):
            for image, rows in zip(images, objects, strict=True):
                for left, top, right, bottom, label in rows[rows[:, 4] > 0].tolist():
                    if min(right - left, bottom - top) < 8 or (rows[:, 4] > 0).sum() > 1:
                        continue  # others may lie on top
                    middle = image[:, round(top) + 2 : round(bottom) - 2, round(left) + 2 : round(right) - 2]
                    red, blue = middle[0].median().item(), middle[2].median().item()
                    assert (red > 0.85 and blue < 0.35) if label == 2 else red < 0.3, (label, red, blue)
                    looked_at += 1
    assert looked_at > 5


def test_ignored_boxes_and_empty_photographs_do_no_harm(split: BoxSplit, preprocessing: BoxPreprocessing) -> None:
    first, second = split.boxes[0], split.boxes[1]
    none = second._replace(corners=second.corners[:0], labels=second.labels[:0], ignored=second.ignored[:0])
    few = BoxSplit(
        split.store,
        split.names[:2],
        split.sizes[:2],
        split.digests[:2],
        (first._replace(ignored=np.ones(len(first.labels), dtype=np.bool_)), none),
    )
    for epoch in range(3):
        _, objects = next(iter(BoxBatches(few, preprocessing, BoxAugmentation(), 2, 0).epoch(epoch)))
        assert not objects.any()


def test_statistics_are_those_of_the_stretched_photographs(split: BoxSplit, tmp_path: Path) -> None:
    found = box_preprocessing(split, SIZE)
    pixels = np.stack([np.asarray(split.image(index)) for index in range(len(split))]) / 255
    assert found.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)), abs=1e-5)
    assert found.std == pytest.approx(pixels.std(axis=(0, 1, 2)), abs=1e-5)
    wide = Image.new("RGB", (128, 32), (255, 0, 0))
    assert np.array_equal(np.asarray(wide.resize((8, 8))), np.full((8, 8, 3), (255, 0, 0)))


def test_what_cannot_be_is_told(split: BoxSplit, preprocessing: BoxPreprocessing) -> None:
    with pytest.raises(InvalidValue, match="batch_size must be at least 2, since batch norm sees one pixel, got 1"):
        BoxBatches(split, preprocessing, PLAIN, 1, 0)
    with pytest.raises(InvalidValue, match=r"zoom_out must lie between 1 and 8, got 0\.5"):
        BoxAugmentation(zoom_out=0.5)
