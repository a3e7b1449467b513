from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sculptnet.arch import to_json
from sculptnet.data import ImageData, InMemory, folder, inspect
from sculptnet.data.inspection import NEAR_BITS, NEAR_LEVELS, difference_hashes, near_pairs
from sculptnet.data.survey import Survey

Make = Callable[..., Path]
Photo = Callable[..., Image.Image]


def test_the_facts_of_a_folder(make_folder: Make, photo: Photo) -> None:
    path = make_folder({"train/a": 25, "train/b": 30, "test/a": 2, "test/b": 1})
    photo(100, (200, 10), "RGBA").save(path / "train/a/alpha.png")
    (path / "train/b/x.png").touch()
    findings = inspect(folder(path, skip_broken=True))
    assert findings.train_counts == (26, 30)
    assert findings.test_counts == (2, 1)
    assert (findings.smallest, findings.median, findings.largest) == ((40, 10), (40, 30), (200, 30))
    assert (findings.alpha, findings.exif_rotated, findings.sixteen_bit, findings.grey) == (1, 0, 0, 0)
    broken = "train/b/x.png: not an image: the file is empty"
    assert findings.broken == (broken,)
    assert findings.warnings == (f"1 files cannot be read and were left out, first {broken}",)
    assert findings.sentences() == (
        "images per class: 26 to 30 training, 1 to 2 test",
        "width x height: 40x10 to 200x30, median 40x30, pixels",
        "1 images with an alpha channel, laid over white",
        "test images with a copy in the training split: 0 identical, 0 nearly",
    )
    assert to_json(findings)["identical"] == 0


def test_copies_between_the_splits_are_found(make_folder: Make, photo: Photo) -> None:
    path = make_folder({"train/a": 25, "train/b": 25, "test/a": 2, "test/b": 2}, size=(120, 90))
    (path / "test/a/copy.png").write_bytes((path / "train/a/003.png").read_bytes())
    photo(4, (120, 90)).save(path / "test/b/compressed.jpg", quality=70)
    photo(5, (120, 90)).resize((80, 60)).save(path / "test/b/smaller.png")
    findings = inspect(folder(path))
    assert (findings.identical, findings.near_duplicates) == (1, 2)
    assert findings.examples == (
        "train/a/003.png = test/a/copy.png",
        "train/a/004.png ~ test/b/compressed.jpg",
        "train/a/005.png ~ test/b/smaller.png",
    )
    assert findings.warnings == (
        "3 of 7 test images are also in the training split (1 identical, 2 nearly), e.g. train/a/003.png = "
        "test/a/copy.png: the measured accuracy is too high; remove the copies or keep copies of one picture in one "
        "split",
    )


def test_one_picture_under_two_labels(make_folder: Make) -> None:
    path = make_folder({"train/a": 25, "train/b": 25, "test/a": 2, "test/b": 2})
    for name in ("train/b/x.png", "train/b/y.png"):
        (path / name).write_bytes((path / "train/a/003.png").read_bytes())
    findings = inspect(folder(path))
    assert findings.contradictions == 1
    assert findings.warnings == ("1 images occur under more than one label",)


def test_few_images_imbalance_and_absent_classes_are_warned_of(make_folder: Make) -> None:
    findings = inspect(folder(make_folder({"train/a": 40, "train/b": 4, "test/a": 1})))
    assert findings.warnings == (
        "classes with fewer than 20 training images: 'b' (4)",
        "the largest class has 40 training images, the smallest 4: judge by the balanced accuracy",
        "no test images of 'b': nothing is known about the accuracy on them",
    )


def test_some_grey_images_are_warned_of_and_all_are_not(make_folder: Make) -> None:
    path = make_folder({"train/a": 20, "train/b": 20, "test/a": 1, "test/b": 1})
    for name in sorted(path.rglob("*.png"))[:3]:
        with Image.open(name) as image:
            image.convert("L").save(name)
    assert inspect(folder(path)).warnings == ("3 of 42 images have no colours, others have",)


@pytest.fixture
def surveys() -> tuple[Survey, Survey]:
    """Many thumbnails, among them pairs at every distance around the limits."""
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, size=(300, 1, 8, 9), dtype=np.uint8)
    test = rng.integers(0, 256, size=(200, 1, 8, 9), dtype=np.uint8)
    noise = rng.integers(-7, 8, size=(100, 1, 8, 9)) * rng.random((100, 1, 1, 1))
    test[:100] = np.clip(train[50:150] + noise, 0, 255).astype(np.uint8)
    return _survey(train[:, 0]), _survey(test[:, 0])


