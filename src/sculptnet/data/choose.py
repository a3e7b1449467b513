"""How a data set is preprocessed at a resolution, and which images are kept decoded in memory for it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from sculptnet.data.images import ImageData, InMemory, Split, subset
from sculptnet.data.preprocessing import Preprocessing, central_square, pixels
from sculptnet.state import Progress, no_progress

SMALL_IMAGE = 64  # pixels; images with a shorter side up to this are used whole, without a centre crop
CENTRE_SHARE = 0.875  # of the shorter side of a photograph: 224 of 256, the usual ImageNet evaluation
STATISTICS_IMAGES = 1000  # their mean and standard deviation are within about 1 % of those of all images
MEMORY_RESOLUTION = 96  # pixels; up to here decoding would take longer than training on a CPU
MEMORY_BYTES = 1 << 30


def default_preprocessing(data: ImageData, resolution: int, seed: int = 0) -> Preprocessing:
    """Resizing by kind of image, mean and standard deviation from (a sample of) the training split.

    Images up to 64 px or up to the resolution are resized to `resolution` and used whole; of larger ones, photographs,
    the shorter side becomes `resolution / 0.875`.
    """
    shorter = float(np.median(data.train.sizes.min(axis=1)))
    whole = shorter <= max(SMALL_IMAGE, resolution)
    resize = resolution if whole else round(resolution / CENTRE_SHARE)
    plain = Preprocessing(resolution, resize, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    sample = subset(data.train, min(STATISTICS_IMAGES, len(data.train)), seed)
    sums, squares = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for index in range(len(sample)):
        values = pixels(sample.image(index), plain).reshape(-1, 3).astype(np.int64)
        sums += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    count = len(sample) * resolution**2
    mean = sums / count / 255
    std = np.sqrt(np.maximum(squares / count / 255**2 - mean**2, 0))
    mean, std = mean.round(6), std.clip(1 / 255).round(6)  # flat images: no division by 0
    return replace(plain, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def decoded(
    data: ImageData, preprocessing: Preprocessing, *, max_bytes: int = MEMORY_BYTES, progress: Progress = no_progress
) -> ImageData:
    """`data` with its files decoded once into memory, where they are small enough; else `data` as it is.

    Evaluation is the same to the bit; training sees crops of the central squares instead of the whole photographs.

    Args:
        data: any data set; splits in memory stay as they are.
        preprocessing: images are kept as central squares of `preprocessing.resize` pixels; resolutions above 96 px are
            left in files.
        max_bytes: for both splits together.
        progress: called after every image.
    """
    splits = [split for split in (data.train, data.test) if not isinstance(split, InMemory)]
    channels = 1 if data.grey else 3
    num_bytes = sum(map(len, splits)) * channels * preprocessing.resize**2
    if not splits or preprocessing.resolution > MEMORY_RESOLUTION or num_bytes > max_bytes:
        return data
    train, test = (squares(split, preprocessing.resize, progress) for split in (data.train, data.test))
    return replace(data, train=train, test=test)


def squares(split: Split, side: int, progress: Progress = no_progress) -> InMemory:
    """The central squares of all images, `side` x `side` pixels, as evaluation resizes them."""
    if isinstance(split, InMemory) and split.images.shape[2:] == (side, side):
        return split
    channels = 1 if split.grey else 3
    images = torch.empty(len(split), channels, side, side, dtype=torch.uint8)

    def fill(index: int) -> None:
        values = np.array(central_square(split.image(index), side))
        images[index] = torch.from_numpy(values).permute(2, 0, 1)[:channels]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, _ in enumerate(pool.map(fill, range(len(split))), start=1):
            progress("decoding images", done, len(split))
    return InMemory(images, split.labels)
