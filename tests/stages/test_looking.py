"""Before anything is measured: what is in the images, and every doubt, is said and kept for the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tests.methods.flows import job_of

from sculptnet.data import ImageData, InMemory
from sculptnet.methods import Random
from sculptnet.stages.data import look
from sculptnet.testing import tiny_images


def said_of(data: ImageData, folder: Path) -> list[str]:
    """What is said of the images of a run, from their name on."""
    said: list[str] = []
    look(replace(job_of(folder, Random(), said=said), loaded=data))
    return said[next(index for index, text in enumerate(said) if text.startswith(f"{data.name}: ")) :]


def test_images_without_a_fault_are_described_and_warned_of_only_where_they_are_few(tmp_path: Path) -> None:
    said = said_of(tiny_images(3), tmp_path)
    assert said[0] == "tiny_images: 3 classes, 72 training and 18 test images"
    assert "Note: made up for tests" in said
    assert "images per class: 24 training, 6 test" in said
    assert not any(text.startswith("Warning") for text in said)


def test_copies_contradictions_and_missing_classes_are_warned_of_all_at_once(tmp_path: Path) -> None:
    plain = tiny_images(3, per_class=24)
    assert isinstance(plain.train, InMemory)
    pixels, labels = plain.train.images, plain.train.labels
    other = np.where(labels[:6] == 0, 1, 0)
    copied = replace(plain, name="copied", test=InMemory(pixels[:6].clone(), other))
    said = "\n".join(said_of(copied, tmp_path))
    for expected in (
        "test images with a copy in the training split: 6 identical, 0 nearly",
        "Warning: 6 of 6 test images are also in the training split (6 identical, 0 nearly), e.g. ",
        "Warning: 6 images occur under more than one label",
        "Warning: no test images of 'direction_2': nothing is known about the accuracy on them",
    ):
        assert expected in said


def test_few_and_uneven_classes_are_warned_of(tmp_path: Path) -> None:
    plain = tiny_images(2, per_class=64)
    assert isinstance(plain.train, InMemory)
    rows = np.concatenate([np.flatnonzero(plain.train.labels == 0), np.flatnonzero(plain.train.labels == 1)[:3]])
    uneven = InMemory(plain.train.images[torch.from_numpy(rows)], plain.train.labels[rows])
    said = "\n".join(said_of(replace(plain, train=uneven), tmp_path))
    assert "Warning: classes with fewer than " in said
    assert "training images: 'direction_1' (3)" in said
    assert "the largest class has 64 training images, the smallest 3: judge by the balanced accuracy" in said
