from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sculptnet.data import ImageData, InMemory, decoded, default_preprocessing, folder, prepare


def test_mean_and_std_are_those_of_the_training_images(small_data: ImageData) -> None:
    assert isinstance(small_data.train, InMemory)
    values = small_data.train.images.double() / 255
    chosen = default_preprocessing(small_data, 12)
    assert (chosen.resolution, chosen.resize) == (12, 12)
    assert chosen.mean == pytest.approx((float(values.mean()),) * 3, abs=1e-6)
    assert chosen.std == pytest.approx((float(values.std(correction=0)),) * 3, abs=1e-6)


def test_flat_images_do_not_divide_by_zero(small_data: ImageData) -> None:
    flat = InMemory(torch.full((6, 3, 8, 8), 7, dtype=torch.uint8), np.array([0, 1, 2] * 2))
    assert default_preprocessing(replace(small_data, train=flat), 8).std == (round(1 / 255, 6),) * 3


@pytest.mark.parametrize(
    ("size", "resolution", "resize"), [((200, 160), 64, 73), ((64, 80), 32, 32), ((90, 90), 96, 96)]
)
def test_photographs_lose_their_border_and_small_images_do_not(
    size: tuple[int, int], resolution: int, resize: int, make_folder: Callable[..., Path]
) -> None:
    assert default_preprocessing(folder(make_folder({"a": 2, "b": 2}, size)), resolution).resize == resize


@pytest.mark.parametrize("size", [(100, 80), (30, 41)])
def test_decoded_images_evaluate_to_the_same_bits(size: tuple[int, int], make_folder: Callable[..., Path]) -> None:
    data = folder(make_folder({"a": 6, "b": 6}, size, "jpg"))
    chosen = default_preprocessing(data, 29)
    kept = decoded(data, chosen)
    assert isinstance(kept.test, InMemory)
    assert kept.test.labels.tolist() == data.test.labels.tolist()
    for index in range(len(data.test)):
        assert np.array_equal(prepare(kept.test.image(index), chosen), prepare(data.test.image(index), chosen))


def test_decoded_grey_files_keep_one_channel(make_folder: Callable[..., Path]) -> None:
    path = make_folder({"a": 3, "b": 3})
    for name in path.rglob("*.png"):
        from PIL import Image

        with Image.open(name) as image:
            image.convert("L").save(name)
    data = folder(path)
    assert data.grey
    kept = decoded(data, default_preprocessing(data, 16))
    assert isinstance(kept.train, InMemory)
    assert kept.train.images.shape[1:] == (1, 16, 16)


def test_large_folders_and_large_resolutions_stay_in_files(make_folder: Callable[..., Path]) -> None:
    data = folder(make_folder({"a": 3, "b": 3}, (200, 200)))
    small, large = default_preprocessing(data, 64), default_preprocessing(data, 97)
    assert decoded(data, large) is data
    assert decoded(data, small, max_bytes=6 * 3 * 73**2 - 1) is data
    assert isinstance(decoded(data, small, max_bytes=6 * 3 * 73**2).train, InMemory)


def test_images_in_memory_are_resized_once(small_data: ImageData) -> None:
    chosen = default_preprocessing(small_data, 16)
    kept = decoded(small_data, chosen)
    assert isinstance(kept.train, InMemory)
    assert kept.train.images.shape == (50, 1, 16, 16)
    assert np.array_equal(prepare(kept.train.image(9), chosen), prepare(small_data.train.image(9), chosen))
    assert decoded(kept, chosen).train is kept.train


def test_progress_reaches_the_total(small_data: ImageData) -> None:
    told: list[tuple[str, int, int]] = []
    decoded(small_data, default_preprocessing(small_data, 16), progress=lambda *event: told.append(event))
    assert told[-1] == ("decoding images", 20, 20)
    assert ("decoding images", 50, 50) in told
