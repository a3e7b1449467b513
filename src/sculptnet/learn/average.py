"""Averaged weights: the exponential moving average that is evaluated and exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from timm.utils.model_ema import ModelEmaV3


@dataclass(frozen=True, eq=False)
class Average:
    """The moving average of a network's weights and batch-norm statistics.

    After step k = 1, 2, ... with the weights w, a becomes d a + (1 - d) w, where d = min(decay, 1 - k^(-2/3)): the
    first step copies, and short trainings average over a fraction of their steps instead of remembering the start.

    Attributes:
        ema: timm's, which holds the averaged network and the rule for d.
        averaged, current: the floating tensors of that network and of the trained one, in the same order.
    """

    ema: ModelEmaV3
    averaged: tuple[Tensor, ...]
    current: tuple[Tensor, ...]

    @property
    def module(self) -> nn.Module:
        """The network with the averaged weights, in eval mode."""
        module: nn.Module = self.ema.module
        return module

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes the weights after the `step`-th step in, counted from 1."""
        # ModelEmaV3.update builds two state dicts a step: 6 ms for a hundred layers, five times the arithmetic
        torch._foreach_lerp_(self.averaged, self.current, 1 - self.ema.get_decay(step))

    @torch.no_grad()
    def apply(self) -> None:
        """Writes the average into the network that was trained."""
        for averaged, current in zip(self.averaged, self.current, strict=True):
            current.copy_(averaged)


def average_of(network: nn.Module, decay: float) -> Average:
    """The average of `network`'s weights, at first a copy of them."""
    from timm.utils.model_ema import ModelEmaV3  # brings torchvision: seconds that not every process needs

    ema = ModelEmaV3(network, decay, use_warmup=True)
    return Average(ema, _floating(ema.module), _floating(network))


def _floating(network: nn.Module) -> tuple[Tensor, ...]:
    tensors = (*network.parameters(), *network.buffers())
    return tuple(tensor.detach() for tensor in tensors if tensor.is_floating_point())
