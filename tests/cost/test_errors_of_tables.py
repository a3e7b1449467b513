from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from sculptnet.cost.errors_of_tables import error_of, fit_affine, spearman


def test_an_affine_law_is_found_exactly(rng: np.random.Generator) -> None:
    sums = rng.uniform(1, 5, 10)
    assert fit_affine(sums, 1.25 * sums + 0.5) == pytest.approx((1.25, 0.5))


def test_sums_that_do_not_differ_leave_the_constant_at_zero() -> None:
    assert fit_affine(np.full(4, 2.0), np.full(4, 3.0)) == pytest.approx((1.5, 0.0))
    assert fit_affine(np.array([2.0]), np.array([3.0])) == pytest.approx((1.5, 0.0))


def test_a_falling_line_is_not_believed() -> None:
    slope, constant = fit_affine(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    assert slope > 0
    assert constant == 0.0


def test_rank_correlation_is_scipys_ties_included(rng: np.random.Generator) -> None:
    left, right = rng.integers(0, 6, 30).astype(float), rng.integers(0, 6, 30).astype(float)
    assert spearman(left, right) == pytest.approx(float(spearmanr(left, right)[0]))
    assert math.isnan(spearman(left, np.ones(30)))


def test_the_error_of_known_numbers() -> None:
    found = error_of(np.array([1.1, 1.8]), np.array([1.0, 2.0]))
    assert found.networks == 2
    assert found.mape_percent == pytest.approx(10.0)
    assert found.bias_percent == pytest.approx(0.0)
    assert found.pairs == ((1.1, 1.0), (1.8, 2.0))
    assert math.isnan(found.noise_percent)
