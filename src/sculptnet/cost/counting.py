"""Costs that are counted on the module itself: multiply-adds, weights, parameters, activation bytes.

Conventions: one multiply-add counts as one; convolutions and linear layers are counted, at batch 1; batch norm,
activations, pooling and additions are not. `conv_fc_weights` leaves batch norm and all biases out, as Facebook's
published counts do; `parameters` counts everything that is learned, as Google's and MIT's do. Bytes: `cost.memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import Architecture, Block, TensorShape
from sculptnet.blocks.layers import Residual
from sculptnet.cost.formulas import formula
from sculptnet.cost.model import Reduce

WEIGHTED = (nn.Conv2d, nn.Linear)
IN_PLACE = (nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.Sigmoid, nn.Hardsigmoid, nn.Identity)


class Counts(NamedTuple):
    """What one block costs for one image.

    Attributes:
        macs, conv_fc_weights, parameters: see above.
        channels: outputs of convolutions and linear layers; each has a bias once batch norm is folded into it.
        activations: numbers alive at once: input and output of a layer, and what waits to be added to something.
            Batch norm and activations work in place.
        out: the output's shape.
    """

    macs: int
    conv_fc_weights: int
    parameters: int
    channels: int
    activations: int
    out: TensorShape


@cache
def count(block: Block, shape: TensorShape) -> Counts:
    """Counts `block` at the input `shape` on its own module, without data (torch's meta device)."""
    with torch.device("meta"):
        module, image = block.build(shape.channels).eval(), torch.empty(1, *shape)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    _leave_out_what_is_free(module)
    peaks, held = [image.numel()], list[Tensor]()
    for layer in module.modules():
        if isinstance(layer, Residual) and layer.residual:
            layer.register_forward_pre_hook(lambda _, x: held.append(x[0]))
            layer.body.register_forward_hook(lambda _, x, y: held.append(y))
            layer.register_forward_hook(lambda *_: held.clear())
        elif isinstance(layer, WEIGHTED) or not (list(layer.children()) or isinstance(layer, IN_PLACE)):
            layer.register_forward_hook(lambda _, x, y: peaks.append(_alive(x[0], y, held)))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        out = module(image)
    layers = [layer for layer in module.modules() if isinstance(layer, WEIGHTED)]
    weights, channels = sum(layer.weight.numel() for layer in layers), sum(len(layer.weight) for layer in layers)
    sizes = (*out.shape[1:], 1, 1)
    return Counts(counter.get_total_flops() // 2, weights, parameters, channels, max(peaks), TensorShape(*sizes[:3]))


def _leave_out_what_is_free(module: nn.Module) -> None:
    """Batch norm and activations change no count, and take most of the time of a pass without data."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in IN_PLACE:
                setattr(parent, name, nn.Identity())


def _alive(x: Tensor, y: Tensor, held: Sequence[Tensor]) -> int:
    return x.numel() + y.numel() + sum(kept.numel() for kept in held if kept is not x)


@final
@dataclass(frozen=True)
class Macs:
    """Multiply-adds of convolutions and linear layers for one image."""

    name: str = "macs"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Multiply-adds of one block."""
        return (formula(block, shape) or count(block, shape)).macs


@final
@dataclass(frozen=True)
class ConvFcWeights:
    """Weights of convolutions and linear layers, without batch norm and biases."""

    name: str = "conv_fc_weights"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Weights of one block."""
        return (formula(block, shape) or count(block, shape)).conv_fc_weights


@final
@dataclass(frozen=True)
class Parameters:
    """Everything that is learned, batch norm and biases included."""

    name: str = "parameters"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Parameters of one block."""
        return (formula(block, shape) or count(block, shape)).parameters


def macs(architecture: Architecture) -> int:
    """Multiply-adds of a whole network for one image."""
    return sum(count(block, shape).macs for _, block, shape in architecture.blocks())


def conv_fc_weights(architecture: Architecture) -> int:
    """Weights of convolutions and linear layers of a whole network."""
    return sum(count(block, shape).conv_fc_weights for _, block, shape in architecture.blocks())


def parameters(architecture: Architecture) -> int:
    """All learned parameters of a whole network."""
    return sum(count(block, shape).parameters for _, block, shape in architecture.blocks())
