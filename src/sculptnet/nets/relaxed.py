"""What gradient search trains: a network of all options, relaxed by a weight for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.nets.network import Network


class RelaxedSupernet(nn.Module, ABC):
    """All networks of a space in one, computed for any weighting of their options.

    The weighting is an argument of `forward`, never a state; an architecture is its one-hot case.

    Attributes:
        space: the space.
    """

    space: SearchSpace

    @abstractmethod
    def forward(self, images: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Logits `(batch, classes)`.

        Args:
            images: float `(batch, 3, height, width)`, normalised.
            weights: for every decision its path and a vector with a weight per option.

        Raises:
            InvalidValue: a decision has no weights, or the wrong number.
        """

    @abstractmethod
    def subnet(self, architecture: Architecture) -> Network:
        """The static network of `architecture` with a copy of its weights.

        Raises:
            NotInSpace: the architecture is none of this space.
        """
