"""What a cost model is: a number for every block, and a way to join the numbers of a network."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from sculptnet.arch import Architecture, Block, TensorShape


class Reduce(Enum):
    """How the costs of blocks make the cost of a network."""

    SUM = "sum"
    MAX = "max"


class CostModel(Protocol):
    """A cost that is local: a number for each block, joined by `reduce`, plus `constant`.

    Attributes:
        name: with the unit in it, such as `macs` or `latency_ms@onnxruntime-1t`.
        constant: what a network costs apart from its blocks.
    """

    @property
    def name(self) -> str: ...
    @property
    def constant(self) -> float: ...
    @property
    def reduce(self) -> Reduce: ...

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """The cost of the decided `block` at `path` for an input of `shape`.

        Raises:
            NotMeasured: nobody measured it; the message names what to run.
        """
        ...


def cost_of(cost: CostModel, architecture: Architecture) -> float:
    """The cost of a whole network."""
    parts = [cost.block(path, block, shape) for path, block, shape in architecture.blocks()]
    return cost.constant + (sum(parts) if cost.reduce is Reduce.SUM else max(parts))
