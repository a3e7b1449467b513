"""How a data set is preprocessed at a resolution, and which images are kept decoded in memory for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from sculptnet.data.images import Files, ImageData, InMemory, Split, subset
from sculptnet.data.preprocessing import Preprocessing, central_square, pixels
from sculptnet.data.white import FULL
from sculptnet.machine_limits import cores, memory_budget
from sculptnet.state import Progress, no_progress

SMALL_IMAGE = 64  # pixels; images with a shorter side up to this are used whole, without a centre crop
CENTRE_SHARE = 0.875  # of the shorter side of a photograph: 224 of 256, the usual ImageNet evaluation
STATISTICS_IMAGES = 1000  # their mean and standard deviation are within about 1 % of those of all images
MEMORY_RESOLUTION = 96  # pixels; up to here decoding would take longer than training on a CPU
MEMORY_BYTES = 1 << 30
DECODING_CHUNK = 32  # images a thread takes at a time


def default_preprocessing(data: ImageData, resolution: int, seed: int = 0) -> Preprocessing:
    """Resizing by kind of image, mean and standard deviation from (a sample of) the training split.

    Images up to 64 px or up to the resolution are resized to `resolution` and used whole; of larger ones, photographs,
    the shorter side becomes `resolution / 0.875`. What is white in images of more than 8 bits is as the files have it.
    """
    shorter = float(np.median(data.train.sizes.min(axis=1)))
    whole = shorter <= max(SMALL_IMAGE, resolution)
    resize = resolution if whole else round(resolution / CENTRE_SHARE)
    levels = data.train.levels if isinstance(data.train, Files) else FULL
    plain = Preprocessing(resolution, resize, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), levels.integers, levels.floats)
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
    data: ImageData, preprocessing: Preprocessing, *, max_bytes: int | None = None, progress: Progress = no_progress
) -> ImageData:
    """`data` decoded and resized once into memory, where its images are small enough; else `data` as it is.

    Evaluation is the same to the bit. Training on photographs sees crops of their central squares, which are already
    resized, instead of crops of the whole photographs: a little less varied and less sharp, and several times faster.

    Args:
        data: any data set; larger photographs that are in memory already stay as they are.
        preprocessing: images are kept as central squares of `preprocessing.resize` pixels; files are left where they
            are at resolutions above 96 px.
        max_bytes: for both splits together; None for 1 GiB, or a quarter of this process's memory where that is less.
        progress: called every few images.
    """
    if not small_enough(data, preprocessing, memory_budget(MEMORY_BYTES) if max_bytes is None else max_bytes):
        return data
    train, test = (squares(split, preprocessing.resize, progress) for split in (data.train, data.test))
    return replace(data, train=train, test=test)


def small_enough(data: ImageData, preprocessing: Preprocessing, max_bytes: int = MEMORY_BYTES) -> bool:
    """Whether `decoded` would hold `data` in `max_bytes`."""
    in_memory = isinstance(data.train, InMemory) and isinstance(data.test, InMemory)
    whole = preprocessing.resize == preprocessing.resolution
    fits = decoded_bytes(data, preprocessing) <= max_bytes
    return fits and (whole if in_memory else preprocessing.resolution <= MEMORY_RESOLUTION)


def decoded_bytes(data: ImageData, preprocessing: Preprocessing) -> int:
    """Of all images of `data`, decoded."""
    return (len(data.train) + len(data.test)) * (1 if data.grey else 3) * preprocessing.resize**2


def squares(split: Split, side: int, progress: Progress = no_progress) -> InMemory:
    """The central squares of all images, `side` x `side` pixels, as evaluation resizes them."""
    if isinstance(split, InMemory) and split.images.shape[2:] == (side, side):
        return split
    images = np.empty((len(split), side, side, 1 if split.grey else 3), dtype=np.uint8)

    def fill(start: int) -> int:
        stop = min(start + DECODING_CHUNK, len(split))
        for index in range(start, stop):
            image = split.image(index).getchannel(0) if split.grey else split.image(index)
            images[index] = np.asarray(central_square(image, side)).reshape(images.shape[1:])
        return stop

    with ThreadPoolExecutor(cores()) as pool:
        for done in pool.map(fill, range(0, len(split), DECODING_CHUNK)):
            progress("decoding images", done, len(split))
    return InMemory(torch.from_numpy(images).permute(0, 3, 1, 2), split.labels)
