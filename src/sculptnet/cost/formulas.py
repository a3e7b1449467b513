"""Multiply-adds and weights of the commonest blocks in closed form.

Spaces of open widths hold a block at tens of thousands of shapes; counting on a module takes a millisecond for each,
a formula microseconds. The numbers are those of `cost.counting`.
"""

from __future__ import annotations

from typing import NamedTuple

from sculptnet.arch import Block, TensorShape
from sculptnet.blocks import InvertedResidual, Skip


class Formula(NamedTuple):
    """What one block costs for one image; see `Counts`."""

    macs: int
    conv_fc_weights: int
    parameters: int


class _Layer(NamedTuple):
    weights: int
    pixels: int  # of the output
    others: int  # parameters besides the weights: two for each channel of batch norm, or biases


def formula(block: Block, shape: TensorShape) -> Formula | None:
    """What counting finds for `block` at the input `shape`; None for blocks without a formula here."""
    if isinstance(block, InvertedResidual) and block.groups == 1:
        layers = _inverted(block, shape)
    elif isinstance(block, Skip):
        layers = _skip(block, shape)
    else:
        return None
    weights = sum(layer.weights for layer in layers)
    return Formula(
        sum(layer.weights * layer.pixels for layer in layers), weights, weights + sum(layer.others for layer in layers)
    )


def _inverted(block: InvertedResidual, shape: TensorShape) -> list[_Layer]:
    channels, hidden = shape.channels, block.hidden_channels(shape.channels)
    before, after = shape.height * shape.width, _pixels(block, shape)
    layers = []
    if block.expand_at_1 or hidden != channels:
        layers.append(_Layer(channels * hidden, before, 2 * hidden))
    layers += [_Layer(hidden * block.kernel_size**2, after, 2 * hidden)] * block.depthwise_layers
    if block.squeeze is not None:
        squeezed = block.squeeze.squeezed_channels(channels, hidden)
        layers += [_Layer(hidden * squeezed, 1, squeezed), _Layer(hidden * squeezed, 1, hidden)]
    return [*layers, _Layer(hidden * block.out_channels, after, 2 * block.out_channels)]


def _skip(block: Skip, shape: TensorShape) -> list[_Layer]:
    if block.is_identity(shape.channels):
        return []
    return [_Layer(shape.channels * block.out_channels, _pixels(block, shape), 2 * block.out_channels)]


def _pixels(block: Block, shape: TensorShape) -> int:
    out = block.out_shape(shape)
    return out.height * out.width
