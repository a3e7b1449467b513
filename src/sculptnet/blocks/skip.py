"""The skip: nothing where shapes agree, a projection elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block
from sculptnet.blocks.checks import channel_problems, check, count_problems
from sculptnet.blocks.layers import conv_bn


@final
@dataclass(frozen=True)
class Skip(Block):
    """The identity where stride is 1 and the width stays; elsewhere a strided 1x1 convolution, batch norm, ReLU.

    The projection makes a skip legal in every layer, as in FBNet's published code.
    """

    out_channels: int
    stride: int = 1

    def __post_init__(self) -> None:
        check(self, [*channel_problems(self.out_channels), *count_problems(self.stride, "stride")])

    def is_identity(self, in_channels: int) -> bool:
        return self.stride == 1 and in_channels == self.out_channels

    def module(self, in_channels: int) -> nn.Module:
        if self.is_identity(in_channels):
            return nn.Identity()
        return conv_bn(in_channels, self.out_channels, 1, self.stride)
