"""Data that nothing can be learned from are refused, and doubtful ones are told first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sculptnet.data import ImageData, InMemory, check_plausible, folder, inspect
from sculptnet.errors import DataError

Make = Callable[..., Path]


def _filled(path: Path, size: tuple[int, int], colour: Callable[[int, Path], tuple[int, int, int]]) -> ImageData:
    for index, name in enumerate(sorted(path.rglob("*.png"))):
        Image.new("RGB", size, colour(index, name)).save(name)
    return folder(path)


@pytest.mark.parametrize("name", ["png", "jpg"])
def test_images_of_one_value_are_refused(name: str, make_folder: Make) -> None:
    path = make_folder({"a": 6, "b": 6}, suffix=name)
    for index, file in enumerate(sorted(path.rglob(f"*.{name}"))):
        Image.new("RGB", (20 + index % 2, 20), (9, 9, 9)).save(file)
    with pytest.raises(DataError, match=r"data set set: all 12 images are of one brightness alone \(9 of 255\)"):
        check_plausible(folder(path))


def test_colours_of_equal_brightness_are_told_apart(make_folder: Make) -> None:
    colours = {"a": (100, 0, 0), "b": (0, 51, 0)}
    data = _filled(make_folder({"a": 6, "b": 6}), (20, 20), lambda _, name: colours[name.parent.name])
    check_plausible(data)
    assert inspect(data).warnings[0].startswith("6 of 12 files are one and the same picture")
    assert "12 of 12 images have the same brightness everywhere, as if they were empty" in inspect(data).warnings


def test_one_picture_everywhere_is_refused(make_folder: Make, photo: Callable[..., Image.Image]) -> None:
    path = make_folder({"train/a": 3, "train/b": 3, "test/a": 1})
    for name in path.rglob("*.png"):
        photo(3).save(name)
    with pytest.raises(DataError, match=r"all 7 images are one and the same picture, e\.g\. train/a/000\.png"):
        check_plausible(folder(path))


def test_images_in_memory_are_questioned_too() -> None:
    black = InMemory(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), np.arange(8) % 2)
    with pytest.raises(DataError, match=r"data set black: all 16 images are of one brightness alone \(0 of 255\)"):
        check_plausible(ImageData("black", ("a", "b"), black, black))


def test_single_pixels_are_refused_and_tiny_images_are_told(make_folder: Make, small_data: ImageData) -> None:
    path = make_folder({"a": 6, "b": 6}, size=(1, 1))
    with pytest.raises(DataError, match="no image is larger than 1 px along its shorter side"):
        check_plausible(folder(path))
    assert isinstance(small_data.train, InMemory)
    tiny = InMemory(small_data.train.images[:, :, :5, :5], small_data.train.labels)
    data = replace(small_data, train=tiny, test=tiny.take(np.arange(9)))
    check_plausible(data)
    assert "half of the images have at most 5 px along a side; little can be seen" in inspect(data).warnings


def test_one_class_of_nearly_all_images_is_told_first(make_folder: Make) -> None:
    findings = inspect(folder(make_folder({"train/a": 98, "train/b": 2, "test/a": 49, "test/b": 1}, size=(8, 8))))
    assert findings.warnings[0] == (
        "98.0% of the training images are of class 'a': a network that always answers so is right on 98.0% of the test "
        "images. Judge by the balanced accuracy, and give more images of the rest"
    )


def test_a_picture_that_stands_in_for_many_is_named(make_folder: Make) -> None:
    path = make_folder({"train/a": 10, "train/b": 10, "test/a": 2, "test/b": 2})
    for index in range(6):
        (path / f"train/a/{index:03}.png").write_bytes((path / "train/b/000.png").read_bytes())
    assert inspect(folder(path)).warnings[0] == (
        "7 of 24 files are one and the same picture, e.g. train/a/000.png; if it stands in for missing ones, remove it"
    )


def test_as_many_classes_as_images_are_questioned(make_folder: Make) -> None:
    findings = inspect(folder(make_folder({f"person{index}": 2 for index in range(6)})))
    assert findings.warnings[0].startswith("6 classes have only 6 training images: are the folders classes, and not")


def test_classes_of_nearly_one_name_are_questioned(make_folder: Make) -> None:
    findings = inspect(folder(make_folder({"red fox": 4, "Red_Fox": 4, "hare": 4})))
    expected = "classes whose names differ in case or spaces alone: 'Red_Fox' and 'red fox'; are they one?"
    assert findings.warnings[0] == expected
