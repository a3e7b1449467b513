"""The layers of the commonest blocks in closed form, for what is counted on them.

Spaces of open widths hold a block at tens of thousands of shapes; building and counting a module takes milliseconds for
each, a formula microseconds. The numbers are those of `cost.counting` and `cost.work`.
"""

from __future__ import annotations

from typing import NamedTuple

from sculptnet.arch import Block, TensorShape
from sculptnet.blocks import Activation, InvertedResidual, Skip


class Layer(NamedTuple):
    """A convolution.

    Attributes:
        in_channels, in_pixels, out_channels, pixels: of its input and its output.
        kernel_size: height and width.
        depthwise: whether it treats channels one by one.
        biased: whether it has biases; if not, batch norm follows.
        activated: whether an activation or a gate follows.
    """

    in_channels: int
    in_pixels: int
    out_channels: int
    pixels: int
    kernel_size: int = 1
    depthwise: bool = False
    biased: bool = False
    activated: bool = True

    @property
    def weights(self) -> int:
        """Without biases."""
        return self.out_channels * self.kernel_size**2 * (1 if self.depthwise else self.in_channels)

    @property
    def macs(self) -> int:
        """For one image."""
        return self.weights * self.pixels

    @property
    def parameters(self) -> int:
        """With biases or batch norm's two numbers a channel."""
        return self.weights + self.out_channels * (1 if self.biased else 2)

    @property
    def elements(self) -> int:
        """Numbers read and written."""
        return self.in_channels * self.in_pixels + self.out_channels * self.pixels


class Formula(NamedTuple):
    """What one block costs for one image; see `Counts`."""

    macs: int
    conv_fc_weights: int
    parameters: int


def formula(block: Block, shape: TensorShape) -> Formula | None:
    """What counting finds for `block` at the input `shape`; None for blocks without a formula here."""
    layers = layers_of(block, shape)
    if layers is None:
        return None
    return Formula(
        sum(layer.macs for layer in layers),
        sum(layer.weights for layer in layers),
        sum(layer.parameters for layer in layers),
    )


def layers_of(block: Block, shape: TensorShape) -> list[Layer] | None:
    """The convolutions of `block` at the input `shape`; None for blocks without a formula here."""
    if isinstance(block, Skip):
        if block.is_identity(shape.channels):
            return []
        return [Layer(shape.channels, shape.height * shape.width, block.out_channels, _pixels(block, shape))]
    if isinstance(block, InvertedResidual) and block.groups == 1 and block.hidden_channels(shape.channels) > 1:
        return _inverted(block, shape)
    return None


def _inverted(block: InvertedResidual, shape: TensorShape) -> list[Layer]:
    channels, hidden = shape.channels, block.hidden_channels(shape.channels)
    before, after = shape.height * shape.width, _pixels(block, shape)
    activated = block.activation is not Activation.NONE
    layers = []
    if block.expand_at_1 or hidden != channels:
        layers.append(Layer(channels, before, hidden, before, activated=activated))
    for index in range(block.depthwise_layers):
        pixels = before if index == 0 else after
        layers.append(Layer(hidden, pixels, hidden, after, block.kernel_size, depthwise=True, activated=activated))
    if block.squeeze is not None:
        squeezed = block.squeeze.squeezed_channels(channels, hidden)
        activated = block.squeeze.activation is not Activation.NONE
        layers.append(Layer(hidden, 1, squeezed, 1, biased=True, activated=activated))
        layers.append(Layer(squeezed, 1, hidden, 1, biased=True))
    return [*layers, Layer(hidden, after, block.out_channels, after, activated=False)]


def _pixels(block: Block, shape: TensorShape) -> int:
    out = block.out_shape(shape)
    return out.height * out.width
