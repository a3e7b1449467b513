"""From a photograph to the numbers a network sees. Numpy and Pillow only: exported models repeat exactly this."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from sculptnet.arch import from_json
from sculptnet.errors import DataError, InvalidValue, collected

WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's grey images of 16 bits


@final
@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a network, outside training.

    Attributes:
        resolution: height and width of the input, pixels.
        resize: the shorter side is resized to this many pixels (Pillow's bilinear filter), then the centre is cropped.
        mean, std: per RGB channel, of values in [0, 1]; subtracted, then divided by.
    """

    resolution: int
    resize: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

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
        if problems:
            raise InvalidValue(collected(problems, "Preprocessing"))

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


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` as 8-bit RGB: turned as its EXIF tag says, alpha over white, 16 bits scaled to 8, grey widened.

    Raises:
        DataError: the pixels are floating-point numbers, whose range nothing states.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise DataError("pixels are floating-point numbers; images need 8 or 16 bits per channel: convert them first")
    if image.mode in WIDE_MODES:
        wide = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


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
    square = central_square(to_rgb(image), preprocessing.resize)
    start = (preprocessing.resize - preprocessing.resolution) // 2
    stop = start + preprocessing.resolution
    return np.asarray(square)[start:stop, start:stop]


def prepare(image: Image.Image, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """The network's input for `image`, float32 `(3, resolution, resolution)`, normalised."""
    values = pixels(image, preprocessing).astype(np.float32) / np.float32(255)
    mean, std = np.array(preprocessing.mean, dtype=np.float32), np.array(preprocessing.std, dtype=np.float32)
    return np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1))
