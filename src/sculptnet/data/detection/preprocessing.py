"""From a photograph to a detector's input. Numpy and Pillow only: exported models repeat exactly this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sculptnet.arch import from_json, to_json
from sculptnet.data.detection.split import BoxSplit
from sculptnet.data.preprocessing import to_rgb
from sculptnet.data.rgb import FULL_WHITE
from sculptnet.data.white import FULL, WhiteLevels
from sculptnet.errors import InvalidValue, collected
from sculptnet.streams import stream

STATISTICS_IMAGES = 200


@final
@dataclass(frozen=True)
class BoxPreprocessing:
    """How a photograph becomes a detector's input: the whole of it, stretched to a square, as SSD does.

    Attributes:
        size: height and width of the input, pixels (Pillow's bilinear filter).
        mean, std: per RGB channel, of values in [0, 1]; subtracted, then divided by.
        white_level, float_white_level: see `Preprocessing`.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    white_level: int = FULL_WHITE
    float_white_level: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.size < 1:
            problems.append(f"size must be at least 1 pixel, got {self.size}")
        if len(self.mean) != 3 or len(self.std) != 3:
            problems.append(f"mean and std need 3 values, one per channel, got {len(self.mean)} and {len(self.std)}")
        if not all(value > 0 for value in self.std):
            problems.append(f"std must be above 0, got {self.std}")
        try:
            WhiteLevels(self.white_level, self.float_white_level)
        except InvalidValue as error:
            problems.append(str(error))
        if problems:
            raise InvalidValue(collected(problems, "BoxPreprocessing"))

    @property
    def levels(self) -> WhiteLevels:
        """Both levels."""
        return WhiteLevels(self.white_level, self.float_white_level)

    def to_json(self) -> Any:
        """Plain JSON data."""
        return to_json(self)

    @classmethod
    def from_json(cls, data: Any) -> BoxPreprocessing:
        """What `to_json` wrote; raises `InvalidValue` for something else."""
        value = from_json(data, (BoxPreprocessing,))
        if not isinstance(value, BoxPreprocessing):
            raise InvalidValue(f"JSON: expected an object of kind BoxPreprocessing, got {type(value).__name__}")
        return value


def stated_preprocessing(stated: Mapping[str, Any]) -> BoxPreprocessing:
    """What `arch.to_json` wrote of a `BoxPreprocessing`; older files state no white levels, and mean the full range."""
    return BoxPreprocessing(
        stated["size"],
        tuple(stated["mean"]),
        tuple(stated["std"]),
        stated.get("white_level", FULL_WHITE),
        stated.get("float_white_level"),
    )


def stretched(image: Image.Image, size: int, levels: WhiteLevels = FULL) -> npt.NDArray[np.uint8]:
    """The whole image, as it was opened, as 8-bit RGB, `(size, size, 3)`."""
    return np.asarray(to_rgb(image, levels).resize((size, size), Image.Resampling.BILINEAR))


def normalised_pixels(pixels: npt.NDArray[np.uint8], preprocessing: BoxPreprocessing) -> npt.NDArray[np.float32]:
    """uint8 `(..., size, size, 3)` to normalised float32 `(..., 3, size, size)`."""
    mean, std = np.array(preprocessing.mean, dtype=np.float32), np.array(preprocessing.std, dtype=np.float32)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(np.moveaxis(values, -1, -3))


def prepare_photo(image: Image.Image, preprocessing: BoxPreprocessing) -> npt.NDArray[np.float32]:
    """The detector's input for `image`, float32 `(3, size, size)`, normalised."""
    return normalised_pixels(stretched(image, preprocessing.size, preprocessing.levels), preprocessing)


def box_preprocessing(train: BoxSplit, size: int, seed: int = 0) -> BoxPreprocessing:
    """Mean and standard deviation of (a sample of) the training photographs."""
    chosen = stream(seed, "boxes.statistics").permutation(len(train))[:STATISTICS_IMAGES]
    sums, squares = np.zeros(3), np.zeros(3)
    for index in chosen:
        values = stretched(train.image(int(index)), size).reshape(-1, 3).astype(np.int64)
        sums, squares = sums + values.sum(axis=0), squares + (values**2).sum(axis=0)
    count = len(chosen) * size**2
    mean = sums / count / 255
    std = np.sqrt(np.maximum(squares / count / 255**2 - mean**2, 0)).clip(1 / 255)  # flat images: no division by 0
    return BoxPreprocessing(size, _three(mean), _three(std), train.levels.integers, train.levels.floats)


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = values.round(6).tolist()
    return red, green, blue
