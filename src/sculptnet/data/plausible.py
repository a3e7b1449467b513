"""Doubts about a data set as a whole: what makes training pointless, and what makes its result mean little."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import numpy.typing as npt

from sculptnet.data.images import Files, ImageData, Split
from sculptnet.data.names import examples
from sculptnet.data.survey import Survey
from sculptnet.errors import DataError
from sculptnet.files import printable

NO_PICTURE = 2  # pixels a side up to which an image shows nothing
TINY = 8  # pixels a side; below them there is little to see
ONE_ANSWER = 0.95  # share of a class from which accuracy alone says nothing
ONE_PICTURE = 0.2  # share of one picture among the images from which it is named
FEWEST_ALIKE = 5  # images that are one picture by chance or by design
COMPARED = 32  # pixels a side at which images are compared that have equal thumbnails


def check_plausible(data: ImageData) -> None:
    """Refuses data that nothing can be learned from, before time is spent on it.

    Raises:
        DataError: all images are one picture, or none has more than 2 pixels along its shorter side.
    """
    survey = _both(data)
    problem = _too_small(survey) or _all_alike(data, survey)
    if problem:
        raise DataError(f"data set {data.name}: {problem}")


def _both(data: ImageData) -> Survey:
    train, test = data.train.survey(), data.test.survey()
    names = [column.name for column in fields(Survey)]
    return Survey(**{name: np.concatenate([getattr(train, name), getattr(test, name)]) for name in names})


def _too_small(survey: Survey) -> str | None:
    largest = int(survey.sizes.min(axis=1).max())
    if largest > NO_PICTURE:
        return None
    return (
        f"no image is larger than {largest} px along its shorter side, which shows nothing; look at the files, they "
        "may be placeholders or were resized to the wrong size"
    )


def _all_alike(data: ImageData, survey: Survey) -> str | None:
    if not (survey.thumbnails == survey.thumbnails[0]).all():
        return None
    if len(np.unique(survey.digests)) > 1 and not _same_pixels(data):
        return None
    level = np.unique(survey.thumbnails[0])
    what = f"of one brightness alone ({level[0]} of 255)" if len(level) == 1 else "one and the same picture"
    return (
        f"all {len(survey):,} images are {what}, e.g. {_name(data.train, 0)}, so no class can be told from another; "
        "look at the files: an export or a download may have failed, or values of another range were cut off"
    )


def _same_pixels(data: ImageData) -> bool:
    """Whether all images are equal in colour too; reads them until one differs."""
    first: npt.NDArray[np.uint8] | None = None
    for split in (data.train, data.test):
        for index in range(len(split)):
            pixels = np.asarray(split.image(index).resize((COMPARED, COMPARED)))
            first = pixels if first is None else first
            if not np.array_equal(pixels, first):
                return False
    return True


def doubts(data: ImageData, train: Survey, test: Survey) -> tuple[str, ...]:
    """What makes a result mean little, in sentences for the user; the surveys are those of the splits."""
    found = [
        _one_answer(data),
        _classes_like_images(data),
        _classes_alike(data),
        _one_picture(data, train, test),
        _tiny(train, test),
        _flat(train, test),
    ]
    return tuple(sentence for sentence in found if sentence)


def _one_answer(data: ImageData) -> str | None:
    counts = np.bincount(data.train.labels, minlength=len(data.classes))
    largest = int(counts.argmax())
    share = counts[largest] / counts.sum()
    if share < ONE_ANSWER:
        return None
    right = float((data.test.labels == largest).mean())
    return (
        f"{share:.1%} of the training images are of class {data.classes[largest]!r}: a network that always answers so "
        f"is right on {right:.1%} of the test images. Judge by the balanced accuracy, and give more images of the rest"
    )


def _classes_like_images(data: ImageData) -> str | None:
    if len(data.train) >= 2 * len(data.classes):
        return None
    return (
        f"{len(data.classes)} classes have only {len(data.train)} training images: are the folders classes, and not "
        "single objects, persons or dates?"
    )


def _classes_alike(data: ImageData) -> str | None:
    known: dict[str, list[str]] = {}
    for name in data.classes:
        known.setdefault(" ".join(name.casefold().replace("_", " ").replace("-", " ").split()), []).append(name)
    alike = [" and ".join(map(repr, names)) for names in known.values() if len(names) > 1]
    return f"classes whose names differ in case or spaces alone: {examples(alike)}; are they one?" if alike else None


def _one_picture(data: ImageData, train: Survey, test: Survey) -> str | None:
    digests = np.concatenate([train.digests, test.digests])
    _, first, counts = np.unique(digests, return_index=True, return_counts=True)
    most = int(counts.argmax())
    if counts[most] < max(FEWEST_ALIKE, ONE_PICTURE * len(digests)):
        return None
    index = int(first[most])
    shown = _name(data.train, index) if index < len(data.train) else _name(data.test, index - len(data.train))
    return (
        f"{counts[most]} of {len(digests)} files are one and the same picture, e.g. {shown}; if it stands in for "
        "missing ones, remove it"
    )


def _tiny(train: Survey, test: Survey) -> str | None:
    middle = float(np.median(np.concatenate([train.sizes, test.sizes]).min(axis=1)))
    return f"half of the images have at most {middle:g} px along a side; little can be seen" if middle < TINY else None


def _flat(train: Survey, test: Survey) -> str | None:
    thumbnails = np.concatenate([train.thumbnails, test.thumbnails]).reshape(len(train) + len(test), -1)
    flat = int((thumbnails.min(axis=1) == thumbnails.max(axis=1)).sum())
    if flat < max(FEWEST_ALIKE, ONE_PICTURE * len(thumbnails)):
        return None
    return f"{flat} of {len(thumbnails)} images have the same brightness everywhere, as if they were empty"


def _name(split: Split, index: int) -> str:
    return printable(split.names[index]) if isinstance(split, Files) else f"image {index}"
