"""What one look at every image tells: sizes, contents, thumbnails, and which files cannot be read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from sculptnet.data.formats import open_image, raw_file, reason
from sculptnet.data.preprocessing import to_rgb
from sculptnet.data.rgb import FULL_WHITE, WIDE_MODES, raw_modes, wide_values
from sculptnet.data.white import Depths, WhiteLevels, white_level
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress

THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH = 8, 9  # what a difference hash of 64 bits compares
GREY_MODES = ("1", "L", "LA", "La", "F", *WIDE_MODES)


@dataclass(frozen=True, eq=False)
class Survey:
    """Columns over images.

    Attributes:
        sizes: width and height as seen (after EXIF rotation), pixels, `(n, 2)`.
        digests: 64 bits of a hash of the contents, `(n,)`; equal for identical images.
        thumbnails: grey, `(n, 8, 9)`; until `at` is called, by each image's own white level.
        exif_rotated, alpha, grey: `(n,)`.
        sixteen_bit, floating: more than 8 bits per channel, whole or floating-point numbers, `(n,)`.
        greatest: the greatest value of those; 0 of others, `(n,)`.
        lost: one colour remains of a picture, `(n,)`.
        more_frames: several frames or pages, of which the first is used, `(n,)`.
    """

    sizes: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    thumbnails: npt.NDArray[np.uint8]
    exif_rotated: npt.NDArray[np.bool_]
    alpha: npt.NDArray[np.bool_]
    sixteen_bit: npt.NDArray[np.bool_]
    floating: npt.NDArray[np.bool_]
    greatest: npt.NDArray[np.float64]
    lost: npt.NDArray[np.bool_]
    more_frames: npt.NDArray[np.bool_]
    grey: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def depths(self) -> Depths:
        """What decides which value is white."""
        return Depths(self.sixteen_bit, self.floating, self.greatest, self.alpha, self.lost)

    def at(self, levels: WhiteLevels) -> Survey:
        """The same, of images that are seen by `levels`."""
        deep = self.greatest > 0
        if not deep.any():
            return self
        own = [
            white_level(greatest, floating=floating)
            for greatest, floating in zip(self.greatest[deep].tolist(), self.floating[deep].tolist(), strict=True)
        ]
        factors = np.ones(len(self))
        factors[deep] = np.array(own) / self.depths.white(levels)[deep]
        thumbnails = np.minimum(np.rint(self.thumbnails * factors[:, None, None]), 255).astype(np.uint8)
        return replace(self, thumbnails=thumbnails)

    def take(self, indices: npt.NDArray[np.int64]) -> Survey:
        """The rows `indices`."""
        return Survey(**{column.name: getattr(self, column.name)[indices] for column in fields(self)})


class Look(NamedTuple):
    """One image's row of a `Survey`."""

    size: tuple[int, int]
    digest: int
    thumbnail: npt.NDArray[np.uint8]
    exif_rotated: bool
    alpha: bool
    sixteen_bit: bool
    floating: bool
    greatest: float
    lost: bool
    more_frames: bool
    grey: bool


def survey_files(
    paths: Sequence[Path], progress: Progress = no_progress, num_threads: int = 0
) -> tuple[Survey, dict[int, str]]:
    """Reads and decodes every file once.

    Args:
        paths: image files.
        num_threads: decoding threads; 0 takes one per core that this process may use.

    Returns:
        A survey of the readable files in order, and the reason for each unreadable one by its index in `paths`.
    """
    rows, broken = [], {}
    with ThreadPoolExecutor(num_threads or cores()) as pool:
        for index, row in enumerate(pool.map(_look, paths)):
            if isinstance(row, str):
                broken[index] = row
            else:
                rows.append(row)
            progress("reading images", index + 1, len(paths))
    return survey_of(rows), broken


def survey_of(rows: Sequence[Look]) -> Survey:
    """The rows as columns."""

    def column(name: str, dtype: Any, *shape: int) -> npt.NDArray[Any]:
        return np.array([getattr(row, name) for row in rows], dtype=dtype).reshape(len(rows), *shape)

    return Survey(
        sizes=column("size", np.int64, 2),
        digests=column("digest", np.uint64),
        thumbnails=column("thumbnail", np.uint8, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH),
        exif_rotated=column("exif_rotated", np.bool_),
        alpha=column("alpha", np.bool_),
        sixteen_bit=column("sixteen_bit", np.bool_),
        floating=column("floating", np.bool_),
        greatest=column("greatest", np.float64),
        lost=column("lost", np.bool_),
        more_frames=column("more_frames", np.bool_),
        grey=column("grey", np.bool_),
    )


def _look(path: Path) -> Look | str:
    raw = raw_file(path.name)
    if raw is not None:
        return raw
    try:
        content = path.read_bytes()
    except OSError as error:
        return error.strerror or type(error).__name__
    try:
        return look_at(content)
    except Exception as error:  # decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error
        return reason(error, content[:1024])


def look_at(content: bytes) -> Look:
    """What is known of the image file `content`; raises whatever Pillow raises if it is damaged."""
    with open_image(io.BytesIO(content)) as image:
        sixteen_bit = image.mode in WIDE_MODES or any(";16" in mode for mode in raw_modes(image))
        floating, more_frames = image.mode == "F", image.format != "MPO" and getattr(image, "is_animated", False)
        alpha, grey = image.has_transparency_data, image.mode in GREY_MODES
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        width, height = reversed(image.size) if orientation in (5, 6, 7, 8) else image.size
        small = image.draft(None, (64, 64))  # JPEG: the whole stream is still read, but few pixels are computed
        greatest = _greatest(image) if sixteen_bit or floating else 0.0
        rgb = to_rgb(image, _own_levels(greatest, floating=floating))
        return Look(
            size=(width, height) if small else rgb.size,  # Pillow turns TIFF files when they are loaded
            digest=content_digest(content),
            thumbnail=_thumbnail(rgb),
            exif_rotated=orientation not in (0, 1),
            alpha=alpha,
            sixteen_bit=sixteen_bit,
            floating=floating,
            greatest=greatest,
            lost=_flat(rgb) and not _flat(image),
            more_frames=bool(more_frames),
            grey=grey,
        )


def _greatest(image: ImageFile) -> float:
    values = wide_values(image)
    return 0.0 if values is None else float((values[..., :3] if values.ndim == 3 else values).max())


def _own_levels(greatest: float, *, floating: bool) -> WhiteLevels:
    level = white_level(greatest, floating=floating)
    return WhiteLevels(floats=level) if floating else WhiteLevels(int(level) if greatest else FULL_WHITE)


def _flat(image: Image.Image) -> bool:
    """Whether all pixels are equal."""
    extrema = image.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(low == high for low, high in bands)


def content_digest(content: bytes) -> int:
    """64 bits of a hash of `content`."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    small = image.convert("L").resize((THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), Image.Resampling.BOX)
    return np.asarray(small)
