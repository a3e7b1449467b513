from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sculptnet.learn.average import average_of


def states(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def test_the_average_is_the_recursion(new_network: Callable[[int], nn.Module]) -> None:
    network = new_network(0)
    average = average_of(network, 0.7)
    expected = states(network)
    for step in range(1, 12):
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.is_floating_point():
                    tensor.add_(torch.randn_like(tensor))
        average.update(step)
        decay = min(0.7, 1 - step ** (-2 / 3))
        now = states(network)
        expected = {name: decay * expected[name] + (1 - decay) * now[name] for name in now}
    assert min(0.7, 1 - 11 ** (-2 / 3)) == 0.7  # the warm-up ended on the way
    torch.testing.assert_close(states(average.module), expected)


def test_the_first_step_copies(new_network: Callable[[int], nn.Module]) -> None:
    network = new_network(0)
    average = average_of(network, 0.9999)
    nn.init.ones_(next(network.parameters()))
    average.update(1)
    torch.testing.assert_close(states(average.module), states(network), rtol=0, atol=0)


def test_applying_writes_the_average_into_the_network(new_network: Callable[[int], nn.Module]) -> None:
    network = new_network(0)
    average = average_of(network, 0.9)
    before = states(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    average.apply()
    torch.testing.assert_close(states(network), before, rtol=0, atol=0)
    assert not average.module.training
