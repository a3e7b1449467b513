"""Generated images: smooth, so that resizing and recompressing changes them little, and different for every seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sculptnet.data import ImageData, InMemory

Photo = Callable[..., Image.Image]


@pytest.fixture(scope="session")
def photo() -> Photo:
    def make(seed: int, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
        coarse = np.random.default_rng(seed).integers(0, 256, size=(6, 6, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)

    return make


@pytest.fixture
def make_folder(tmp_path: Path, photo: Photo) -> Callable[..., Path]:
    """`make_folder({"train/cat": 3, "train/dog": 2}, size=(40, 30), suffix="png")`: a folder with so many images."""

    def make(counts: dict[str, int], size: tuple[int, int] = (40, 30), suffix: str = "png", name: str = "set") -> Path:
        seed = 0
        for folder, count in counts.items():
            (tmp_path / name / folder).mkdir(parents=True)
            for index in range(count):
                photo(seed, size).save(tmp_path / name / folder / f"{index:03}.{suffix}")
                seed += 1
        return tmp_path / name

    return make


@pytest.fixture
def in_memory() -> Callable[..., InMemory]:
    def make(count: int = 50, channels: int = 1, side: int = 12, num_classes: int = 3, seed: int = 0) -> InMemory:
        rng = np.random.default_rng(seed)
        images = torch.from_numpy(rng.integers(0, 256, size=(count, channels, side, side), dtype=np.uint8))
        return InMemory(images, np.arange(count, dtype=np.int64) % num_classes)

    return make


@pytest.fixture
def small_data(in_memory: Callable[..., InMemory]) -> ImageData:
    return ImageData("small", ("a", "b", "c"), in_memory(), in_memory(20, seed=1))
