"""Small networks fitted to rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sculptnet.errors import InvalidValue, TrainingDiverged
from sculptnet.learn.fitting import fit_perceptron
from sculptnet.nets.perceptron import outputs

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "hidden": (16, 16),
    "epochs": 60,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
}


def fitted(features: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> Any:
    network = fit_perceptron(features, targets, **SETTINGS)
    return lambda others: outputs(network, others)


def test_what_is_linear_is_learned_from_few_samples() -> None:
    rng = np.random.default_rng(1)
    features, weights = rng.integers(2, size=(400, 12)).astype(float), rng.normal(size=12)
    learned = fitted(features[:60], features[:60] @ weights + 3.0)
    error = learned(features[60:]) - (features[60:] @ weights + 3.0)
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.std(features @ weights)


def test_what_is_not_linear_is_learned_from_many() -> None:
    rng = np.random.default_rng(2)
    features = rng.integers(2, size=(700, 6)).astype(float)
    targets = 100.0 * (features[:, 0] != features[:, 1]) + features[:, 2]
    learned = fitted(features[:500], targets[:500])
    assert np.abs(learned(features[500:]) - targets[500:]).mean() < 5.0


def test_equal_targets_give_that_value() -> None:
    features = np.random.default_rng(0).integers(2, size=(30, 4)).astype(float)
    np.testing.assert_allclose(fitted(features, np.full(30, 0.7))(features), 0.7, atol=1e-6)


def test_wrong_settings_are_told_at_once() -> None:
    wrong = {**SETTINGS, "hidden": (3, 0), "epochs": 0, "learning_rate": float("nan"), "weight_decay": -1.0}
    with pytest.raises(InvalidValue) as caught:
        fit_perceptron(np.zeros((3, 2)), np.zeros(3), **wrong)
    for text in (
        "hidden[1] must be at least 1",
        "epochs must be at least 1",
        "learning_rate must",
        "weight_decay must",
    ):
        assert text in str(caught.value)


def test_a_loss_that_is_no_number_is_told() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(TrainingDiverged, match=r"the loss is .* lower learning_rate \(1e\+30\)"):
        fit_perceptron(rng.normal(size=(40, 3)), rng.normal(size=40), **{**SETTINGS, "learning_rate": 1e30})
