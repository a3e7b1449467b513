"""Average precision: values that follow from its definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sculptnet.data.detection import BoxScore, score_boxes
from sculptnet.data.detection.score import Detected
from sculptnet.data.detection.split import Boxes, BoxSplit
from sculptnet.data.detection.store import FolderStore
from sculptnet.errors import InvalidValue

CLASSES = ("cell", "spot", "absent")


def split_of(*photos: Boxes) -> BoxSplit:
    count = len(photos)
    names = tuple(f"{index}.png" for index in range(count))
    return BoxSplit(FolderStore(Path()), names, np.full((count, 2), 100), np.arange(count, dtype=np.uint64), photos)


def boxes(*rows: tuple[float, float, float, float, int]) -> Boxes:
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), np.full(len(table), False))


def found(*rows: tuple[float, float, float, float, float, int]) -> Detected:
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    return table[:, :4], table[:, 4], table[:, 5].astype(np.int64)


ONE, TWO = (10, 10, 30, 30, 0), (50, 50, 90, 70, 1)


def test_everything_found_is_one_and_nothing_is_zero() -> None:
    split = split_of(boxes(ONE), boxes(TWO, ONE))
    perfect = score_boxes(split, [found((*ONE[:4], 0.9, 0)), found((*TWO[:4], 0.8, 1), (*ONE[:4], 0.7, 0))], CLASSES)
    assert [perfect.ap, perfect.ap50] == pytest.approx([1, 1])
    assert perfect.images == 2
    assert [one.boxes for one in perfect.classes] == [2, 1, 0]
    assert perfect.classes[2].ap is None
    assert perfect.classes[0].precision50 == (1.0,) * 101
    nothing = score_boxes(split, [found(), found()], CLASSES)
    assert (nothing.ap, nothing.ap50) == (0.0, 0.0)
    assert BoxScore.from_json(perfect.to_json()) == perfect


def test_a_box_counts_up_to_its_overlap() -> None:
    """An intersection over union of 0.62 passes 0.5, 0.55 and 0.6: three of ten thresholds."""
    shifted = (10, 10, 30, 10 + 20 * 0.62)
    score = score_boxes(split_of(boxes(ONE)), [found((*shifted, 0.9, 0))], CLASSES)
    assert score.ap50 == pytest.approx(1)
    assert score.ap == pytest.approx(0.3)


def test_half_of_the_objects_is_recall_up_to_one_half() -> None:
    """Precision is 1 at the recalls 0, 0.01 ... 0.5: 51 of 101."""
    score = score_boxes(split_of(boxes(ONE), boxes(ONE)), [found((*ONE[:4], 0.9, 0)), found()], CLASSES)
    assert score.ap50 == pytest.approx(51 / 101)


def test_ignored_boxes_are_neither_hit_nor_missed() -> None:
    both = boxes(ONE, TWO)
    crowd = both._replace(ignored=np.array([False, True]))
    with_hit = score_boxes(split_of(crowd), [found((*ONE[:4], 0.9, 0), (*TWO[:4], 0.95, 1))], CLASSES)
    assert with_hit.ap == pytest.approx(1)
    assert [one.boxes for one in with_hit.classes] == [1, 0, 0]


def test_results_must_fit_the_photographs() -> None:
    with pytest.raises(InvalidValue, match="1 results for 2 photographs"):
        score_boxes(split_of(boxes(ONE), boxes(TWO)), [found()], CLASSES)
    with pytest.raises(InvalidValue, match="none of the 1 photographs has a box"):
        score_boxes(split_of(boxes()), [found()], CLASSES)
