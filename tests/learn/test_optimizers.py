from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sculptnet.arch import AdamW, RmsProp, Sgd
from sculptnet.learn.optimizers import optimizer_for

GRADIENTS = (torch.tensor([[0.5, -2.0]]), torch.tensor([[0.1, 1.0]]), torch.tensor([[-0.3, 0.2]]))


def after(settings: Sgd | RmsProp | AdamW) -> Tensor:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, -3.0]])
    optimizer = optimizer_for(layer, settings)
    for gradient in GRADIENTS:
        layer.weight.grad = gradient.clone()
        optimizer.step()
    return layer.weight.detach()


def test_nesterov_sgd_is_the_formula() -> None:
    weight, momentum = torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2)
    for gradient in GRADIENTS:
        gradient = gradient + 0.01 * weight
        momentum = 0.8 * momentum + gradient
        weight = weight - 0.1 * (gradient + 0.8 * momentum)
    torch.testing.assert_close(after(Sgd(0.1, 0.8, True, 0.01)), weight)


def test_plain_sgd_and_nesterov_without_momentum_are_the_same() -> None:
    weight = torch.tensor([[1.0, -3.0]]) - 0.1 * sum(GRADIENTS)
    torch.testing.assert_close(after(Sgd(0.1, 0.0, True, 0.0)), weight)
    torch.testing.assert_close(after(Sgd(0.1, 0.0, False, 0.0)), weight)


def test_heavy_ball_sgd_is_the_formula() -> None:
    weight, momentum = torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2)
    for gradient in GRADIENTS:
        momentum = 0.9 * momentum + gradient
        weight = weight - 0.1 * momentum
    torch.testing.assert_close(after(Sgd(0.1, 0.9, False, 0.0)), weight)


def test_rmsprop_has_epsilon_inside_the_root_and_the_rate_inside_the_momentum() -> None:
    weight, square, momentum = torch.tensor([[1.0, -3.0]]), torch.ones(1, 2), torch.zeros(1, 2)
    for gradient in GRADIENTS:
        gradient = gradient + 0.01 * weight
        square = square + (1 - 0.9) * (gradient**2 - square)
        momentum = 0.8 * momentum + 0.05 * gradient / (square + 1e-3).sqrt()
        weight = weight - momentum
    torch.testing.assert_close(after(RmsProp(0.05, 0.9, 0.8, 1e-3, 0.01)), weight)


def test_adamw_decays_apart_from_the_gradient() -> None:
    weight, mean, square = torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2), torch.zeros(1, 2)
    for step, gradient in enumerate(GRADIENTS, start=1):
        weight = weight * (1 - 0.1 * 0.05)
        mean, square = 0.8 * mean + 0.2 * gradient, 0.9 * square + 0.1 * gradient**2
        weight = weight - 0.1 * (mean / (1 - 0.8**step)) / ((square / (1 - 0.9**step)).sqrt() + 1e-8)
    torch.testing.assert_close(after(AdamW(0.1, 0.8, 0.9, 0.05)), weight)


@pytest.mark.parametrize("settings", [Sgd(), RmsProp(), AdamW()])
def test_weight_decay_skips_biases_and_batch_norm(
    settings: Sgd | RmsProp | AdamW, new_network: Callable[[int], nn.Module]
) -> None:
    network = new_network(0)
    optimizer = optimizer_for(network, settings)
    decays = {parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            skipped = name == "bias" or isinstance(module, nn.BatchNorm2d)
            assert decays.pop(parameter) == (0.0 if skipped else settings.weight_decay)
    assert not decays
