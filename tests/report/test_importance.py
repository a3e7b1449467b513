"""Permutation importance against problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from sculptnet.report.importance import LEAST_TRIALS, importances, ridge


def test_a_ridge_regression_finds_a_plane() -> None:
    inputs = np.random.default_rng(0).normal(size=(30, 3))
    scores = inputs @ [1.0, -2.0, 0.0] + 5
    assert ridge(inputs, scores)(np.eye(3)) == pytest.approx([6, 3, 5], abs=0.01)


def test_the_share_that_a_setting_explains_is_lost_without_it_and_no_other_share_is() -> None:
    rng = np.random.default_rng(0)
    inputs = {name: rng.random((400, 1)) for name in ("much", "little", "none")}
    scores = 3 * inputs["much"][:, 0] + inputs["little"][:, 0]
    found = importances(inputs, scores)
    assert found is not None
    assert found.explained == pytest.approx(1, abs=1e-3)
    # swapped values are independent of the scores: twice the setting's share of the variance, 0.9 and 0.1
    assert found.lost["much"] == pytest.approx(1.8, abs=0.1)
    assert found.lost["little"] == pytest.approx(0.2, abs=0.03)
    assert found.lost["none"] == pytest.approx(0, abs=1e-3)


def test_the_best_of_a_range_may_lie_inside_it() -> None:
    values = np.linspace(0, 1, 50)[:, None]
    found = importances({"range": values}, -((values[:, 0] - 0.5) ** 2))
    assert found is not None
    assert found.explained > 0.99


def test_few_or_equal_trials_say_nothing() -> None:
    assert importances({"one": np.ones((LEAST_TRIALS - 1, 1))}, np.arange(LEAST_TRIALS - 1.0)) is None
    assert importances({"one": np.ones((LEAST_TRIALS, 1))}, np.full(LEAST_TRIALS, 0.5)) is None


def test_scores_that_have_nothing_to_do_with_the_settings_are_not_explained() -> None:
    rng = np.random.default_rng(0)
    found = importances({"one": rng.random((60, 1)), "two": rng.random((60, 1))}, rng.random(60))
    assert found is not None
    assert found.explained < 0.1
    assert found.trials == 60


def test_equal_arguments_give_equal_importances() -> None:
    rng = np.random.default_rng(1)
    inputs, scores = {"one": rng.random((30, 1))}, rng.random(30)
    assert importances(inputs, scores) == importances(inputs, scores)


def test_a_column_without_spread_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    values = rng.random((40, 1))
    found = importances({"constant": np.ones((40, 1)), "linear": values}, values[:, 0])
    assert found is not None
    assert found.lost["constant"] == pytest.approx(0, abs=1e-12)
    assert found.explained > 0.99
