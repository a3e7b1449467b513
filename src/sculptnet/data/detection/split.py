"""Photographs with boxes: what a training and an evaluation see."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sculptnet.data.detection.store import Store
from sculptnet.data.formats import open_image
from sculptnet.data.preprocessing import to_rgb
from sculptnet.data.white import FULL, WhiteLevels
from sculptnet.errors import DataError
from sculptnet.machine_limits import cores


class Boxes(NamedTuple):
    """The objects in one photograph.

    Attributes:
        corners: left, top, right, bottom, float32 `(n, 4)`, pixels of the photograph, inside it, of some area.
        labels: class indices, int64 `(n,)`.
        ignored: bool `(n,)`: difficult ones (VOC) and crowds (COCO); not trained on, and in an evaluation neither hit
            nor missed.
    """

    corners: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]


@final
@dataclass(frozen=True, eq=False)
class BoxSplit:
    """Photographs with their objects.

    Attributes:
        store, names: the files.
        sizes: width and height as seen (after EXIF rotation), pixels, `(n, 2)`.
        digests: 64 bits of a hash of each file, `(n,)`.
        boxes: the objects of each photograph.
        levels: what is white in photographs of more than 8 bits.
        decoded: the photographs as uint8 `(height, width, 3)`, where they are held in memory.
    """

    store: Store
    names: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    boxes: tuple[Boxes, ...]
    levels: WhiteLevels = FULL
    decoded: tuple[npt.NDArray[np.uint8], ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def num_boxes(self) -> int:
        """Objects in all photographs, ignored ones included."""
        return sum(len(boxes.labels) for boxes in self.boxes)

    @property
    def num_bytes(self) -> int:
        """Of all photographs, decoded."""
        return int(self.sizes.prod(axis=1).sum()) * 3

    def image(self, index: int) -> Image.Image:
        """One photograph as 8-bit RGB.

        Raises:
            DataError: the file has changed and cannot be read any more.
        """
        if self.decoded is not None:
            return Image.fromarray(self.decoded[index])
        try:
            with open_image(io.BytesIO(self.store.read(self.names[index]))) as image:
                return to_rgb(image, self.levels)
        except OSError as error:
            raise DataError(f"{self.names[index]} could be read before and cannot be read now: {error}") from error

    def take(self, indices: npt.ArrayLike) -> BoxSplit:
        """The photographs `indices`, in that order."""
        rows = [int(row) for row in np.asarray(indices, dtype=np.int64)]
        return BoxSplit(
            self.store,
            tuple(self.names[row] for row in rows),
            self.sizes[rows],
            self.digests[rows],
            tuple(self.boxes[row] for row in rows),
            self.levels,
            None if self.decoded is None else tuple(self.decoded[row] for row in rows),
        )

    def held(self) -> BoxSplit:
        """The same with all photographs decoded in memory."""
        with ThreadPoolExecutor(cores()) as pool:
            arrays = pool.map(lambda index: np.asarray(self.image(index)), range(len(self)))
            return replace(self, decoded=tuple(arrays))

    def identity(self) -> str:
        """A hash of contents and objects, the same on every machine; names of files have no part in it."""
        digest = hashlib.sha256(self.digests.astype("<u8").tobytes())
        if self.levels != FULL:  # the same files, seen otherwise
            digest.update(repr(self.levels).encode())
        for boxes in self.boxes:
            digest.update(boxes.corners.astype("<f4").tobytes() + boxes.labels.astype("<i8").tobytes())
            digest.update(boxes.ignored.tobytes() + b"|")
        return digest.hexdigest()


@final
@dataclass(frozen=True, eq=False)
class BoxData:
    """A data set for detection.

    Attributes:
        name: a short name for reports.
        classes: names of the objects; labels are indices into them.
        train, monitor, test: the weights see the first, curves are drawn on the second, the third is read once.
        notes: what a reader of a result should know about the data.
        dropped: every box that was left out, with the reason.
    """

    name: str
    classes: tuple[str, ...]
    train: BoxSplit
    monitor: BoxSplit
    test: BoxSplit
    notes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the classes and all splits, the same on every machine."""
        parts = [*self.classes, *(split.identity() for split in (self.train, self.monitor, self.test))]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()

    def held(self, max_bytes: int) -> BoxData:
        """The same with the training photographs decoded in memory, where they take no more than `max_bytes`."""
        return replace(self, train=self.train.held()) if self.train.num_bytes <= max_bytes else self
