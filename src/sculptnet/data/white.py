"""Which value is white in images of more than 8 bits: decided from the training images, one rule for a data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from sculptnet.data.rgb import FULL_WHITE
from sculptnet.errors import DataError, InvalidValue, collected

GREATEST_FLOAT = 65535.0  # beyond are physical units and marks of missing pixels, not brightness
BLACK = 0.5 / 255  # of white; what stays below becomes 0


@final
@dataclass(frozen=True)
class WhiteLevels:
    """The values that become 255; greater ones are clipped.

    Attributes:
        integers: of whole numbers of more than 8 bits per channel.
        floats: of floating-point numbers; None refuses them.
    """

    integers: int = FULL_WHITE
    floats: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.integers < 1:
            problems.append(f"the white level must be at least 1, got {self.integers}")
        if self.floats is not None and not (self.floats > 0 and math.isfinite(self.floats)):
            problems.append(f"the white level of floating-point numbers must be above 0, got {self.floats}")
        if problems:
            raise InvalidValue(collected(problems, "WhiteLevels"))


FULL = WhiteLevels()


class Depths(NamedTuple):
    """What images hold, and what becomes of it; a row each, all `(n,)`.

    Attributes:
        wide: whole numbers of more than 8 bits per channel.
        floating: floating-point numbers.
        greatest: the greatest value of images of these two kinds; 0 of others, and where Pillow does not give all bits.
        alpha: an alpha channel.
        lost: one colour remains of a picture, whichever value is white.
    """

    wide: npt.NDArray[np.bool_]
    floating: npt.NDArray[np.bool_]
    greatest: npt.NDArray[np.float64]
    alpha: npt.NDArray[np.bool_]
    lost: npt.NDArray[np.bool_]

    def white(self, levels: WhiteLevels) -> npt.NDArray[np.float64]:
        """The level of each image; 255 of those of 8 bits."""
        deep = np.where(self.floating, levels.floats or 1.0, float(levels.integers))
        return np.where(self.wide | self.floating, deep, 255.0)

    def dark(self, levels: WhiteLevels) -> npt.NDArray[np.bool_]:
        """Which images of more than 8 bits become black, though they are not, since so much greater values occur."""
        return (self.greatest > 0) & (self.greatest < BLACK * self.white(levels))

    def clipped(self, levels: WhiteLevels) -> int:
        """How many images have values above the level."""
        return int(((self.wide | self.floating) & (self.greatest > self.white(levels))).sum())


def white_level(greatest: float, *, floating: bool) -> float:
    """The full range up to the next power of two: 255, 4095, 65535, ...; of floating-point numbers up to 1, 1."""
    if floating and greatest <= 1:
        return 1.0
    return float((1 << max(math.ceil(greatest).bit_length(), 1)) - 1)


def decided(train: Depths, test: Depths) -> tuple[WhiteLevels, tuple[str, ...]]:
    """The levels of a data set, from its training images alone, and what a reader should know of them.

    Raises:
        DataError: the test images are of a kind that no training image is of, or the numbers are no brightness.
    """
    problems: list[str] = []
    integers, floats = FULL_WHITE, None
    known = train.greatest[train.wide & (train.greatest > 0)]
    if len(known):
        integers = int(white_level(float(known.max()), floating=False))
    elif not train.wide.any():
        problems += _only_in_test(test.greatest[test.wide], "whole numbers of more than 8 bits", FULL_WHITE)
    if train.floating.any():
        greatest = float(train.greatest[train.floating].max())
        floats = white_level(greatest, floating=True)
        if greatest > GREATEST_FLOAT:
            problems.append(
                f"floating-point pixels go up to {greatest:g}, more than {GREATEST_FLOAT:g}: physical units or marks "
                "of missing pixels; scale the images of the whole data set by one rule to 16 bits without sign"
            )
    else:
        problems += _only_in_test(test.greatest[test.floating], "floating-point pixels", math.inf)
    if problems:
        raise DataError(collected(problems, "images of more than 8 bits"))
    levels = WhiteLevels(integers, floats)
    return levels, _notes(levels, train, test)


def _only_in_test(greatest: npt.NDArray[np.float64], what: str, enough: float) -> list[str]:
    """The problem of a kind of image that training has never seen, unless its values fill the range."""
    if not len(greatest) or white_level(float(greatest.max()), floating=False) == enough:
        return []
    return [
        f"{len(greatest)} test images have {what}, up to {greatest.max():g}, and no training image has: which value is "
        "white in them nothing tells; save all images in the same format"
    ]


def _notes(levels: WhiteLevels, train: Depths, test: Depths) -> tuple[str, ...]:
    total = len(train.wide) + len(test.wide)
    kinds = (
        ("more than 8 bits per channel", train.wide, test.wide, float(levels.integers)),
        ("floating-point pixels", train.floating, test.floating, levels.floats or 0.0),
    )
    notes, deep = [], 0
    for what, ours, theirs, level in kinds:
        count = int(ours.sum() + theirs.sum())
        deep += count
        if not count or level == FULL_WHITE:
            continue
        above = int((test.greatest[theirs] > level).sum())
        notes.append(
            f"{count} of {total} images have {what}, in training up to {train.greatest[ours].max():g}: {level:g} is "
            "white in every one of them, in the exported files too"
            + (f"; {above} test images have greater values, which are clipped" if above else "")
        )
    if 0 < deep < total:
        notes.append(f"{total - deep} of {total} images have 8 bits, of which 255 is white; the others have more")
    return tuple(notes)


def lost_pictures(depths: Depths, levels: WhiteLevels, names: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """How many images come out in one colour though their files hold a picture, and why, kind by kind."""
    dark = depths.dark(levels)
    kinds = (
        (
            depths.lost & depths.alpha,
            "laid over white, they are of one colour: it is in the alpha channel, or transparent all over; save it as "
            "grey or RGB images without alpha",
        ),
        (
            dark & ~depths.lost,
            "become black, since other images have values so much greater; scale all images by one rule, and clip what "
            "only a few pixels have",
        ),
        (
            depths.lost & ~depths.alpha,
            "come out in one colour, though their values differ (a palette of one colour?); save them as grey images "
            "or RGB",
        ),
    )
    found = []
    for rows, why in kinds:
        count = int(rows.sum())
        if count:
            first = names[int(np.flatnonzero(rows)[0])]
            found.append((count, f"{count} images, first {first}, hold a picture that is lost: {why}"))
    return tuple(found)


def refuse_lost(depths: Depths, levels: WhiteLevels, names: Sequence[str]) -> None:
    """Raises DataError if half of the training images or more lose their picture: nothing could be learned."""
    found = lost_pictures(depths, levels, names)
    if found and 2 * sum(count for count, _ in found) >= len(depths.lost):
        raise DataError(collected([text for _, text in found], f"of {len(depths.lost)} training images"))
