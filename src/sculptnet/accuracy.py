"""How often a classifier is right, with intervals, from the confusion matrix alone. Numpy only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from sculptnet.errors import InvalidValue, collected

Z_95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@final
@dataclass(frozen=True)
class Accuracy:
    """The result of classifying some images; everything is derived from the confusion matrix.

    Attributes:
        confusion: images of class `row` that were taken for class `column`, shape `(classes, classes)`.
    """

    confusion: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        problems = []
        if not self.confusion or any(len(row) != len(self.confusion) for row in self.confusion):
            problems.append(f"confusion must be square, got rows of {[len(row) for row in self.confusion]}")
        if any(not isinstance(count, int) or count < 0 for row in self.confusion for count in row):
            problems.append("confusion must hold whole numbers of at least 0")
        elif not sum(map(sum, self.confusion)):
            problems.append("confusion must count at least one image, got none")
        if problems:
            raise InvalidValue(collected(problems, "Accuracy"))

    @classmethod
    def from_predictions(cls, predicted: npt.ArrayLike, labels: npt.ArrayLike, num_classes: int) -> Accuracy:
        """Compares class indices, two vectors of equal length.

        Raises:
            InvalidValue: the lengths differ, there is no image, or an index is outside `0..num_classes - 1`.
        """
        columns, rows = np.asarray(predicted), np.asarray(labels)
        if columns.shape != rows.shape or rows.ndim != 1:
            raise InvalidValue(f"Accuracy: {columns.shape} predictions for {rows.shape} labels; both are (images,)")
        for name, values in (("predictions", columns), ("labels", rows)):
            if values.size and not (values.min() >= 0 and values.max() < num_classes):
                raise InvalidValue(
                    f"Accuracy: {name} must lie in 0..{num_classes - 1}, got {values.min()}..{values.max()}"
                )
        cells = rows.astype(np.int64) * num_classes + columns.astype(np.int64)
        counts = np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
        return cls(tuple(tuple(row) for row in counts.tolist()))

    @property
    def num_images(self) -> int:
        """The number of images."""
        return sum(map(sum, self.confusion))

    @property
    def _right(self) -> int:
        return sum(row[index] for index, row in enumerate(self.confusion))

    @property
    def top1(self) -> float:
        """The fraction of images whose predicted class is right, 0..1."""
        return self._right / self.num_images

    @property
    def balanced(self) -> float:
        """The mean recall over the classes that occur among the labels, 0..1; absent classes are left out."""
        recalls = [row[index] / sum(row) for index, row in enumerate(self.confusion) if sum(row)]
        return sum(recalls) / len(recalls)

    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `top1`."""
        return wilson(self._right, self.num_images)

    def per_class(self) -> tuple[tuple[float, float, float], ...]:
        """(recall, low, high) of each class with its 95 % Wilson interval; (nan, 0, 1) for a class without images."""
        return tuple(
            (row[index] / sum(row) if sum(row) else math.nan, *wilson(row[index], sum(row)))
            for index, row in enumerate(self.confusion)
        )

    def to_json(self) -> dict[str, Any]:
        """The confusion matrix, and what follows from it for readers without this class."""
        return {
            "top1": self.top1,
            "top1_interval": list(self.interval()),
            "balanced": self.balanced,
            "num_images": self.num_images,
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Accuracy:
        """What `to_json` wrote; only the confusion matrix is read.

        Raises:
            InvalidValue: there is no confusion matrix, or it is none.
        """
        rows = data.get("confusion") if isinstance(data, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise InvalidValue(f"Accuracy: `confusion` must be a list of rows, got {rows!r}")
        return cls(tuple(tuple(row) for row in rows))


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a probability, `(0, 1)` without trials.

    Reference: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if not trials:
        return 0.0, 1.0
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
