"""Convolution, batch norm, activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block
from sculptnet.blocks.checks import channel_problems, check, count_problems, kernel_problems
from sculptnet.blocks.layers import Activation, conv_bn


@final
@dataclass(frozen=True)
class Conv(Block):
    """A convolution without bias, padding `kernel_size // 2`; batch norm; activation."""

    out_channels: int
    kernel_size: int = 3
    stride: int = 1
    groups: int = 1
    activation: Activation = Activation.RELU

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *kernel_problems(self.kernel_size)]
        check(self, [*problems, *count_problems(self.stride, "stride"), *count_problems(self.groups, "groups")])

    def module(self, in_channels: int) -> nn.Module:
        return conv_bn(in_channels, self.out_channels, self.kernel_size, self.stride, self.groups, self.activation)

    def label(self) -> str:
        return f"conv{self.kernel_size}x{self.kernel_size}"
