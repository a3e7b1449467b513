"""What each family of blocks computes at its widest, with masks in place of narrower layers."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from sculptnet.arch import Block
from sculptnet.blocks import Classifier, Conv, InvertedResidual, MBPool, PooledConv, Skip
from sculptnet.blocks.layers import Residual, conv_bn
from sculptnet.blocks.squeeze import SqueezeExciteModule

MASKABLE = (Conv, InvertedResidual, Skip, PooledConv, MBPool, Classifier)
OPEN_FIELDS = ("out_channels", "expansion")


class Widths(NamedTuple):
    """The widths inside a decided block.

    Attributes:
        features: channels that it computes and that leave it; 0 of a skip that is the identity.
        hidden: between its first and its last convolution, 0 without such.
        squeezed: of squeeze-and-excitation, 0 without.
        kept: 1 if its input is added to the features or is all that leaves it, else 0.
    """

    features: int
    hidden: int = 0
    squeezed: int = 0
    kept: int = 0


def widths_of(block: Block, in_channels: int) -> Widths:
    """The widths inside `block`, one of `MASKABLE`, for inputs of `in_channels`."""
    if isinstance(block, InvertedResidual):
        hidden = block.hidden_channels(in_channels)
        squeezed = block.squeeze.squeezed_channels(in_channels, hidden) if block.squeeze is not None else 0
        return Widths(
            block.out_channels, hidden, squeezed, int(block.stride == 1 and in_channels == block.out_channels)
        )
    if isinstance(block, Skip) and block.is_identity(in_channels):
        return Widths(0, kept=1)
    if isinstance(block, MBPool):
        return Widths(block.out_channels, in_channels * block.expansion)
    return Widths(block.out_channels)


def widest_module(block: Block, in_channels: int, *, computes: bool) -> nn.Module:
    """The module of `block` at its widest; `computes`: whether it ever does more than hand its input on."""
    if isinstance(block, Skip):
        return conv_bn(in_channels, block.out_channels, 1, block.stride) if computes else nn.Identity()
    return block.build(in_channels)


def features(module: nn.Module, x: Tensor, hidden: Tensor | None, squeezed: Tensor | None) -> Tensor:
    """What the widest `module` computes of `x`, `(batch, channels, height, width)`, before its input is added.

    The mask of the hidden width stands where the features end that a narrower layer would not compute: behind batch
    norm and activation of the last layer that treats channels one by one, in front of the first that mixes them. In
    front of batch norm it would be divided out.

    Args:
        hidden, squeezed: masks, `(channels, 1, 1)`; None where the width is not open.
    """
    if not isinstance(module, Residual):
        if hidden is None:
            y: Tensor = module(x)
            return y
        assert isinstance(module, nn.Sequential)
        return _pooled(module, x, hidden)
    layers = dict(module.body.named_children())
    mixing = next(name for name in ("squeeze", "project") if name in layers)
    for name, layer in layers.items():
        if name == mixing and hidden is not None:
            x = x * hidden
        x = _squeezed(layer, x, squeezed) if isinstance(layer, SqueezeExciteModule) else layer(x)
    dropped: Tensor = module.drop_path(x)
    return dropped


def _pooled(module: nn.Sequential, x: Tensor, hidden: Tensor) -> Tensor:
    """`MBPool`: the mask stands behind the pooling, where there is one pixel to multiply."""
    for name, layer in module.named_children():
        x = layer(x) if name != "pool" else layer(x) * hidden
    return x


def _squeezed(layer: SqueezeExciteModule, x: Tensor, squeezed: Tensor | None) -> Tensor:
    """Squeeze-and-excitation; the mean is over the map that is there, and channels that are masked have mean 0."""
    pooled = layer.act(layer.squeeze(x.mean((2, 3), keepdim=True)))
    if squeezed is not None:
        pooled = pooled * squeezed
    scale: Tensor = layer.gate(layer.excite(pooled))
    return x * scale
