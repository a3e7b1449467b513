"""What gradient search trains: a network of all options, relaxed by a weight for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.nets.network import Network

LEAST_COMPARED = 2  # options in a step that learns their weights: one alone has weight 1 whatever they are


class RelaxedSupernet(nn.Module, ABC):
    """All networks of a space in one, computed for any weighting of their options.

    The weighting is an argument of `forward`, never a state; an architecture is its one-hot case.

    Attributes:
        space: the space.
        shared: the decisions whose options are computed together for the price of one. Where a search samples the
            options that run, these keep all of them.
    """

    space: SearchSpace
    shared: Collection[str] = ()

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
