"""What a network needs in bytes: stored, and while it runs.

Weights add up over blocks, of activations the largest block counts; `peak_memory` is both together. On microcontrollers
the two lie in different memories, flash and RAM: limit each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sculptnet.arch import Architecture, Block, TensorShape
from sculptnet.cost.counting import count
from sculptnet.cost.model import Reduce, cost_of
from sculptnet.cost.total import TotalCost
from sculptnet.precision import Precision

ACTIVATION_BYTES = {Precision.FP32: 4, Precision.INT8: 1}
WEIGHT_BYTES = {Precision.FP32: 4, Precision.INT8: 1}
CHANNEL_BYTES = {Precision.FP32: 4, Precision.INT8: 9}  # a bias of 32 bits; in int8 a scale of 32, a zero point of 8


@final
@dataclass(frozen=True)
class ModelBytes:
    """Bytes of the numbers of a shipped network, batch norm folded into weights and biases; the graph is not counted.

    In int8, a channel has its own scale and zero point, as `export` writes them.
    """

    precision: Precision = Precision.FP32
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    @property
    def name(self) -> str:
        """`model_bytes`; with the precision unless that is fp32."""
        return _named("model_bytes", self.precision)

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Bytes of one block."""
        counts = count(block, shape)
        return counts.conv_fc_weights * WEIGHT_BYTES[self.precision] + counts.channels * CHANNEL_BYTES[self.precision]


@final
@dataclass(frozen=True)
class PeakActivation:
    """Bytes of activations alive at once, one image: a layer's input and output, and the input of a residual block.

    Batch norm and activations work in place. The least that a runtime needs; arenas are somewhat larger.
    """

    precision: Precision = Precision.FP32
    constant: float = 0.0
    reduce: Reduce = Reduce.MAX

    @property
    def name(self) -> str:
        """`peak_activation_bytes`; with the precision unless that is fp32."""
        return _named("peak_activation_bytes", self.precision)

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """The most that is alive at once inside one block."""
        return count(block, shape).activations * ACTIVATION_BYTES[self.precision]


def peak_memory(precision: Precision = Precision.FP32) -> TotalCost:
    """`peak_memory_bytes`: all numbers of a network, and the most activations alive at once."""
    return TotalCost(_named("peak_memory_bytes", precision), (ModelBytes(precision), PeakActivation(precision)))


def model_bytes(architecture: Architecture, precision: Precision = Precision.FP32) -> int:
    """Bytes of the numbers of a whole network."""
    return round(cost_of(ModelBytes(precision), architecture))


def peak_memory_bytes(architecture: Architecture, precision: Precision = Precision.FP32) -> int:
    """Bytes of a whole network while it runs: all its numbers and the most activations alive at once."""
    return sum(round(cost_of(part, architecture)) for part in peak_memory(precision).parts)


def _named(name: str, precision: Precision) -> str:
    return name if precision is Precision.FP32 else f"{name}-{precision.value}"
