"""Two classifiers on the same images: whether one is worse than the other. Numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from sculptnet.accuracy import Z_95
from sculptnet.errors import InvalidValue

HALVINGS = 60  # of an interval of length 2: below the spacing of floats


@final
@dataclass(frozen=True)
class Paired:
    """How one classifier does against another, image by image. What both get right or both get wrong says nothing.

    Attributes:
        only_this, only_other: images that only this one, and only the other one, gets right.
        num_images: of the comparison.
    """

    only_this: int
    only_other: int
    num_images: int

    @classmethod
    def of(cls, this: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Paired:
        """From which images each gets right, two vectors of equal length.

        Raises:
            InvalidValue: the lengths differ, or there is no image.
        """
        if this.shape != other.shape or this.ndim != 1 or not len(this):
            raise InvalidValue(f"Paired: needs the same images for both, got {this.shape} and {other.shape}")
        return cls(int((this & ~other).sum()), int((other & ~this).sum()), len(this))

    @property
    def difference(self) -> float:
        """The top-1 accuracy of this one minus that of the other, -1..1."""
        return (self.only_this - self.only_other) / self.num_images

    def interval(self) -> tuple[float, float]:
        """The 95 % score interval of `difference`: 0 is outside where McNemar's test, uncorrected, finds them unequal.

        Reference: Tango, Equivalence test and confidence interval for the difference in proportions for the
        paired-sample design, Statistics in Medicine 17 (1998).
        """
        low = _root(lambda difference: self._score(difference) - Z_95)
        return low, _root(lambda difference: self._score(difference) + Z_95)

    @property
    def worse(self) -> bool:
        """Whether this one is worse beyond chance: its whole interval lies below 0."""
        return self.only_other - self.only_this > Z_95 * math.sqrt(self.only_this + self.only_other)

    def _score(self, difference: float) -> float:
        """The standardised distance of what was seen from a true `difference`; it falls as that rises."""
        this, other, count = self.only_this, self.only_other, self.num_images
        linear = (2 * count - this + other) * difference - this - other
        constant = -other * difference * (1 - difference)
        share = (math.sqrt(max(0.0, linear**2 - 8 * count * constant)) - linear) / (4 * count)
        variance = count * (2 * share + difference * (1 - difference))
        distance = this - other - count * difference
        if variance <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(variance)


def _root(falling: Callable[[float], float]) -> float:
    """Where a falling function of -1..1 changes its sign."""
    low, high = -1.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
