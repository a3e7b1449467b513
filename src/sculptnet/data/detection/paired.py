"""Two detectors on the same photographs: how far their mean average precisions lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sculptnet.data.detection.score import Detected, score_boxes
from sculptnet.data.detection.split import BoxSplit
from sculptnet.streams import stream

GROUPS = 10  # of photographs that are left out in turn
STUDENT_95 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # by degrees of freedom
LEAST_LOSS = 0.001  # of mAP; less is no loss whoever measures it


@final
@dataclass(frozen=True)
class PairedMap:
    """The mAP of one detector minus that of another.

    Attributes:
        difference: -1..1.
        interval: its 95 % interval by the jackknife: groups of photographs, drawn at random, are left out in turn. None
            where the difference is no loss worth the name, or where fewer than three groups can be left out.
    """

    difference: float
    interval: tuple[float, float] | None

    @property
    def worse(self) -> bool:
        """Whether the first is worse beyond chance: its whole interval lies below 0."""
        return self.interval is not None and self.interval[1] < 0


def compare_maps(
    split: BoxSplit, this: Sequence[Detected], other: Sequence[Detected], classes: Sequence[str], seed: int
) -> PairedMap:
    """`this` against `other`, what two detectors find in the photographs of `split`; errors as of `score_boxes`.

    Reference: Efron and Tibshirani, An introduction to the bootstrap (1993), section 11.5, the delete-d jackknife.
    """
    everything = np.arange(len(split))
    whole = _difference(split, this, other, classes, everything)
    if whole > -LEAST_LOSS:
        return PairedMap(whole, None)
    order = stream(seed, "paired.maps").permutation(len(split))
    groups = [np.setdiff1d(everything, left_out) for left_out in np.array_split(order, min(GROUPS, len(split)))]
    kept = [rows for rows in groups if any(_seen(split, int(row)) for row in rows)]
    values = np.array([_difference(split, this, other, classes, rows) for rows in kept])
    freedom = len(values) - 1
    if freedom not in STUDENT_95:
        return PairedMap(whole, None)
    half = STUDENT_95[freedom] * math.sqrt(freedom / len(values) * float(((values - values.mean()) ** 2).sum()))
    return PairedMap(whole, (whole - half, whole + half))


def _seen(split: BoxSplit, row: int) -> bool:
    """Whether a photograph has an object to be found."""
    return not bool(split.boxes[row].ignored.all())


def _difference(
    split: BoxSplit,
    this: Sequence[Detected],
    other: Sequence[Detected],
    classes: Sequence[str],
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> float:
    part = split.take(rows)
    first, second = (score_boxes(part, [found[row] for row in rows.tolist()], classes).ap for found in (this, other))
    return first - second
