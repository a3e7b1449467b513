"""Labelled images: a split in memory or in files, and a data set of two splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from sculptnet.data.formats import open_image
from sculptnet.data.names import normal
from sculptnet.data.preprocessing import to_rgb
from sculptnet.data.survey import THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH, Survey, content_digest
from sculptnet.data.white import FULL, WhiteLevels, decided, refuse_lost
from sculptnet.errors import DataError, InvalidValue, collected
from sculptnet.files import printable
from sculptnet.streams import stream

Labels: TypeAlias = npt.NDArray[np.int64]
Indices: TypeAlias = npt.NDArray[np.int64]


class Split(Protocol):
    """Images with labels."""

    @property
    def labels(self) -> Labels:
        """The class index of each image, `(n,)`."""
        ...

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Width and height of each image, pixels, `(n, 2)`."""
        ...

    @property
    def grey(self) -> bool:
        """Whether no image has colours."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> Image.Image:
        """One image as 8-bit RGB."""
        ...

    def take(self, indices: npt.ArrayLike) -> Split:
        """The images `indices`, in that order."""
        ...

    def survey(self) -> Survey:
        """What is known of each image."""
        ...

    def identity(self) -> str:
        """A hash of contents and labels, the same on every machine."""
        ...


@final
@dataclass(frozen=True, eq=False)
class InMemory:
    """Images of one size in memory.

    Attributes:
        images: uint8 `(n, 1 or 3, height, width)`; grey images keep one channel and are widened when they are used.
        labels: class indices `(n,)`.
    """

    images: Tensor
    labels: Labels

    def __post_init__(self) -> None:
        problems = []
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] not in (1, 3):
            problems.append(
                f"images must be uint8 (n, 1 or 3, height, width), got {self.images.dtype} {tuple(self.images.shape)}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            problems.append(f"labels must be int64, one per image, got {self.labels.dtype} {self.labels.shape}")
        if problems:
            raise InvalidValue(collected(problems, "InMemory"))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Width and height of each image, pixels, `(n, 2)`."""
        return np.tile(np.array([self.images.shape[3], self.images.shape[2]]), (len(self), 1))

    @property
    def grey(self) -> bool:
        """Whether the images have one channel."""
        return self.images.shape[1] == 1

    def image(self, index: int) -> Image.Image:
        """One image as 8-bit RGB."""
        planes = self.images[index].numpy()
        if self.grey:
            return Image.fromarray(planes[0]).convert("RGB")
        return Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))

    def take(self, indices: npt.ArrayLike) -> InMemory:
        """The images `indices`, in that order."""
        rows = np.ascontiguousarray(indices, dtype=np.int64)  # torch refuses reversed views
        return InMemory(self.images[torch.from_numpy(rows)], self.labels[rows])

    def survey(self) -> Survey:
        """What is known of each image."""
        count, none = len(self), np.zeros(len(self), dtype=np.bool_)
        digests = [content_digest(image.tobytes()) for image in self.images.numpy()]
        return Survey(
            sizes=self.sizes,
            digests=np.array(digests, dtype=np.uint64).reshape(count),
            thumbnails=_thumbnails(self.images),
            exif_rotated=none,
            alpha=none,
            sixteen_bit=none,
            floating=none,
            greatest=np.zeros(count),
            lost=none,
            more_frames=none,
            grey=np.full(count, self.grey),
        )

    def identity(self) -> str:
        """A hash of contents and labels, the same on every machine."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.contiguous().numpy().data)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def _thumbnails(images: Tensor, chunk: int = 4096) -> npt.NDArray[np.uint8]:
    weights = torch.tensor([0.299, 0.587, 0.114] if images.shape[1] == 3 else [1.0]).view(1, -1, 1, 1)  # ITU-R 601
    small = [
        torch.nn.functional.adaptive_avg_pool2d((part.float() * weights).sum(1), (THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH))
        for part in torch.split(images, chunk)
    ]
    return torch.cat(small).round().to(torch.uint8).numpy()


@final
@dataclass(frozen=True, eq=False)
class Files:
    """Image files that were readable when they were surveyed; decoded whenever they are used.

    Attributes:
        folder: what `names` are relative to.
        names: paths with forward slashes.
        labels: class indices `(n,)`.
        facts: the survey of the files, by itself.
        levels: what is white in images of more than 8 bits.
    """

    folder: Path
    names: tuple[str, ...]
    labels: Labels
    facts: Survey
    levels: WhiteLevels = FULL

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.labels) == len(self.facts):
            raise InvalidValue(
                f"Files: names, labels and facts must be equally many, got "
                f"{len(self.names)}, {len(self.labels)} and {len(self.facts)}"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Width and height of each image, pixels, `(n, 2)`."""
        return self.facts.sizes

    @property
    def grey(self) -> bool:
        """Whether no image has colours."""
        return bool(self.facts.grey.all())

    def image(self, index: int, at_least: int = 0) -> Image.Image:
        """One image as 8-bit RGB.

        Args:
            index: which one.
            at_least: a JPEG may be decoded at a half, a quarter or an eighth of its size, as long as no side becomes
                shorter than this many pixels; 0 decodes it whole.

        Raises:
            DataError: the file has changed and cannot be read any more.
        """
        path = self.folder / self.names[index]
        try:
            with open_image(path) as image:
                if at_least:
                    image.draft(None, (at_least, at_least))
                return to_rgb(image, self.levels)
        except OSError as error:
            raise DataError(f"{printable(str(path))} could be read before and cannot be read now: {error}") from error

    def take(self, indices: npt.ArrayLike) -> Files:
        """The images `indices`, in that order."""
        rows = np.asarray(indices, dtype=np.int64)
        names = tuple(self.names[row] for row in rows)
        return Files(self.folder, names, self.labels[rows], self.facts.take(rows), self.levels)

    def survey(self) -> Survey:
        """What is known of each image, by the levels of the data set."""
        return self.facts.at(self.levels)

    def identity(self) -> str:
        """A hash of names, contents and labels, the same on every machine."""
        names = "\0".join(map(normal, self.names))
        digest = hashlib.sha256(names.encode("utf-8", "surrogateescape"))
        digest.update(self.facts.digests.astype("<u8").tobytes())
        if self.levels != FULL:  # the same files, seen otherwise
            digest.update(repr(self.levels).encode())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


