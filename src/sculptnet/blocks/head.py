"""Heads: from a feature map to one pixel, and from there to one logit per class."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block, TensorShape, require_decided
from sculptnet.blocks.checks import channel_problems, check, count_problems
from sculptnet.blocks.layers import Activation, Classify, Pool, conv_bn


@final
@dataclass(frozen=True)
class PooledConv(Block):
    """A 1x1 convolution with batch norm and activation, then the mean over all pixels."""

    out_channels: int
    activation: Activation = Activation.RELU

    def __post_init__(self) -> None:
        check(self, channel_problems(self.out_channels))

    def out_shape(self, shape: TensorShape) -> TensorShape:
        require_decided(self, "PooledConv.out_shape")
        return TensorShape(self.out_channels, 1, 1)

    def module(self, in_channels: int) -> nn.Module:
        conv = conv_bn(in_channels, self.out_channels, 1, activation=self.activation)
        return nn.Sequential(OrderedDict(features=conv, pool=Pool()))

    def label(self) -> str:
        return "conv1x1+pool"


@final
@dataclass(frozen=True)
class GlobalPool(Block):
    """The mean over all pixels alone, ResNet's head. `out_channels`: the width of the features, which stays."""

    out_channels: int

    def __post_init__(self) -> None:
        check(self, channel_problems(self.out_channels))

    def out_shape(self, shape: TensorShape) -> TensorShape:
        require_decided(self, "GlobalPool.out_shape")
        return TensorShape(self.out_channels, 1, 1)

    def module(self, in_channels: int) -> nn.Module:
        if in_channels != self.out_channels:
            check(self, [f"out_channels must be the input's {in_channels} channels, got {self.out_channels}"])
        return Pool()

    def label(self) -> str:
        return "pool"


@final
@dataclass(frozen=True)
class Classifier(Block):
    """One linear layer from the head's features to `out_channels` logits."""

    out_channels: int

    def __post_init__(self) -> None:
        check(self, channel_problems(self.out_channels))

    def out_shape(self, shape: TensorShape) -> TensorShape:
        require_decided(self, "Classifier.out_shape")
        return TensorShape(self.out_channels, 1, 1)

    def module(self, in_channels: int) -> nn.Module:
        return Classify(in_channels, self.out_channels)

    def label(self) -> str:
        return "fc"


@final
@dataclass(frozen=True)
class MBPool(Block):
    """The head that convolves after pooling, where one pixel is left (Howard et al., MobileNetV3, ICCV 2019, figure 5).

    1x1 convolution to `expansion` times the input width, batch norm, activation; the mean over all pixels; 1x1
    convolution to `out_channels` without batch norm, activation.

    Attributes:
        bias: of the second convolution: MobileNetV3 has one; FBNetV2 and FBNetV3, whose name this is, do not.
    """

    out_channels: int
    expansion: int = 6
    activation: Activation = Activation.HARD_SWISH
    bias: bool = False

    def __post_init__(self) -> None:
        check(self, [*channel_problems(self.out_channels), *count_problems(self.expansion, "expansion")])

    def out_shape(self, shape: TensorShape) -> TensorShape:
        require_decided(self, "MBPool.out_shape")
        return TensorShape(self.out_channels, 1, 1)

    def module(self, in_channels: int) -> nn.Module:
        hidden = in_channels * self.expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            expand=conv_bn(in_channels, hidden, 1, activation=self.activation),
            pool=Pool(),
            conv=nn.Conv2d(hidden, self.out_channels, 1, bias=self.bias),
        )
        if self.activation is not Activation.NONE:
            layers["act"] = self.activation.module()
        return nn.Sequential(layers)

    def label(self) -> str:
        return "mbpool"
