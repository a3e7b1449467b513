"""Running a network block by block, and how far its answers are from given ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sculptnet.inherit.anatomy import folded, in_chunks

CHUNK = 16  # images at once: larger maps leave the caches


def applied(module: nn.Module, x: Tensor, chunk: int = CHUNK) -> Tensor:
    """`module(x)`, a few images at a time."""
    return torch.cat([module(x[part]) for part in in_chunks(len(x), chunk)])


def log_probabilities(logits: Tensor) -> Tensor:
    """In float64."""
    return logits.double().log_softmax(1)


def divergence(given: Tensor, found: Tensor) -> float:
    """KL(given || found) in nats, mean over images, of two tables of log probabilities `(images, classes)`."""
    return float((given.exp() * (given - found)).sum(1).mean())


class Rest:
    """The part of a network from a place on, made fast: what becomes of that place's output.

    Args:
        modules: the network's blocks in order, the classifier last.
        given: log probabilities `(images, classes)` that answers are compared with.
    """

    def __init__(self, modules: Sequence[nn.Module], given: Tensor) -> None:
        self._modules, self._given = [folded(module) for module in modules], given

    def divergence(self, module: nn.Module, x: Tensor, place: int) -> float:
        """Of the network with `module` at `place`, whose inputs are `x`; `place`: index in `modules`."""
        fast, found = folded(module), []
        for part in in_chunks(len(x), CHUNK):
            y = fast(x[part])
            for layer in self._modules[place + 1 :]:
                y = layer(y)
            found.append(y)
        return divergence(self._given, log_probabilities(torch.cat(found)))
