"""Batches for training and evaluation.

Every random number depends on (seed, epoch, step) or (seed, epoch, sample) alone: a batch never depends on the ones
before it, on the number of workers, or on how many processes share it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from sculptnet.arch import Augmentation
from sculptnet.data import crops
from sculptnet.data.ahead import Piece, batches_of
from sculptnet.data.choose import squares
from sculptnet.data.images import Files, Indices, InMemory, Split
from sculptnet.data.preprocessing import Preprocessing, central_square, pixels
from sculptnet.errors import InvalidValue, collected
from sculptnet.streams import stream, stream_seed

Batch: TypeAlias = tuple[Tensor, Tensor]
EVALUATION_BATCH, EVALUATION_BYTES = 256, 48 << 20
RANDAUGMENT_GROUP = 8  # images of a batch in memory that share one draw of RandAugment's operations


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Torch's CPU generator starts from `seed` inside and continues where it was outside."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


def normalised(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """uint8 `(b, 1 or 3, h, w)` to normalised float32 `(b, 3, h, w)`, channels last in memory, as `prepare` does it."""
    batch, _, height, width = images.shape
    values = images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().float().div_(255)
    rows = values.view(batch, height, width * 3)  # long rows: inner loops of three channels would be 5 times slower
    rows.sub_(torch.tensor(preprocessing.mean).repeat(width)).div_(torch.tensor(preprocessing.std).repeat(width))
    return values.permute(0, 3, 1, 2)


# ---------------------------------------------------------------------- training
@final
@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """Shuffled, augmented batches.

    Images whose whole area is used (`resize == resolution`) are shifted by `crop_padding`; photographs are cropped by
    `crop_scale`. Images in memory are augmented a batch at a time, files one by one, in workers.

    Attributes:
        split: the training images.
        preprocessing: as in evaluation.
        augmentation: see its class; `mixup` is applied by the training loop.
        batch_size: images per step, over all processes together.
        seed: of the order and the augmentation.
        num_workers: processes that decode, fewer where memory is short; 0 decodes in this one.
        rank, world: this process takes every `world`-th image of each batch, starting with `rank`.

    Raises:
        InvalidValue: `batch_size` cannot be shared equally, or there are fewer than two images a step and process.
    """

    split: Split
    preprocessing: Preprocessing
    augmentation: Augmentation
    batch_size: int
    seed: int
    num_workers: int = 0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        problems = []
        if self.batch_size < 1 or self.batch_size % max(self.world, 1):
            problems.append(f"batch_size must be a multiple of the {self.world} processes, got {self.batch_size}")
        if not 0 <= self.rank < self.world:
            problems.append(f"rank must lie in 0..{self.world - 1}, got {self.rank}")
        if len(self.split) < self.world:
            problems.append(f"{len(self.split)} images cannot be shared by {self.world} processes")
        elif min(self.batch_size, len(self.split)) // max(self.world, 1) < 2:
            problems.append(
                f"a process gets one image a step, of {len(self.split)} images in batches of {self.batch_size} for "
                f"{self.world} processes; batch norm needs two: give more images, or a larger batch_size"
            )
        if problems:
            raise InvalidValue(collected(problems, "TrainingBatches"))

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; 1 where all images together make less than one."""
        return max(len(self.split) // self.batch_size, 1)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from `start_step` on: images float32 `(b, 3, r, r)`, labels int64 `(b,)`."""
        order = stream(self.seed, "data.order", epoch).permutation(len(self.split))
        size = min(self.batch_size, len(order) // self.world * self.world)
        batches = [order[step * size : (step + 1) * size] for step in range(self.steps_per_epoch)]
        if isinstance(self.split, InMemory):
            return self._from_memory(self.split, epoch, batches, start_step)
        return self._one_by_one(epoch, batches, start_step)

    @property
    def _zooms(self) -> bool:
        return zooms(self.preprocessing, self.augmentation)

    @cached_property
    def _squares(self) -> InMemory:
        """The images in memory as evaluation crops them."""
        whole = squares(self.split, self.preprocessing.resize)
        return InMemory(whole.images[:, :, *_centre(self.preprocessing)], whole.labels)

    def _from_memory(self, split: InMemory, epoch: int, batches: Sequence[Indices], start_step: int) -> Iterator[Batch]:
        source = split if self._zooms else self._squares
        for step in range(start_step, len(batches)):
            # All processes draw for the whole batch and use their share of it.
            rng = stream(self.seed, f"data.batch.{epoch}", step)
            share = np.arange(self.rank, len(batches[step]), self.world)
            indices = batches[step][share]
            images = source.images[torch.from_numpy(indices)]
            images = self._cropped(images, len(batches[step]), share, rng)
            if self.augmentation.randaugment_layers:
                seed = stream_seed(self.seed, f"data.randaugment.{epoch}", step)
                images = _randaugmented(images, share // RANDAUGMENT_GROUP, self.augmentation, seed)
            yield normalised(images, self.preprocessing), torch.from_numpy(source.labels[indices])

    def _cropped(self, images: Tensor, drawn: int, share: Indices, rng: np.random.Generator) -> Tensor:
        """Crops or shifts of `images`, mirrored or not, the rows `share` of `drawn` draws."""
        augmentation, resolution = self.augmentation, self.preprocessing.resolution
        mirrored = ((rng.random(drawn) < 0.5) & augmentation.flip)[share]
        if self._zooms:
            boxes = crops.draw_boxes(drawn, images.shape[2], images.shape[3], augmentation.crop_scale, rng)[share]
            return crops.mirrored(crops.zoomed(images, boxes, resolution), mirrored)
        shifted = self.preprocessing.resize == resolution
        reach = round(augmentation.crop_padding * resolution) if shifted else 0
        return crops.shifted(images, rng.integers(-reach, reach + 1, size=(drawn, 2))[share], mirrored)

    def _one_by_one(self, epoch: int, batches: Sequence[Indices], start_step: int) -> Iterator[Batch]:
        shares = [batch[self.rank :: self.world].tolist() for batch in batches[start_step:]]
        view = _Augmented(self.split, self.preprocessing, self.augmentation, self.seed, epoch)
        return batches_of(view, shares, self.num_workers)


def zooms(preprocessing: Preprocessing, augmentation: Augmentation) -> bool:
    """Whether training takes random resized crops: of photographs, unless `crop_scale` switches them off."""
    return preprocessing.resize > preprocessing.resolution and augmentation.crop_scale < 1


def _centre(preprocessing: Preprocessing) -> tuple[slice, slice]:
    first = (preprocessing.resize - preprocessing.resolution) // 2
    return (slice(first, first + preprocessing.resolution),) * 2


def _randaugmented(images: Tensor, groups: Indices, augmentation: Augmentation, seed: int) -> Tensor:
    """RandAugment with one draw of operations per group; a draw depends on the seed and the group's number alone."""
    randaugment, result = _randaugment(augmentation), images.clone()
    for group in np.unique(groups):
        members = torch.from_numpy(np.flatnonzero(groups == group))
        with torch_seed(seed + int(group)):
            result[members] = randaugment(images[members])
    return result


def _randaugment(augmentation: Augmentation) -> v2.RandAugment:
    return v2.RandAugment(augmentation.randaugment_layers, augmentation.randaugment_magnitude)


# ---------------------------------------------------------------------- one image at a time
@dataclass(frozen=True, eq=False)
class _OneByOne(ABC):
    """What reads images for batches."""

    split: Split
    preprocessing: Preprocessing

    @abstractmethod
    def pixels(self, index: int) -> Tensor:
        """One image before normalisation, uint8 `(3, resolution, resolution)`."""

    @property
    def image_bytes(self) -> int:
        return 3 * self.preprocessing.resolution**2

    def read(self, indices: Sequence[int]) -> Piece:
        return Piece(torch.stack([self.pixels(index) for index in indices]), self.split.labels[indices].tolist())

    def batch(self, piece: Piece) -> Batch:
        return normalised(piece.pixels, self.preprocessing), torch.tensor(piece.targets)


@dataclass(frozen=True, eq=False)
class _Augmented(_OneByOne):
    """The training images of one epoch, each augmented by its own seed."""

    augmentation: Augmentation
    seed: int
    epoch: int

    @cached_property
    def _transform(self) -> v2.Transform:
        steps: list[v2.Transform] = []
        augmentation, resolution = self.augmentation, self.preprocessing.resolution
        if self._zooms:
            steps.append(v2.RandomResizedCrop(resolution, scale=(augmentation.crop_scale, 1.0)))
        elif self.preprocessing.resize == resolution and augmentation.crop_padding:
            steps.append(v2.RandomCrop(resolution, padding=round(augmentation.crop_padding * resolution)))
        if augmentation.flip:
            steps.append(v2.RandomHorizontalFlip())
        if augmentation.randaugment_layers:
            steps.append(_randaugment(augmentation))
        return v2.Compose(steps or [v2.Identity()])

    @property
    def _zooms(self) -> bool:
        return zooms(self.preprocessing, self.augmentation)

    def pixels(self, index: int) -> Tensor:
        image = _reduced(self.split, index, 2 * self.preprocessing.resize)
        if not self._zooms:
            rows, columns = _centre(self.preprocessing)
            square = central_square(image, self.preprocessing.resize)
            image = square.crop((columns.start, rows.start, columns.stop, rows.stop))
        with torch_seed(stream_seed(self.seed, f"data.sample.{self.epoch}", index)):
            image = self._transform(image)
        tensor: Tensor = functional.pil_to_tensor(image)
        return tensor


def _reduced(split: Split, index: int, at_least: int) -> Image.Image:
    """A JPEG far larger than needed is decoded at a fraction of its size; crops below half its area stay sharp."""
    return split.image(index, at_least) if isinstance(split, Files) else split.image(index)


@dataclass(frozen=True, eq=False)
class _Prepared(_OneByOne):
    """Images as evaluation sees them, before normalisation."""

    def pixels(self, index: int) -> Tensor:
        return torch.from_numpy(np.array(pixels(self.split.image(index), self.preprocessing))).permute(2, 0, 1)


# ---------------------------------------------------------------------- evaluation
def evaluation_batch_size(resolution: int) -> int:
    """Images at once that are only judged: 256, and at more than 128 px as many as need no more memory (64 at 224).

    The largest power of two whose images, float32, take at most 48 MiB; one image at least.
    """
    fitting = max(1, EVALUATION_BYTES // (12 * resolution**2))
    return int(min(EVALUATION_BATCH, 1 << (fitting.bit_length() - 1)))


@final
@dataclass(frozen=True, eq=False)
class EvaluationBatches:
    """All images in order, prepared exactly as `preprocessing.prepare` does; the last batch may be smaller."""

    split: Split
    preprocessing: Preprocessing
    batch_size: int
    num_workers: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InvalidValue(f"EvaluationBatches: batch_size must be at least 1, got {self.batch_size}")

    @property
    def num_images(self) -> int:
        """The number of images."""
        return len(self.split)

    def __iter__(self) -> Iterator[Batch]:
        starts = range(0, self.num_images, self.batch_size)
        side = self.preprocessing.resize
        if isinstance(self.split, InMemory) and self.split.images.shape[2:] == (side, side):
            return self._from_memory(self.split, starts)
        batches = [list(range(start, min(start + self.batch_size, self.num_images))) for start in starts]
        view = _Prepared(self.split, self.preprocessing)
        return batches_of(view, batches, self.num_workers)

    def _from_memory(self, split: InMemory, starts: range) -> Iterator[Batch]:
        for start in starts:
            rows = slice(start, start + self.batch_size)
            images = normalised(split.images[rows, :, *_centre(self.preprocessing)], self.preprocessing)
            yield images, torch.from_numpy(split.labels[rows])
