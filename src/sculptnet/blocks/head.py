"""Heads: from a feature map to one pixel, and from there to one logit per class."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block, TensorShape, require_decided
from sculptnet.blocks.checks import channel_problems, check
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
