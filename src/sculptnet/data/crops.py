"""Shifts, zooms and mirrors of a batch of uint8 images `(b, c, h, w)`, drawn and applied without a loop per pixel."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

ATTEMPTS = 10  # per box, as in torchvision's RandomResizedCrop
ASPECT = (3 / 4, 4 / 3)  # width / height of boxes, log-uniform, as there


def shifted(images: Tensor, shifts: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_]) -> Tensor:
    """`images`, mirrored where `mirrored` `(b,)` says so, moved by `shifts` `(b, 2)` pixels down and right.

    Zeros come in.
    """
    _, channels, height, width = images.shape
    reach = int(np.abs(shifts).max(initial=0))
    padded = torch.nn.functional.pad(images, (reach, reach, reach, reach))
    rows = np.arange(height) - shifts[:, :1] + reach
    columns = np.arange(width) - shifts[:, 1:] + reach
    columns = np.where(mirrored[:, None], width + 2 * reach - 1 - columns, columns)
    cells = torch.from_numpy((rows[:, :, None] * (width + 2 * reach) + columns[:, None, :]).reshape(len(rows), 1, -1))
    return padded.flatten(2).gather(2, cells.expand(-1, channels, -1)).view(images.shape)


def draw_boxes(count: int, height: int, width: int, scale: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Random boxes (top, left, height, width) `(count, 4)`, of `scale` to 1 of the area and an aspect of 3/4 to 4/3.

    A box that fits in none of ten attempts is the central square.
    """
    area = height * width * rng.uniform(scale, 1, size=(count, ATTEMPTS))
    aspect = np.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1]), size=(count, ATTEMPTS)))
    heights, widths = np.sqrt(area / aspect).round(), np.sqrt(area * aspect).round()
    fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    attempt, rows = fits.argmax(axis=1), np.arange(count)
    place, found = rng.random((count, 2)), fits.any(axis=1)
    side = min(height, width)
    tall = np.where(found, heights[rows, attempt], side)
    wide = np.where(found, widths[rows, attempt], side)
    top = np.where(found, np.floor(place[:, 0] * (height - tall + 1)), (height - side) // 2)
    left = np.where(found, np.floor(place[:, 1] * (width - wide + 1)), (width - side) // 2)
    return np.stack([top, left, tall, wide], axis=1).astype(np.int64)


def zoomed(images: Tensor, boxes: npt.NDArray[np.int64], resolution: int) -> Tensor:
    """The part of each image in its box, resized to `resolution` with torch's antialiased bilinear filter."""
    parts = [
        torch.nn.functional.interpolate(
            images[index : index + 1, :, top : top + height, left : left + width],
            size=(resolution, resolution),
            mode="bilinear",
            antialias=True,
        )
        for index, (top, left, height, width) in enumerate(boxes.tolist())
    ]
    return torch.cat(parts)


def mirrored(images: Tensor, which: npt.NDArray[np.bool_]) -> Tensor:
    """`images` with those of `which` `(b,)` mirrored left to right."""
    return torch.where(torch.from_numpy(which).view(-1, 1, 1, 1), images.flip(3), images)
