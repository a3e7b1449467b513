"""From a photograph to the numbers a network sees. Numpy and Pillow only: exported models repeat exactly this."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sculptnet.arch import from_json, to_json
from sculptnet.data.rgb import FULL_WHITE, UnusableError, as_rgb
from sculptnet.data.white import FULL, WhiteLevels
from sculptnet.errors import DataError, InvalidValue, collected


@final
@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a network, outside training.

    Attributes:
        resolution: height and width of the input, pixels.
        resize: the shorter side is resized to this many pixels (Pillow's bilinear filter), then the centre is cropped.
        mean, std: per RGB channel, of values in [0, 1]; subtracted, then divided by.
        white_level: the value that is white in images of more than 8 bits per channel; greater ones are clipped.
        float_white_level: the same for floating-point pixels; None refuses them.
    """

    resolution: int
    resize: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    white_level: int = FULL_WHITE
    float_white_level: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.resolution < 1:
            problems.append(f"resolution must be at least 1 pixel, got {self.resolution}")
        if self.resize < self.resolution:
            problems.append(f"resize must be at least the resolution, {self.resolution}, got {self.resize}")
        if len(self.mean) != 3 or len(self.std) != 3:
            problems.append(f"mean and std need 3 values, one per channel, got {len(self.mean)} and {len(self.std)}")
        if not all(value > 0 for value in self.std):
            problems.append(f"std must be above 0, got {self.std}")
        try:
            WhiteLevels(self.white_level, self.float_white_level)
        except InvalidValue as error:
            problems.append(str(error))
        if problems:
            raise InvalidValue(collected(problems, "Preprocessing"))

    @property
    def levels(self) -> WhiteLevels:
        """Both levels."""
        return WhiteLevels(self.white_level, self.float_white_level)

    def to_json(self) -> Any:
        """Plain JSON data."""
        return to_json(self)

    @classmethod
    def from_json(cls, data: Any) -> Preprocessing:
        """What `to_json` wrote; errors as of `preprocessing_from_json`."""
        return preprocessing_from_json(data)

    def at(self, resolution: int) -> Preprocessing:
        """The same for a network of another resolution: `resize` is scaled with it."""
        resize = max(resolution, round(self.resize * resolution / self.resolution))
        return replace(self, resolution=resolution, resize=resize)


def preprocessing_from_json(data: Any) -> Preprocessing:
    """What `arch.to_json` wrote of a `Preprocessing`.

    Raises:
        InvalidValue: it is something else.
    """
    value = from_json(data, (Preprocessing,))
    if not isinstance(value, Preprocessing):
        raise InvalidValue(f"JSON: expected an object of kind Preprocessing, got {type(value).__name__}")
    return value


def to_rgb(image: Image.Image, levels: WhiteLevels = FULL) -> Image.Image:
    """`image`, as it was opened, as 8-bit RGB; see `rgb.as_rgb`.

    Raises:
        DataError: the pixels cannot be turned into 8-bit RGB without a guess; the message says what to do.
    """
    try:
        return as_rgb(image, levels.integers, levels.floats)
    except UnusableError as error:
        raise DataError(str(error)) from error


def central_square(image: Image.Image, side: int) -> Image.Image:
    """The largest central square, resized to `side` pixels: the shorter side resized, the longer one cropped.

    Only the square is computed, so a very long image costs no more than a square one.
    """
    width, height = image.size
    shorter = min(width, height)
    left, top = (width - shorter) // 2, (height - shorter) // 2
    box = (left, top, left + shorter, top + shorter)
    if shorter == side:
        return image.crop(box) if width != height else image
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def pixels(image: Image.Image, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """The resized and cropped image before normalisation, `(resolution, resolution, 3)`."""
    square = central_square(to_rgb(image, preprocessing.levels), preprocessing.resize)
    start = (preprocessing.resize - preprocessing.resolution) // 2
    stop = start + preprocessing.resolution
    return np.asarray(square)[start:stop, start:stop]


def prepare(image: Image.Image, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """The network's input for `image`, float32 `(3, resolution, resolution)`, normalised."""
    values = pixels(image, preprocessing).astype(np.float32) / np.float32(255)
    mean, std = np.array(preprocessing.mean, dtype=np.float32), np.array(preprocessing.std, dtype=np.float32)
    return np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1))
