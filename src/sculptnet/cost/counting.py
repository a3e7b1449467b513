"""Costs that are counted on the module itself: multiply-adds, weights, parameters, activation bytes.

Conventions: one multiply-add counts as one; convolutions and linear layers are counted, at batch 1; batch norm,
activations, pooling and additions are not. `conv_fc_weights` leaves batch norm and all biases out, as Facebook's
published counts do; `parameters` counts everything that is learned, as Google's and MIT's do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import Architecture, Block, TensorShape
from sculptnet.cost.model import Reduce

FLOAT_BYTES = 4


class Counts(NamedTuple):
    """What one block costs for one image. `activation_bytes`: the largest input plus output of any layer, float32."""

    macs: int
    conv_fc_weights: int
    parameters: int
    activation_bytes: int
    out: TensorShape


@cache
def count(block: Block, shape: TensorShape) -> Counts:
    """Counts `block` at the input `shape` on its own module, without data (torch's meta device)."""
    with torch.device("meta"):
        module, image = block.build(shape.channels).eval(), torch.empty(1, *shape)
    peaks = [_bytes(image)]
    for layer in module.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda _, x, y: peaks.append(_bytes(x[0]) + _bytes(y)))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        out = module(image)
    weights = sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, (nn.Conv2d, nn.Linear)))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    sizes = (*out.shape[1:], 1, 1)
    return Counts(counter.get_total_flops() // 2, weights, parameters, max(peaks), TensorShape(*sizes[:3]))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * FLOAT_BYTES


@final
@dataclass(frozen=True)
class Macs:
    """Multiply-adds of convolutions and linear layers for one image."""

    name: str = "macs"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Multiply-adds of one block."""
        return count(block, shape).macs


@final
@dataclass(frozen=True)
class ConvFcWeights:
    """Weights of convolutions and linear layers, without batch norm and biases."""

    name: str = "conv_fc_weights"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Weights of one block."""
        return count(block, shape).conv_fc_weights


@final
@dataclass(frozen=True)
class Parameters:
    """Everything that is learned, batch norm and biases included."""

    name: str = "parameters"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Parameters of one block."""
        return count(block, shape).parameters


@final
@dataclass(frozen=True)
class PeakActivation:
    """Bytes of the largest input plus output of any layer, float32, one image: the least memory for activations."""

    name: str = "peak_activation_bytes"
    constant: float = 0.0
    reduce: Reduce = Reduce.MAX

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """The largest input plus output inside one block."""
        return count(block, shape).activation_bytes


def macs(architecture: Architecture) -> int:
    """Multiply-adds of a whole network for one image."""
    return sum(count(block, shape).macs for _, block, shape in architecture.blocks())


def conv_fc_weights(architecture: Architecture) -> int:
    """Weights of convolutions and linear layers of a whole network."""
    return sum(count(block, shape).conv_fc_weights for _, block, shape in architecture.blocks())


def parameters(architecture: Architecture) -> int:
    """All learned parameters of a whole network."""
    return sum(count(block, shape).parameters for _, block, shape in architecture.blocks())
