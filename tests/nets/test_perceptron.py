from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from sculptnet.nets.perceptron import ROWS, LinearAndPerceptron, outputs, perceptron

Values: TypeAlias = npt.NDArray[np.float64]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(layers: nn.Sequential, values: Values) -> Values:
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    for index, layer in enumerate(linear):
        values = values @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        values = values if index == len(linear) - 1 else np.maximum(values, 0)
    return values


def test_it_computes_linear_layers_with_relu_between_them() -> None:
    network, both = perceptron((5, 7, 3, 1), seeded()), LinearAndPerceptron((5, 7), seeded())
    nn.init.ones_(both.linear.weight)
    features = np.random.default_rng(0).normal(size=(2 * ROWS + 3, 5))
    np.testing.assert_allclose(outputs(network, features), by_hand(network, features)[:, 0], rtol=1e-4, atol=1e-5)
    expected = features.sum(axis=1) + by_hand(both.perceptron, features)[:, 0]
    np.testing.assert_allclose(outputs(both, features), expected, rtol=1e-4, atol=1e-5)
    assert outputs(network, np.empty((0, 5))).shape == (0,)


def test_first_weights_are_he_normal_and_of_the_generator_alone() -> None:
    network = perceptron((400, 300, 1), seeded(1))
    weight, bias = network[0].weight, network[0].bias
    assert isinstance(weight, torch.Tensor)
    assert isinstance(bias, torch.Tensor)
    assert float(weight.detach().std()) == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert not bias.any()
    before = torch.get_rng_state()
    again = perceptron((400, 300, 1), seeded(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(left, right) for left, right in zip(network.parameters(), again.parameters(), strict=True))


def test_what_has_no_features_gives_its_bias() -> None:
    network = perceptron((0, 4, 1), seeded())
    assert outputs(network, np.empty((3, 0))).tolist() == [0.0] * 3