def _survey(thumbnails: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Survey:
    count, none = len(thumbnails), np.zeros(len(thumbnails), dtype=np.bool_)
    sizes, digests = np.ones((count, 2), dtype=np.int64), np.arange(count, dtype=np.uint64)
    greatest = np.zeros(count)
    return Survey(sizes, digests, thumbnails, none, none, none, none, greatest, none, none, none)


def test_near_pairs_agree_with_comparing_all(surveys: tuple[Survey, Survey]) -> None:
    train, test = surveys
    bits = np.bitwise_count(difference_hashes(train.thumbnails)[:, None] ^ difference_hashes(test.thumbnails))
    levels = np.abs(train.thumbnails[:, None].astype(int) - test.thumbnails).mean(axis=(2, 3))
    expected = [(int(a), int(b)) for a, b in np.argwhere((bits <= NEAR_BITS) & (levels <= NEAR_LEVELS))]
    told: list[tuple[object, ...]] = []
    found = near_pairs(train, test, np.arange(200), lambda *event: told.append(event)).tolist()
    assert 20 < len(expected) < 100
    assert {(a, b) for a, b in found} <= set(expected)
    assert [b for _, b in found] == sorted({b for _, b in expected})
    assert told == [("comparing images", done, 200) for done in (64, 128, 192, 200)]
    assert near_pairs(train, test, np.array([b for _, b in expected[:1]])).tolist() == [list(expected[0])]
    assert near_pairs(train, test, np.arange(0)).shape == (0, 2)


def _still_camera(count: int, noise: float) -> Survey:
    """Frames of one scene, with noise of so many levels."""
    rng = np.random.default_rng(count)
    scene = np.random.default_rng(0).integers(20, 230, size=(8, 9))
    return _survey(np.round(scene + rng.normal(0, noise, size=(count, 8, 9))).astype(np.uint8))


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_frames_of_a_still_camera_need_memory_for_each_frame_not_for_each_pair(noise: float) -> None:
    train, test = _still_camera(12_000, noise), _still_camera(3_000, noise)
    tracemalloc.start()
    found = near_pairs(train, test, np.arange(3_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # all pairs would be 36 million, 576 MB
    assert found[:, 1].tolist() == list(range(3_000))


def test_frames_of_a_still_camera_are_to_be_split_by_time(small_data: ImageData) -> None:
    assert isinstance(small_data.train, InMemory)
    assert isinstance(small_data.test, InMemory)
    frame = small_data.train.images[:1]
    count = len(small_data.test)
    images = frame.repeat(count, 1, 1, 1)
    images[:, 0, 0, 0] = torch.arange(count, dtype=torch.uint8) % 7 + (frame[0, 0, 0, 0] // 8) * 8
    series = replace(small_data, test=InMemory(images, small_data.test.labels))
    findings = inspect(series)
    assert findings.identical + findings.near_duplicates == count
    assert len(findings.examples) <= 10
    assert any(
        "look like pictures of one still camera" in warning and "split them by recording or by time" in warning
        for warning in findings.warnings
    )


def test_images_in_memory_are_compared_by_their_pixels(small_data: ImageData) -> None:
    assert isinstance(small_data.train, InMemory)
    assert isinstance(small_data.test, InMemory)
    images = small_data.test.images.clone()
    images[0], images[1] = small_data.train.images[7], small_data.train.images[8]
    images[1, 0, 0, 0] ^= 1
    copied = replace(small_data, test=InMemory(images, small_data.test.labels))
    findings = inspect(copied)
    assert findings.examples == ("training image 7 = test image 0", "training image 8 ~ test image 1")
    assert inspect(small_data).examples == ()


def test_thumbnails_in_memory_and_of_files_are_alike(photo: Photo, tmp_path: Path) -> None:
    from sculptnet.data.survey import survey_files

    photo(3, (45, 40)).save(tmp_path / "a.png")
    pixels = torch.from_numpy(np.array(photo(3, (45, 40)))).permute(2, 0, 1)[None]
    memory, (files, _) = InMemory(pixels, np.zeros(1, dtype=np.int64)).survey(), survey_files([tmp_path / "a.png"])
    assert np.abs(memory.thumbnails.astype(int) - files.thumbnails).max() <= 1
