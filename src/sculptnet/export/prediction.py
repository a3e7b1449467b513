"""Classes of photographs, from an exported file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from sculptnet.data.formats import open_image, raw_file
from sculptnet.data.preprocessing import Preprocessing, prepare
from sculptnet.errors import DataError, InvalidValue, collected
from sculptnet.export.session import Images, OnnxModel
from sculptnet.files import at_home

UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    struct.error,
    Image.DecompressionBombError,
)  # what Pillow's readers raise


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network thinks of some photos.

    Attributes:
        photos: the files, in the order they were given.
        classes: names, in the order of the columns.
        probabilities: float64 `(photos, classes)`, rows sum to 1.
    """

    photos: tuple[Path, ...]
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]

    def best(self, count: int = 1) -> tuple[tuple[tuple[str, float], ...], ...]:
        """For each photo the `count` most probable classes with their probabilities, best first."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return tuple(
            tuple((self.classes[index], float(row[index])) for index in indices)
            for row, indices in zip(self.probabilities, order, strict=True)
        )


def predict(path: Path | str, photos: Sequence[Path | str], *, threads: int = 1) -> Predictions:
    """Classifies photos with an exported file, prepared as the file says; `model/predict.py` does exactly the same.

    Photos are run one at a time, so none depends on the others.

    Args:
        path: an .onnx file that SculptNet exported.
        photos: image files, in any format that Pillow reads.
        threads: of ONNX Runtime.

    Raises:
        InvalidValue: with everything that is wrong with the file and with each photo.
    """
    files = tuple(at_home(Path(photo)) for photo in photos)
    problems = [] if files else ["no photos were given; name at least one image file"]
    model, metadata = None, None
    try:
        model = OnnxModel(path, threads=threads)
        metadata = model.metadata
    except InvalidValue as error:
        problems.append(str(error))
    rows = []
    for photo in files:
        try:
            image = read_photo(photo, None if metadata is None else metadata.preprocessing)
            if model is not None and metadata is not None:
                rows.append(softmax(model.logits(image[None])[0]))
        except InvalidValue as error:
            problems.append(str(error))
    if problems or metadata is None:
        raise InvalidValue(collected(problems, "predict"))
    if len(metadata.classes) != len(rows[0]):
        raise InvalidValue(
            f"predict: {path} names {len(metadata.classes)} classes for {len(rows[0])} logits; export the network again"
        )
    return Predictions(files, metadata.classes, np.stack(rows))


def read_photo(photo: Path, preprocessing: Preprocessing | None) -> Images:
    """The network's input for the image file `photo`, `(3, resolution, resolution)`; without preprocessing, none.

    Raises:
        InvalidValue: there is no such file, or it is no image; the message names it.
    """
    if not photo.is_file():
        what = "is a folder; name the image files in it" if photo.is_dir() else "does not exist; check the path"
        raise InvalidValue(f"{photo} {what}")
    raw = raw_file(photo.name)
    if raw is not None:
        raise InvalidValue(f"{photo} is {raw}")
    try:
        with open_image(photo) as image:
            if preprocessing is None:
                image.load()
                return np.empty(0, np.float32)
            return prepare(image, preprocessing)
    except DataError as error:
        raise InvalidValue(f"{photo}: {error}") from error
    except UNREADABLE as error:
        reason = "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InvalidValue(f"{photo} cannot be read as an image ({reason}); name whole JPEG, PNG, ... files") from error


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The probabilities of one image's logits, `(classes,)`."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())
