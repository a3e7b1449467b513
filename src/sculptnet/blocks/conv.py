"""Convolution, batch norm, activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block
from sculptnet.blocks.checks import channel_problems, check, count_problems, kernel_problems
from sculptnet.blocks.layers import Activation, Padding, conv_bn


@final
@dataclass(frozen=True)
class Conv(Block):
    """A convolution without bias; batch norm; activation. Strides round sizes up."""

    out_channels: int
    kernel_size: int = 3
    stride: int = 1
    groups: int = 1
    activation: Activation = Activation.RELU
    padding: Padding = Padding.HALF

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *kernel_problems(self.kernel_size)]
        problems += [*count_problems(self.stride, "stride"), *count_problems(self.groups, "groups")]
        if self.padding is Padding.SHORT:
            problems.append("padding must be half or same, got short")
        check(self, problems)

    def module(self, in_channels: int) -> nn.Module:
        size, stride = self.kernel_size, self.stride
        return conv_bn(in_channels, self.out_channels, size, stride, self.groups, self.activation, self.padding)

    def label(self) -> str:
        return f"conv{self.kernel_size}x{self.kernel_size}"
