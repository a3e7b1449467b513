"""The layers of the predictor: an encoder of architectures and two heads on what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from sculptnet.nets.perceptron import perceptron


@final
class Layers(nn.Module):
    """An encoder and two heads, in single precision.

    Args:
        architecture, recipe: how many features they have.
        statistics: how many the proxy head says, which cost nothing.
        encoder: widths of the encoder's layers; the last is the embedding's.
        head: widths of the layers between embedding and accuracy.
        generator: of the first weights.
    """

    def __init__(
        self,
        architecture: int,
        recipe: int,
        *,
        statistics: int,
        encoder: Sequence[int],
        head: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.widths: dict[str, Any] = {"statistics": statistics, "encoder": list(encoder), "head": list(head)}
        width = encoder[-1]
        self.encoder = perceptron([architecture, *encoder], generator).append(nn.ReLU())
        self.proxy = perceptron([width, statistics], generator)
        self.accuracy = perceptron([width + recipe, *head, 1], generator)

    def embedding(self, architectures: Tensor) -> Tensor:
        """What the heads see of architectures `(n, features)`."""
        embedding: Tensor = self.encoder(architectures)
        return embedding

    def statistics(self, embedding: Tensor) -> Tensor:
        """What the proxy head says, `(n, statistics)`."""
        said: Tensor = self.proxy(embedding)
        return said

    def score(self, embedding: Tensor, recipes: Tensor) -> Tensor:
        """What the accuracy head says, `(n,)`, of embeddings and recipes `(n, features)`."""
        said: Tensor = self.accuracy(torch.cat([embedding, recipes], dim=1))
        return said[:, 0]
