"""Batches of photographs with boxes. What happens to a photograph depends on (seed, epoch, photograph) alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from sculptnet.data.ahead import Piece, batches_of
from sculptnet.data.detection.preprocessing import BoxPreprocessing, normalised_pixels, stretched
from sculptnet.data.detection.split import BoxSplit
from sculptnet.data.loading import torch_seed
from sculptnet.errors import InvalidValue, collected
from sculptnet.streams import stream, stream_seed

Batch: TypeAlias = tuple[Tensor, Tensor]
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.125, 0.5, 0.5, 0.05  # SSD's ranges
LEAST_SIDE = 1.0  # pixels of the input; what a crop leaves of a box must be larger


@final
@dataclass(frozen=True)
class BoxAugmentation:
    """What happens to training photographs and their boxes (Liu et al., SSD, ECCV 2016, sections 2.2 and 3.6).

    Attributes:
        flip: mirror half of the photographs left to right.
        crop: crop so that some box keeps a part that is drawn, by its intersection over union with the crop.
        zoom_out: half of the photographs are put on a grey canvas of up to so many times their side; 1 switches it off.
        colour: the share of photographs whose brightness, contrast, saturation and hue are changed, by SSD's ranges;
            channels keep their places, since colours may tell classes apart.
    """

    flip: bool = True
    crop: bool = True
    zoom_out: float = 1.5
    colour: float = 0.5

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.zoom_out <= 8:
            problems.append(f"zoom_out must lie between 1 and 8, got {self.zoom_out:g}")
        if not 0 <= self.colour <= 1:
            problems.append(f"colour must lie between 0 and 1, got {self.colour:g}")
        if problems:
            raise InvalidValue(collected(problems, "BoxAugmentation"))


@final
@dataclass(frozen=True, eq=False)
class BoxBatches:
    """Shuffled, augmented batches.

    Attributes:
        split: the training photographs; ignored boxes are left out.
        preprocessing: as in evaluation.
        augmentation: see its class.
        batch_size: photographs per step.
        seed: of the order and the augmentation.
        num_workers: processes that decode, fewer where memory is short; 0 decodes in this one.
    """

    split: BoxSplit
    preprocessing: BoxPreprocessing
    augmentation: BoxAugmentation
    batch_size: int
    seed: int
    num_workers: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.batch_size < 2:
            problems.append(f"batch_size must be at least 2, since batch norm sees one pixel, got {self.batch_size}")
        if len(self.split) < 2:
            problems.append(f"at least 2 photographs are needed, got {len(self.split)}")
        if problems:
            raise InvalidValue(collected(problems, "BoxBatches"))

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; 1 where all photographs together make less than one."""
        return max(len(self.split) // self.batch_size, 1)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from `start_step` on.

        Images are float32 `(b, 3, size, size)`; objects `(b, n, 5)` as `Detector.loss` takes them.
        """
        order = stream(self.seed, "boxes.order", epoch).permutation(len(self.split)).tolist()
        starts = range(start_step * self.batch_size, self.steps_per_epoch * self.batch_size, self.batch_size)
        view = _Augmented(self.split, self.preprocessing, self.augmentation, self.seed, epoch)
        return batches_of(view, [order[start : start + self.batch_size] for start in starts], self.num_workers)


@dataclass(frozen=True, eq=False)
class _Augmented:
    """The training photographs of one epoch, each augmented by its own seed."""

    split: BoxSplit
    preprocessing: BoxPreprocessing
    augmentation: BoxAugmentation
    seed: int
    epoch: int

    @cached_property
    def _transform(self) -> v2.Transform:
        wanted, steps = self.augmentation, list[v2.Transform]()
        if wanted.zoom_out > 1:
            steps.append(v2.RandomZoomOut(fill=127, side_range=(1.0, wanted.zoom_out)))
        if wanted.crop:
            steps.append(v2.RandomIoUCrop())
        if wanted.flip:
            steps.append(v2.RandomHorizontalFlip())
        steps.append(v2.Resize((self.preprocessing.size,) * 2, antialias=True))
        if wanted.colour > 0:
            jitter = v2.ColorJitter(BRIGHTNESS, CONTRAST, SATURATION, HUE)
            steps.append(v2.RandomApply([jitter], wanted.colour))
        steps.append(v2.ClampBoundingBoxes())
        steps.append(v2.SanitizeBoundingBoxes(LEAST_SIDE))
        return v2.Compose(steps)

    @property
    def image_bytes(self) -> int:
        return 3 * self.preprocessing.size**2

    def read(self, indices: Sequence[int]) -> Piece:
        """Pixels `(n, size, size, 3)`; of each the rows of left, top, right, bottom, class from 1, float32 `(m, 5)`."""
        images, objects = zip(*map(self._one, indices), strict=True)
        return Piece(torch.stack(images), [rows.numpy() for rows in objects])

    def batch(self, piece: Piece) -> Batch:
        """Normalised; objects are filled up with zeros."""
        objects = torch.zeros(len(piece.targets), max(map(len, piece.targets)), 5)
        for row, found in zip(objects, piece.targets, strict=True):
            row[: len(found)] = torch.from_numpy(found)
        return torch.from_numpy(normalised_pixels(piece.pixels.numpy(), self.preprocessing)), objects

    def _one(self, index: int) -> tuple[Tensor, Tensor]:
        corners, labels, ignored = self.split.boxes[index]
        image = functional.pil_to_tensor(self.split.image(index))
        sample: dict[str, Any] = {
            "image": tv_tensors.Image(image),
            "boxes": tv_tensors.BoundingBoxes(
                torch.from_numpy(corners[~ignored]), format="XYXY", canvas_size=image.shape[-2:]
            ),
            "labels": torch.from_numpy(labels[~ignored]),
        }
        with torch_seed(stream_seed(self.seed, f"boxes.sample.{self.epoch}", index)):
            sample = self._transform(sample)
        boxes = sample["boxes"].as_subclass(torch.Tensor)
        objects = torch.cat([boxes, sample["labels"][:, None] + 1.0], 1)
        return sample["image"].as_subclass(torch.Tensor).permute(1, 2, 0), objects


def evaluation_batches(split: BoxSplit, preprocessing: BoxPreprocessing, batch_size: int) -> Iterator[Tensor]:
    """All photographs in order, float32 `(b, 3, size, size)`; the last batch may be smaller."""
    for start in range(0, len(split), batch_size):
        rows = range(start, min(start + batch_size, len(split)))
        pixels = np.stack([stretched(split.image(row), preprocessing.size) for row in rows])
        yield torch.from_numpy(normalised_pixels(pixels, preprocessing))
