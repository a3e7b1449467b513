"""One layer of MnasNet's factorised space. Its operation is a field, so all layers of a stage can share a decision."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import final

from torch import nn

from sculptnet.arch import Block
from sculptnet.blocks.checks import channel_problems, check, count_problems, kernel_problems
from sculptnet.blocks.inverted_residual import InvertedResidual
from sculptnet.blocks.layers import Residual, conv_bn
from sculptnet.blocks.squeeze import Gate, SqueezeBase, SqueezeExcite

QUARTER_OF_INPUT = SqueezeExcite(0.25, SqueezeBase.INPUT, Gate.SIGMOID, divisor=1)


class Operation(Enum):
    """What a layer computes (MnasNet, section 4.1).

    `CONV`: a regular convolution, batch norm, ReLU. The others are inverted residuals, with ReLU: `SEPARABLE` of
    expansion 1 without its first 1x1 convolution, which is a depthwise-separable convolution; `MBCONV3` and `MBCONV6`
    of expansion 3 and 6.
    """

    CONV = "conv"
    SEPARABLE = "separable"
    MBCONV3 = "mbconv3"
    MBCONV6 = "mbconv6"


_EXPANSIONS = {Operation.SEPARABLE: 1, Operation.MBCONV3: 3, Operation.MBCONV6: 6}


class Shortcut(Enum):
    """What is added to a layer's result.

    `IDENTITY`: the input, at stride 1 where the width stays. `POOLING`: the mean of 3x3 pixels of the input, at the
    layer's stride, where the width stays. `NONE`: nothing.
    """

    IDENTITY = "identity"
    POOLING = "pooling"
    NONE = "none"


@final
@dataclass(frozen=True)
class MnasNetLayer(Block):
    """A layer of the searched stages of MnasNet.

    An operation, squeeze-and-excitation after the activation of its kxk convolution, and a shortcut.

    Attributes:
        out_channels, stride: of the layer.
        kernel_size: of the regular or depthwise convolution.
        squeeze: `QUARTER_OF_INPUT` in the published networks, or None.
    """

    out_channels: int
    operation: Operation = Operation.MBCONV6
    kernel_size: int = 3
    squeeze: SqueezeExcite | None = None
    shortcut: Shortcut = Shortcut.IDENTITY
    stride: int = 1

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *kernel_problems(self.kernel_size)]
        check(self, [*problems, *count_problems(self.stride, "stride")])

    def module(self, in_channels: int) -> nn.Module:
        body = self._convolution(in_channels) if self.operation is Operation.CONV else self._inverted(in_channels)
        if self.shortcut is Shortcut.NONE or in_channels != self.out_channels:
            return Residual(body, False)
        if self.shortcut is Shortcut.POOLING:
            return Residual(body, True, nn.AvgPool2d(3, self.stride, 1, count_include_pad=False))
        return Residual(body, self.stride == 1)

    def _convolution(self, in_channels: int) -> nn.Module:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv=conv_bn(in_channels, self.out_channels, self.kernel_size, self.stride)
        )
        if self.squeeze is not None:
            layers["squeeze"] = self.squeeze.module(in_channels, self.out_channels)
        return nn.Sequential(layers)

    def _inverted(self, in_channels: int) -> nn.Module:
        block = InvertedResidual(
            self.out_channels,
            self.kernel_size,
            _EXPANSIONS[self.operation],
            self.stride,
            squeeze=self.squeeze,
            expand_at_1=False,
        )
        module = block.module(in_channels)
        assert isinstance(module, Residual)
        return module.body

    def label(self) -> str:
        squeeze = "_se" if self.squeeze is not None else ""
        shortcut = "" if self.shortcut is Shortcut.IDENTITY else f"_{self.shortcut.value[:4]}"
        if self.operation is Operation.CONV:
            return f"conv{self.kernel_size}x{self.kernel_size}{squeeze}{shortcut}"
        return f"k{self.kernel_size}_e{_EXPANSIONS[self.operation]}{squeeze}{shortcut}"
