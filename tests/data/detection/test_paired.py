"""Which of two detectors is worse, on the same photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sculptnet.data.detection.paired import compare_maps
from sculptnet.data.detection.score import Detected
from sculptnet.data.detection.split import Boxes, BoxSplit
from sculptnet.data.detection.store import FolderStore

CLASSES = ("cell",)
OBJECT = (10.0, 10.0, 30.0, 30.0)


def split_of(count: int) -> BoxSplit:
    """Photographs of one object each."""
    one = Boxes(np.array([OBJECT], dtype=np.float32), np.zeros(1, np.int64), np.zeros(1, np.bool_))
    names = tuple(f"{index}.png" for index in range(count))
    digests = np.arange(count, dtype=np.uint64)
    return BoxSplit(FolderStore(Path()), names, np.full((count, 2), 100), digests, (one,) * count)


def found(finds: bool) -> Detected:
    rows = np.array([OBJECT] if finds else [], dtype=np.float32).reshape(-1, 4)
    return rows, np.full(len(rows), 0.9, np.float32), np.zeros(len(rows), np.int64)


def test_a_detector_is_no_worse_than_itself() -> None:
    split, results = split_of(12), [found(index % 2 == 0) for index in range(12)]
    compared = compare_maps(split, results, results, CLASSES, 0)
    assert (compared.difference, compared.interval, compared.worse) == (0.0, None, False)


def test_a_third_of_all_objects_lost_is_worse_and_one_of_many_may_be_chance() -> None:
    split, whole = split_of(30), [found(True)] * 30
    third = compare_maps(split, [found(index % 3 > 0) for index in range(30)], whole, CLASSES, 0)
    assert third.difference == pytest.approx(-1 / 3, abs=0.02)
    assert third.worse
    one = compare_maps(split, [found(index > 0) for index in range(30)], whole, CLASSES, 0)
    assert one.difference < 0
    assert one.interval is not None
    assert one.interval[0] < one.difference < one.interval[1]
    assert not one.worse


def test_two_photographs_say_nothing_of_chance() -> None:
    compared = compare_maps(split_of(2), [found(True), found(False)], [found(True)] * 2, CLASSES, 0)
    assert (compared.interval, compared.worse) == (None, False)
    assert compared.difference < 0
