from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sculptnet.accuracy import Accuracy, wilson
from sculptnet.errors import InvalidValue

# class 0: 3 of 4 right; class 1: 1 of 2 right; class 2: no images
EXAMPLE = Accuracy.from_predictions([0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 1, 1], 3)


def test_confusion_has_true_classes_in_rows() -> None:
    assert EXAMPLE.confusion == ((3, 1, 0), (0, 1, 1), (0, 0, 0))
    assert EXAMPLE.num_images == 6


def test_top1_is_the_fraction_on_the_diagonal() -> None:
    assert EXAMPLE.top1 == 4 / 6


def test_balanced_leaves_absent_classes_out() -> None:
    assert EXAMPLE.balanced == (3 / 4 + 1 / 2) / 2


def test_per_class_says_nothing_about_absent_classes() -> None:
    recall, low, high = EXAMPLE.per_class()[2]
    assert math.isnan(recall)
    assert (low, high) == (0.0, 1.0)
    assert EXAMPLE.per_class()[0] == (0.75, *wilson(3, 4))


def test_wilson_matches_a_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (Wilson without continuity correction).
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (5, 7), (900, 1000)])
def test_wilson_contains_the_estimate_and_is_symmetric(right: int, count: int) -> None:
    low, high = wilson(right, count)
    assert 0 <= low <= right / count <= high <= 1
    assert wilson(count - right, count) == pytest.approx((1 - high, 1 - low))


def test_json_round_trip() -> None:
    data = json.loads(json.dumps(EXAMPLE.to_json()))
    assert Accuracy.from_json(data) == EXAMPLE
    assert data["top1_interval"] == list(EXAMPLE.interval())


def test_counts_agree_with_a_loop() -> None:
    rng = np.random.default_rng(0)
    predicted, labels = rng.integers(5, size=(2, 200))
    result = Accuracy.from_predictions(predicted, labels, 5)
    assert result.top1 == float((predicted == labels).mean())
    assert result.confusion[3][1] == int(((labels == 3) & (predicted == 1)).sum())


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"predictions must lie in 0\.\.2, got 0\.\.3"):
        Accuracy.from_predictions([0, 3], [0, 1], 3)
    with pytest.raises(InvalidValue, match=r"\(1,\) predictions for \(2,\) labels"):
        Accuracy.from_predictions([0], [0, 1], 3)
    with pytest.raises(InvalidValue, match="at least one image, got none"):
        Accuracy.from_predictions([], [], 3)
    with pytest.raises(InvalidValue, match=r"square, got rows of \[1, 2\]"):
        Accuracy(((1,), (1, 2)))
    with pytest.raises(InvalidValue, match="`confusion` must be a list of rows, got None"):
        Accuracy.from_json({"top1": 1.0})
