from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sculptnet.data import Files, ImageData, InMemory, folder, stratified, subset
from sculptnet.errors import DataError, InvalidValue


def test_stratified_takes_the_fraction_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [100, 40, 10])
    rest, held = stratified(labels, 0.2, np.random.default_rng(0))
    assert np.bincount(labels[held]).tolist() == [20, 8, 2]
    assert sorted([*rest, *held]) == list(range(150))
    assert (np.diff(rest) > 0).all()
    assert (np.diff(held) > 0).all()


def test_stratified_leaves_every_class_on_both_sides_where_it_can() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2])
    for fraction in (0.01, 0.99):
        rest, held = stratified(labels, fraction, np.random.default_rng(0))
        assert set(labels[rest].tolist()) == {0, 1, 2}
        assert set(labels[held].tolist()) == {1, 2}


def test_stratified_names_a_wrong_fraction_and_a_lack_of_images() -> None:
    with pytest.raises(InvalidValue, match=r"must lie between 0 and 1, got 1\.5"):
        stratified([0, 0], 1.5, np.random.default_rng(0))
    with pytest.raises(DataError, match="no class of these 2 images has two of them"):
        stratified([0, 1], 0.5, np.random.default_rng(0))


def test_hold_out_splits_the_training_images(small_data: ImageData) -> None:
    rest, held = small_data.hold_out(0.2, seed=3)
    assert np.bincount(rest.labels).tolist() == [14, 14, 13]
    assert np.bincount(held.labels).tolist() == [3, 3, 3]
    again = small_data.hold_out(0.2, seed=3)
    assert again[1].identity() == held.identity()
    assert small_data.hold_out(0.2, seed=4)[1].identity() != held.identity()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 31, 50])
def test_subset_has_the_count_and_the_shares(count: int, in_memory: Callable[..., InMemory]) -> None:
    part = subset(in_memory(), count, seed=0)
    counts = np.bincount(part.labels, minlength=3)
    assert len(part) == count
    assert counts.max() - counts.min() <= 1


def test_subset_keeps_rare_classes(in_memory: Callable[..., InMemory]) -> None:
    rare = replace(in_memory(100), labels=np.array([0] * 98 + [1, 2]))
    assert np.bincount(subset(rare, 10, seed=0).labels).tolist() == [8, 1, 1]


def test_subset_of_fewer_images_than_classes_draws_classes_fairly(in_memory: Callable[..., InMemory]) -> None:
    """As a sample of 128 images for int8 does with a thousand classes."""
    many = replace(in_memory(100), labels=np.repeat(np.arange(50), 2))
    drawn = [set(subset(many, 10, seed=seed).labels.tolist()) for seed in range(20)]
    assert all(len(classes) == 10 for classes in drawn)
    assert len(set.union(*drawn)) > 45
    halves = [sum(label < 25 for label in classes) for classes in drawn]
    assert 4 < np.mean(halves) < 6


def test_subset_favours_no_class_of_equal_ones(in_memory: Callable[..., InMemory]) -> None:
    equal = replace(in_memory(40), labels=np.repeat(np.arange(4), 10))
    larger = {int(np.bincount(subset(equal, 5, seed=seed).labels).argmax()) for seed in range(30)}
    assert larger == {0, 1, 2, 3}


def test_subset_of_everything_is_everything(in_memory: Callable[..., InMemory]) -> None:
    assert subset(in_memory(), 50, seed=1).identity() == in_memory().identity()
    with pytest.raises(InvalidValue, match="a subset needs 1 to 50 images, got 51"):
        subset(in_memory(), 51, seed=1)


def test_images_in_memory_come_out_as_they_went_in(in_memory: Callable[..., InMemory]) -> None:
    for channels in (1, 3):
        split = in_memory(5, channels)
        expected = split.images[3].expand(3, -1, -1).permute(1, 2, 0).numpy()
        assert np.array_equal(np.asarray(split.image(3)), expected)
        assert np.array_equal(np.asarray(split.take([4, 3]).image(1)), expected)


