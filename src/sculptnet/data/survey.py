"""What one look at every image tells: sizes, contents, thumbnails, and which files cannot be read."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from sculptnet.data.preprocessing import WIDE_MODES, to_rgb
from sculptnet.state import Progress, no_progress

THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH = 8, 9  # what a difference hash of 64 bits compares
GREY_MODES = ("1", "L", "LA", "La", *WIDE_MODES)


@dataclass(frozen=True, eq=False)
class Survey:
    """Columns over images.

    Attributes:
        sizes: width and height as seen (after EXIF rotation), pixels, `(n, 2)`.
        digests: 64 bits of a hash of the contents, `(n,)`; equal for identical images.
        thumbnails: grey, `(n, 8, 9)`.
        exif_rotated, alpha, sixteen_bit, grey: `(n,)`.
    """

    sizes: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    thumbnails: npt.NDArray[np.uint8]
    exif_rotated: npt.NDArray[np.bool_]
    alpha: npt.NDArray[np.bool_]
    sixteen_bit: npt.NDArray[np.bool_]
    grey: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.digests)

    def take(self, indices: npt.NDArray[np.int64]) -> Survey:
        """The rows `indices`."""
        return Survey(**{column.name: getattr(self, column.name)[indices] for column in fields(self)})


class _Row(NamedTuple):
    size: tuple[int, int]
    digest: int
    thumbnail: npt.NDArray[np.uint8]
    exif_rotated: bool
    alpha: bool
    sixteen_bit: bool
    grey: bool


def survey_files(
    paths: Sequence[Path], progress: Progress = no_progress, num_threads: int = 0
) -> tuple[Survey, dict[int, str]]:
    """Reads and decodes every file once.

    Args:
        paths: image files.
        num_threads: decoding threads; 0 takes one per CPU core.

    Returns:
        A survey of the readable files in order, and the reason for each unreadable one by its index in `paths`.
    """
    rows, broken = [], {}
    with ThreadPoolExecutor(num_threads or os.cpu_count() or 1) as pool:
        for index, row in enumerate(pool.map(_look, paths)):
            if isinstance(row, str):
                broken[index] = row
            else:
                rows.append(row)
            progress("reading images", index + 1, len(paths))
    return _columns(rows), broken


def _columns(rows: Sequence[_Row]) -> Survey:
    def column(name: str, dtype: Any, *shape: int) -> npt.NDArray[Any]:
        return np.array([getattr(row, name) for row in rows], dtype=dtype).reshape(len(rows), *shape)

    return Survey(
        sizes=column("size", np.int64, 2),
        digests=column("digest", np.uint64),
        thumbnails=column("thumbnail", np.uint8, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH),
        exif_rotated=column("exif_rotated", np.bool_),
        alpha=column("alpha", np.bool_),
        sixteen_bit=column("sixteen_bit", np.bool_),
        grey=column("grey", np.bool_),
    )


def _look(path: Path) -> _Row | str:
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            return _row(image, content)
    except Exception as error:  # decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error
        if isinstance(error, UnidentifiedImageError):
            return "not an image"
        return str(error).split("\n")[0] or type(error).__name__


def _row(image: ImageFile, content: bytes) -> _Row:
    sixteen_bit = image.mode in WIDE_MODES or any(";16" in str(tile) for tile in image.tile)
    alpha, grey = image.has_transparency_data, image.mode in GREY_MODES
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    width, height = reversed(image.size) if orientation in (5, 6, 7, 8) else image.size
    image.draft(None, (64, 64))  # JPEG: the whole stream is still read, but few pixels are computed
    return _Row(
        size=(width, height),
        digest=content_digest(content),
        thumbnail=_thumbnail(to_rgb(image)),
        exif_rotated=orientation not in (0, 1),
        alpha=alpha,
        sixteen_bit=sixteen_bit,
        grey=grey,
    )


def content_digest(content: bytes) -> int:
    """64 bits of a hash of `content`."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    small = image.convert("L").resize((THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), Image.Resampling.BOX)
    return np.asarray(small)
