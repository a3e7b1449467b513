from __future__ import annotations

import math

import numpy as np
import pytest

from sculptnet.devices import Measurement, Timing
from sculptnet.devices.statistics import held_out, median_interval, timing_of


def measurements(ratios: list[float]) -> list[Measurement]:
    return [Measurement("a", index, ratio, 2.0) for index, ratio in enumerate(ratios)]


def timing(median_ms: float, noise_percent: float = 1.0) -> Timing:
    return Timing(median_ms, median_ms, median_ms, noise_percent, 10, 1.0)


def test_the_median_ratio_times_the_reference_is_the_latency() -> None:
    assert timing_of(measurements([1.0, 5.0, 2.0, 3.0, 4.0]), 2.0).median_ms == 6.0


def test_one_lucky_chunk_does_not_change_the_median() -> None:
    calm = timing_of(measurements([1.0] * 9 + [1.0]), 2.0)
    assert timing_of(measurements([1.0] * 9 + [0.1]), 2.0).median_ms == calm.median_ms


def test_noise_is_the_difference_of_the_medians_of_both_halves() -> None:
    assert timing_of(measurements([1.0] * 5 + [1.1] * 5), 1.0).noise_percent == pytest.approx(100 * 0.1 / 1.05)
    assert timing_of(measurements([1.0] * 10), 1.0).noise_percent == 0.0


def test_halves_are_split_by_round_whatever_the_order_of_arrival() -> None:
    chunks = measurements([1.0, 1.0, 1.2, 1.2])
    assert timing_of(chunks[::-1], 1.0) == timing_of(chunks, 1.0)


def test_disturbed_chunks_are_counted() -> None:
    assert timing_of([Measurement("a", 0, 1.0, 2.0, True), Measurement("a", 1, 1.0, 2.0)], 2.0).disturbed == 1


def test_the_slowdown_is_that_of_the_reference_from_the_first_quarter_to_the_last() -> None:
    chunks = [Measurement("a", index, 1.0, 2.0 if index < 4 else 2.5) for index in range(8)]
    assert timing_of(chunks, 2.0).slowdown_percent == pytest.approx(25.0)
    assert timing_of(chunks[:4], 2.0).slowdown_percent == 0.0


def test_at_another_speed_everything_but_the_noise_is_scaled() -> None:
    assert Timing(2.0, 1.0, 3.0, 4.0, 5, 1.0, 1).at(1.5) == Timing(3.0, 1.5, 4.5, 4.0, 5, 1.5, 1)


@pytest.mark.parametrize(("count", "rank"), [(5, 0), (6, 0), (10, 1), (12, 2), (20, 5), (100, 39)])
def test_the_interval_of_the_median_is_the_tabulated_pair_of_order_statistics(count: int, rank: int) -> None:
    """Ranks for 95 %, Conover, Practical Nonparametric Statistics, table of the sign test: n=10: 2nd to 9th value."""
    assert median_interval(np.arange(count, dtype=np.float64)) == (rank, count - 1 - rank)


def test_the_interval_holds_the_median_at_least_as_often_as_it_says(rng: np.random.Generator) -> None:
    intervals = [median_interval(rng.exponential(size=12)) for _ in range(2000)]
    assert np.mean([low <= math.log(2) <= high for low, high in intervals]) >= 0.95


def test_held_out_error_of_known_numbers() -> None:
    found = held_out(np.array([1.1, 1.8]), [timing(1.0, 1.0), timing(2.0, 3.0)])
    assert found.networks == 2
    assert found.mape_percent == pytest.approx(10.0)
    assert found.bias_percent == pytest.approx(0.0)
    assert found.spearman == pytest.approx(1.0)
    assert found.noise_percent == 2.0
    assert found.pairs == ((1.1, 1.0), (1.8, 2.0))
