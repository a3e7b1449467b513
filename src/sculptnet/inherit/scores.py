"""What a choice does to a network's answers, as a cost: a number for each block at each place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from sculptnet.arch import Block, TensorShape
from sculptnet.cost import Reduce
from sculptnet.errors import NotMeasured

Key = tuple[str, Block]  # path and decided block


@final
@dataclass(frozen=True, eq=False)
class Scores:
    """Divergence of the network with one block replaced, summed over blocks.

    A block's number is KL(trained network || the same with this block alone replaced) of the predicted classes, mean
    over images, in nats; 0 of the trained network's own block. After a second round around a carved network, numbers
    are differences to that network, `constant` is its own divergence, and blocks may lower it.

    Attributes:
        entries: by path and block.
        constant: of the network that all numbers are relative to.
    """

    entries: Mapping[Key, float]
    constant: float = 0.0

    @property
    def name(self) -> str:
        """Nats."""
        return "kl_nats"

    @property
    def reduce(self) -> Reduce:
        """Small changes add up."""
        return Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """The number of `block` at `path`.

        Raises:
            NotMeasured: the library has no such option.
        """
        try:
            return self.entries[path, block]
        except KeyError:
            raise NotMeasured(
                f"the library has no score of {block} at {path}; make it from a space that holds it"
            ) from None
