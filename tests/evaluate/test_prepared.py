"""Images are resized once for each size, with the very pixels that evaluation makes one by one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sculptnet.data import EvaluationBatches, InMemory, Preprocessing, Split, folder
from sculptnet.evaluate.prepared import PreparedImages

PREPROCESSING = Preprocessing(28, 32, (0.5, 0.4, 0.3), (0.25, 0.2, 0.3))
SIZES = (28, 20, 16, 13)


def in_memory(channels: int, height: int, width: int) -> Split:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (7, channels, height, width), dtype=np.uint8))
    return InMemory(images, np.arange(7) % 2)


def in_files(root: Path) -> Split:
    rng = np.random.default_rng(0)
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (root / name).mkdir(parents=True)
        for index in range(2):
            Image.fromarray(rng.integers(0, 256, (30 + index, 47, 3), dtype=np.uint8)).save(
                root / name / f"{index}.jpg"
            )
    return folder(root).train


@pytest.mark.parametrize("kind", ["colours", "grey", "wide", "files"])
def test_every_batch_is_bit_equal_to_that_of_images_resized_one_by_one(kind: str, tmp_path: Path) -> None:
    shapes = {"colours": (3, 32, 32), "grey": (1, 32, 32), "wide": (3, 24, 40)}
    split = in_files(tmp_path) if kind == "files" else in_memory(*shapes[kind])
    prepared = PreparedImages(split)
    for size in (*SIZES, *SIZES):
        preprocessing = PREPROCESSING.at(size)
        images = prepared.at(preprocessing)
        assert isinstance(images, InMemory)
        found = EvaluationBatches(images, preprocessing, 3)
        for (pixels, labels), (expected, others) in zip(found, EvaluationBatches(split, preprocessing, 3), strict=True):
            assert torch.equal(pixels, expected)
            assert torch.equal(labels, others)


def test_what_was_resized_once_is_kept_as_far_as_memory_goes() -> None:
    split = in_memory(3, 40, 40)
    sides = [PREPROCESSING.at(size).resize for size in SIZES]  # 32, 23, 18, 15
    largest, second, third, fourth = (7 * 3 * side**2 for side in sides)
    prepared = PreparedImages(split, second + third)

    def at(index: int) -> Split:
        return prepared.at(PREPROCESSING.at(SIZES[index]))

    assert at(0) is split, f"{largest} bytes are too many"
    first = at(1)
    assert at(1) is first
    smaller = at(2)
    assert at(1) is first
    at(3)  # the third is the one that nobody asked for longest
    assert at(1) is first
    assert at(2) is not smaller
    assert second + third + fourth > prepared.max_bytes


def test_other_processes_get_the_images_alone() -> None:
    prepared = PreparedImages(in_memory(3, 40, 40))
    before = len(pickle.dumps(prepared))
    images = prepared.at(PREPROCESSING)
    assert len(pickle.dumps(prepared)) == before
    again = pickle.loads(pickle.dumps(prepared)).at(PREPROCESSING)
    assert torch.equal(again.images, images.images)  # type: ignore[attr-defined]