def test_wrong_tensors_are_refused() -> None:
    with pytest.raises(InvalidValue) as caught:
        InMemory(torch.zeros(2, 4, 3, 3), np.zeros(3, dtype=np.int64))
    assert "images must be uint8 (n, 1 or 3, height, width), got torch.float32 (2, 4, 3, 3)" in str(caught.value)
    assert "labels must be int64, one per image, got int64 (3,)" in str(caught.value)


def test_files_and_memory_give_the_same_images(make_folder: Callable[..., Path]) -> None:
    data = folder(make_folder({"a": 4, "b": 4}))
    assert isinstance(data.train, Files)
    with Image.open(data.train.folder / data.train.names[2]) as image:
        assert np.array_equal(np.asarray(data.train.image(2)), np.asarray(image))
    assert data.train.sizes[0].tolist() == [40, 30]


def test_large_jpegs_may_be_decoded_smaller(make_folder: Callable[..., Path]) -> None:
    split = folder(make_folder({"a": 2, "b": 2}, size=(400, 240), suffix="jpg")).train
    assert isinstance(split, Files)
    assert split.image(0, at_least=100).size == (200, 120)
    assert split.image(0).size == (400, 240)


def test_a_file_that_vanishes_is_named(make_folder: Callable[..., Path]) -> None:
    split = folder(make_folder({"a": 2, "b": 2})).train
    assert isinstance(split, Files)
    (split.folder / split.names[0]).unlink()
    with pytest.raises(DataError, match=r"a/00\d\.png could be read before and cannot be read now"):
        split.image(0)


def test_the_fingerprint_tells_every_difference(small_data: ImageData, in_memory: Callable[..., InMemory]) -> None:
    other = in_memory()
    other.images[7, 0, 0, 0] += 1
    variants = [
        small_data,
        replace(small_data, classes=("a", "b", "d")),
        replace(small_data, train=other),
        replace(small_data, test=in_memory(19, seed=1)),
        replace(small_data, train=replace(in_memory(), labels=in_memory().labels[::-1].copy())),
    ]
    assert len({data.fingerprint for data in variants}) == 5
    assert replace(small_data, name="other", notes=("x",)).fingerprint == small_data.fingerprint


def test_the_fingerprint_does_not_depend_on_the_memory_layout(in_memory: Callable[..., InMemory]) -> None:
    split = in_memory(5, 3)
    turned = replace(split, images=split.images.contiguous(memory_format=torch.channels_last))
    assert turned.identity() == split.identity()
    assert turned.survey().digests.tolist() == split.survey().digests.tolist()


def test_the_fingerprint_of_a_folder_is_the_same_elsewhere(make_folder: Callable[..., Path]) -> None:
    counts = {"train/a": 3, "train/b": 3, "test/a": 1, "test/b": 1}
    first, second = make_folder(counts), make_folder(counts, name="elsewhere")
    assert folder(second).fingerprint == folder(first).fingerprint
    (second / "test/a/000.png").rename(second / "test/a/001.png")
    assert folder(second).fingerprint != folder(first).fingerprint


def test_all_problems_of_a_data_set_are_listed(in_memory: Callable[..., InMemory]) -> None:
    with pytest.raises(DataError) as caught:
        ImageData("bad", ("only",), in_memory(), in_memory().take([]))
    text = str(caught.value)
    assert text.startswith("data set bad: 3 problems")
    assert "at least two classes are needed, got ['only']" in text
    assert "the test split is empty" in text
    assert "labels must lie in 0..0, got 0..2" in text


def test_a_class_without_training_images_is_named(in_memory: Callable[..., InMemory]) -> None:
    with pytest.raises(DataError, match="class 'd' has no training images"):
        ImageData("bad", ("a", "b", "c", "d"), in_memory(), in_memory())
