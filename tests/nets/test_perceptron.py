from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sculptnet.errors import InvalidValue, TrainingDiverged
from sculptnet.nets.perceptron import ROWS, Perceptron, fit_perceptron

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "hidden": (16, 16),
    "epochs": 60,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
}


def some(direct: bool) -> Perceptron:
    generator = torch.Generator().manual_seed(0)
    sizes = ((5, 7), (7, 3), (3, 1))
    layers = tuple(
        (torch.randn(size, generator=generator), torch.randn(size[1], generator=generator)) for size in sizes
    )
    return Perceptron(layers, torch.randn(5, generator=generator) if direct else None)


@pytest.mark.parametrize("direct", [False, True])
def test_it_computes_linear_layers_with_relu_between_them(direct: bool) -> None:
    perceptron = some(direct)
    features = np.random.default_rng(0).normal(size=(2 * ROWS + 3, 5))
    values = features
    for weight, bias in perceptron.layers[:-1]:
        values = np.maximum(values @ weight.double().numpy() + bias.double().numpy(), 0)
    weight, bias = perceptron.layers[-1]
    expected = (values @ weight.double().numpy() + bias.double().numpy())[:, 0]
    if perceptron.direct is not None:
        expected = expected + features @ perceptron.direct.double().numpy()
    np.testing.assert_allclose(perceptron(features), expected, rtol=1e-4, atol=1e-5)
    assert perceptron(np.empty((0, 5))).shape == (0,)


@pytest.mark.parametrize("direct", [False, True])
def test_tensors_are_read_back(direct: bool) -> None:
    features = np.random.default_rng(0).normal(size=(4, 5))
    again = Perceptron.from_tensors(some(direct).tensors())
    np.testing.assert_array_equal(again(features), some(direct)(features))


@pytest.mark.parametrize("name", ["0.bias", "1.weight", "2.weight"])
def test_other_tensors_are_refused(name: str) -> None:
    tensors = some(False).tensors()
    for wrong in (
        {key: value for key, value in tensors.items() if key != name},
        {**tensors, name: torch.zeros(2, 2, 2)},
        {**tensors, "other": torch.zeros(1)},
        {},
    ):
        with pytest.raises(InvalidValue, match="these tensors are no perceptron with one output"):
            Perceptron.from_tensors(wrong)


def test_what_is_linear_is_learned_from_few_samples() -> None:
    rng = np.random.default_rng(1)
    features, weights = rng.integers(2, size=(400, 12)).astype(float), rng.normal(size=12)
    learned = fit_perceptron(features[:60], features[:60] @ weights + 3.0, **SETTINGS)
    error = learned(features[60:]) - (features[60:] @ weights + 3.0)
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.std(features @ weights)


def test_what_is_not_linear_is_learned_from_many() -> None:
    rng = np.random.default_rng(2)
    features = rng.integers(2, size=(700, 6)).astype(float)
    targets = 100.0 * (features[:, 0] != features[:, 1]) + features[:, 2]
    learned = fit_perceptron(features[:500], targets[:500], **SETTINGS)
    assert np.abs(learned(features[500:]) - targets[500:]).mean() < 5.0


def test_equal_targets_give_that_value() -> None:
    features = np.random.default_rng(0).integers(2, size=(30, 4)).astype(float)
    np.testing.assert_allclose(fit_perceptron(features, np.full(30, 0.7), **SETTINGS)(features), 0.7, atol=1e-6)


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