@final
@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set for classification. The test split is read once, for the result: never to choose anything.

    Attributes:
        name: a short name for reports.
        classes: class names; labels are indices into them.
        train, test: the splits.
        notes: what a reader of a result should know about the data.
        broken: files that were left out because they could not be read, with the reason.

    Raises:
        DataError: fewer than two classes, an empty test split, a label out of range, a class without training images.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    notes: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        if len(self.classes) < 2:
            problems.append(f"at least two classes are needed, got {list(self.classes)}")
        if not len(self.test):
            problems.append("the test split is empty")
        labels = np.concatenate([self.train.labels, self.test.labels])
        if labels.size and not (labels.min() >= 0 and labels.max() < len(self.classes)):
            problems.append(f"labels must lie in 0..{len(self.classes) - 1}, got {labels.min()}..{labels.max()}")
        else:
            counts = np.bincount(self.train.labels, minlength=len(self.classes))
            missing = [name for name, count in zip(self.classes, counts, strict=True) if not count]
            problems += [f"class {name!r} has no training images; every class needs at least one" for name in missing]
        if problems:
            raise DataError(collected(problems, f"data set {self.name}"))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the classes and both splits, the same on every machine."""
        parts = [*self.classes, self.train.identity(), self.test.identity()]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()

    @property
    def grey(self) -> bool:
        """Whether no image has colours; networks see such images with three equal channels."""
        return self.train.grey and self.test.grey

    def hold_out(self, fraction: float, seed: int) -> tuple[Split, Split]:
        """The training split in two: the rest, and a stratified `fraction` of it to select by."""
        rest, held = stratified(self.train.labels, fraction, stream(seed, "data.hold_out"))
        return self.train.take(rest), self.train.take(held)


def levelled(data: ImageData) -> ImageData:
    """`data` with one white level for all its files of more than 8 bits, decided from the training images, and noted.

    Raises:
        DataError: nothing tells what is white, or half of the training images or more lose their picture.
    """
    if not (isinstance(data.train, Files) and isinstance(data.test, Files)):
        return data
    levels, notes = decided(data.train.facts.depths, data.test.facts.depths)
    refuse_lost(data.train.facts.depths, levels, data.train.names)
    train, test = replace(data.train, levels=levels), replace(data.test, levels=levels)
    return replace(data, train=train, test=test, notes=tuple(dict.fromkeys((*data.notes, *notes))))


def stratified(labels: npt.ArrayLike, fraction: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Indices in two sorted parts: the rest, and `fraction` of every class, rounded.

    A class of two or more images has at least one in each part; a class of one image is in the rest.

    Raises:
        InvalidValue: `fraction` is not between 0 and 1.
        DataError: no class has two images.
    """
    if not 0 < fraction < 1:
        raise InvalidValue(f"the fraction of a split must lie between 0 and 1, got {fraction}")
    values = np.asarray(labels)
    held: list[Indices] = [np.empty(0, dtype=np.int64)]
    for label in np.unique(values):
        members = rng.permutation(np.flatnonzero(values == label))
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        held.append(members[:count])
    chosen = np.sort(np.concatenate(held))
    if not len(chosen):
        raise DataError(f"no class of these {len(values)} images has two of them, so none can be set apart; add images")
    return np.setdiff1d(np.arange(len(values)), chosen, assume_unique=True), chosen


def subset(split: Split, count: int, seed: int) -> Split:
    """`count` images of `split` with its shares of the classes, each class with at least one while `count` allows.

    Where it allows fewer, classes are drawn: those that come first in the alphabet are often alike.

    Raises:
        InvalidValue: `count` is not between 1 and the number of images.
    """
    if not 1 <= count <= len(split):
        raise InvalidValue(f"a subset needs 1 to {len(split)} images, got {count}")
    present, sizes = np.unique(split.labels, return_counts=True)
    order = stream(seed, "data.subset: classes").permutation(len(present))  # equal claims are met in it
    quotas = np.empty(len(present), dtype=np.int64)
    quotas[order] = _quotas(sizes[order], count)
    rng = stream(seed, "data.subset")
    chosen = [
        rng.permutation(np.flatnonzero(split.labels == label))[:quota]
        for label, quota in zip(present, quotas, strict=True)
    ]
    return split.take(np.sort(np.concatenate(chosen)))


def _quotas(sizes: npt.NDArray[np.int64], count: int) -> Sequence[int]:
    """Whole shares of `count` in proportion to `sizes` (largest remainders), at least 1 each while `count` allows."""
    least = np.full(len(sizes), 1 if count >= len(sizes) else 0)
    exact = sizes * count / sizes.sum()
    shares = np.maximum(np.floor(exact).astype(np.int64), least)
    while shares.sum() < count:
        shares[np.argmax(np.where(shares < sizes, exact - shares, -np.inf))] += 1
    while shares.sum() > count:
        shares[np.argmin(np.where(shares > least, exact - shares, np.inf))] -= 1
    return [int(share) for share in shares]
