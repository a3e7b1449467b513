"""Paired comparisons: what is true of them by arithmetic, and McNemar's test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sculptnet.accuracy import Z_95
from sculptnet.errors import InvalidValue
from sculptnet.paired import Paired


def test_only_images_that_one_alone_gets_right_count() -> None:
    this = np.array([True, True, False, False, True])
    other = np.array([True, False, True, True, True])
    found = Paired.of(this, other)
    assert (found.only_this, found.only_other, found.num_images) == (1, 2, 5)
    assert found.difference == pytest.approx(this.mean() - other.mean())


@pytest.mark.parametrize("count", [15, 1000])
def test_the_interval_leaves_zero_out_exactly_where_mcnemars_test_rejects(count: int) -> None:
    for this in range(8):
        for other in range(8):
            found = Paired(this, other, count)
            low, high = found.interval()
            assert -1 <= low <= found.difference + 1e-12
            assert found.difference <= high + 1e-12
            assert found.worse == (high < 0) == (other - this > Z_95 * math.sqrt(this + other))


def test_intervals_of_swapped_classifiers_mirror_each_other() -> None:
    low, high = Paired(3, 17, 200).interval()
    assert Paired(17, 3, 200).interval() == pytest.approx((-high, -low))


def test_classifiers_that_never_differ_are_known_up_to_the_number_of_images() -> None:
    low, high = Paired(0, 0, 100).interval()
    assert (low, high) == pytest.approx((-(Z_95**2) / (100 + Z_95**2), Z_95**2 / (100 + Z_95**2)))
    assert not Paired(0, 0, 100).worse


def test_with_many_images_it_is_the_normal_interval() -> None:
    found = Paired(1500, 860, 16000)
    deviation = math.sqrt(1500 + 860 - (1500 - 860) ** 2 / 16000) / 16000
    assert found.interval() == pytest.approx((0.04 - Z_95 * deviation, 0.04 + Z_95 * deviation), abs=2e-4)


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(InvalidValue, match="the same images for both"):
        Paired.of(np.ones(3, dtype=np.bool_), np.ones(4, dtype=np.bool_))
