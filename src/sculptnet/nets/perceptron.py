"""Linear layers with ReLU between them: what predictors of accuracy are made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

ROWS = 1024  # at once, so that millions of rows take no gigabytes; fewer or more are no faster


@torch.no_grad()
def perceptron(widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Linear layers from `widths[0]` inputs to `widths[-1]` outputs, ReLU between them.

    Weights are He-normal for ReLU, drawn from `generator` alone; biases are 0.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        linear = _unset(inputs, outputs)
        deviation = (2.0 / max(1, inputs)) ** 0.5  # of what is all decided there are no features
        linear.weight.copy_(torch.randn(inputs, outputs, generator=generator).T * deviation)
        linear.bias.zero_()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _unset(inputs: int, outputs: int) -> nn.Linear:
    """A layer whose weights are to be set: the way it starts by itself draws from torch's global generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, max(1, inputs), outputs)  # type: ignore[no-untyped-call]
    if not inputs:  # torch warns of a layer without weights
        layer.in_features, layer.weight = 0, nn.Parameter(layer.weight.detach()[:, :0])
    return layer


@final
class LinearAndPerceptron(nn.Module):
    """A linear function of the features, plus what a perceptron says of them.

    Args:
        widths: of the perceptron: features, hidden layers.
        generator: of the perceptron's first weights; the linear part starts at 0.
    """

    def __init__(self, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.linear = _unset(widths[0], 1)
        for parameter in self.linear.parameters():
            nn.init.zeros_(parameter)
        self.perceptron = perceptron([*widths, 1], generator)

    def forward(self, rows: Tensor) -> Tensor:
        """A number for each row, `(n, 1)`."""
        result: Tensor = self.linear(rows) + self.perceptron(rows)
        return result


@torch.inference_mode()
def outputs(network: nn.Module, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The first output of `network` for each row of `features` `(n, inputs)`, computed in single precision: `(n,)`."""
    rows = torch.from_numpy(np.asarray(features, dtype=np.float32))
    return torch.cat([network(part)[:, 0] for part in torch.split(rows, ROWS)]).double().numpy()
