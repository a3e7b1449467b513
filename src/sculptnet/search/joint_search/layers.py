"""The layers of the predictor: an encoder of architectures and two heads on what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TypeAlias, final

import torch
from torch import Tensor

from sculptnet.errors import InvalidValue
from sculptnet.streams import stream_seed

Dense: TypeAlias = tuple[tuple[Tensor, Tensor], ...]  # weights `(inputs, outputs)` and biases `(outputs,)`
NAMES = ("weight", "bias")


@final
@dataclass(frozen=True, eq=False)
class Layers:
    """Linear layers in single precision.

    Attributes:
        encoder: from the features of an architecture to its embedding, ReLU after each layer.
        proxy: from the embedding to statistics that cost nothing, ReLU between layers.
        accuracy: from the embedding and the features of a recipe to one number, ReLU between layers.
    """

    encoder: Dense
    proxy: Dense
    accuracy: Dense

    def embedding(self, architectures: Tensor) -> Tensor:
        """What the heads see of architectures `(n, features)`."""
        return _through(self.encoder, architectures).relu()

    def statistics(self, embedding: Tensor) -> Tensor:
        """What the proxy head says, `(n, statistics)`."""
        return _through(self.proxy, embedding)

    def score(self, embedding: Tensor, recipes: Tensor) -> Tensor:
        """What the accuracy head says, `(n,)`, of embeddings and recipes `(n, features)`."""
        return _through(self.accuracy, torch.cat([embedding, recipes], dim=1))[:, 0]

    def copy(self) -> Layers:
        """The same numbers in tensors of their own, which can learn."""
        parts = [[tuple(t.detach().clone().requires_grad_() for t in pair) for pair in dense] for dense in self._parts]
        return Layers(*(tuple((weight, bias) for weight, bias in part) for part in parts))

    def detached(self) -> Layers:
        """The same tensors, which no longer learn."""
        return Layers(*(tuple((weight.detach(), bias.detach()) for weight, bias in part) for part in self._parts))

    @property
    def _parts(self) -> tuple[Dense, Dense, Dense]:
        return self.encoder, self.proxy, self.accuracy

    # ------------------------------------------------------------------ tensors by name
    def tensors(self) -> dict[str, Tensor]:
        """The layers by name: `encoder.0.weight`, `encoder.0.bias`, ..., `accuracy.1.bias`."""
        return {
            f"{part.name}.{index}.{name}": tensor
            for part, dense in zip(fields(self), self._parts, strict=True)
            for index, pair in enumerate(dense)
            for name, tensor in zip(NAMES, pair, strict=True)
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Layers:
        """The layers that `tensors` wrote down.

        Raises:
            InvalidValue: names or shapes are others.
        """
        result = cls(*(_dense(tensors, part.name) for part in fields(cls)))
        if result.tensors().keys() != tensors.keys() or not all(map(_fit, result._parts)):
            found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
            raise InvalidValue(f"these tensors are no encoder with two heads: {found or 'none'}")
        return result


def _dense(tensors: Mapping[str, Tensor], part: str) -> Dense:
    layers: list[tuple[Tensor, Tensor]] = []
    while all(f"{part}.{len(layers)}.{name}" in tensors for name in NAMES):
        prefix = f"{part}.{len(layers)}"
        layers.append((tensors[f"{prefix}.weight"], tensors[f"{prefix}.bias"]))
    return tuple(layers)


def _fit(dense: Dense) -> bool:
    shapes = [tuple(weight.shape) for weight, _ in dense]
    return (
        bool(shapes)
        and all(weight.ndim == 2 and bias.shape == weight.shape[1:] for weight, bias in dense)
        and all(left[1] == right[0] for left, right in pairwise(shapes))
    )


def _through(dense: Dense, rows: Tensor) -> Tensor:
    *inner, (last_weight, last_bias) = dense
    values = rows
    for weight, bias in inner:
        values = torch.addmm(bias, values, weight).relu()
    return torch.addmm(last_bias, values, last_weight)


def first_layers(
    architecture: int, recipe: int, statistics: int, encoder: Sequence[int], head: Sequence[int], seed: int
) -> Layers:
    """Layers that have learned nothing.

    Args:
        architecture, recipe: how many features they have.
        statistics: how many the proxy head says.
        encoder: widths of the encoder's layers; the last is the embedding's.
        head: widths of the layers between embedding and accuracy.
        seed: of the weights.
    """
    generator = torch.Generator().manual_seed(stream_seed(seed, "joint: weights"))

    def dense(sizes: Sequence[int]) -> Dense:
        return tuple(_he_normal(sizes, generator))

    width = encoder[-1]
    return Layers(dense([architecture, *encoder]), dense([width, statistics]), dense([width + recipe, *head, 1]))


def _he_normal(sizes: Sequence[int], generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for inputs, outputs in pairwise(sizes):
        deviation = (2.0 / max(1, inputs)) ** 0.5  # an architecture that is decided has no features
        yield torch.randn(inputs, outputs, generator=generator) * deviation, torch.zeros(outputs)
