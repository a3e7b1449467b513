"""A block of your own, and a space that uses it. Nothing else has to change.

The fused inverted residual (Gupta and Tan 2019; EfficientNetV2, ICML 2021) widens with a full convolution instead of a
1x1 and a depthwise one: more multiply-adds, but often faster in early layers. Whether it is on your device, the latency
table tells:

    PYTHONPATH=examples/extending sculptnet fit PHOTOS --latency-ms 5 --space my_block:fused_fbnet
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

from torch import nn

from sculptnet.arch import Block, OneOf, SearchSpace, choice
from sculptnet.blocks import Activation, Residual, channel_problems, check, conv_bn, count_problems, kernel_problems
from sculptnet.spaces import fbnet


@final
@dataclass(frozen=True)
class FusedInvertedResidual(Block):
    """A full convolution to `expansion` times the width, a 1x1 convolution back; plus the input where shapes agree."""

    out_channels: int
    kernel_size: int = 3
    expansion: int = 3
    stride: int = 1

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *kernel_problems(self.kernel_size)]
        check(self, problems + count_problems(self.expansion, "expansion") + count_problems(self.stride, "stride"))

    def module(self, in_channels: int) -> nn.Module:
        hidden = in_channels * self.expansion
        expand = conv_bn(in_channels, hidden, self.kernel_size, self.stride)
        project = conv_bn(hidden, self.out_channels, 1, activation=Activation.NONE)
        return Residual(nn.Sequential(expand, project), self.stride == 1 and in_channels == self.out_channels)

    def label(self) -> str:
        return f"fused_k{self.kernel_size}_e{self.expansion}"


def fused_fbnet(
    num_classes: int = 1000, resolution: int = 224, *, width: float = 1.0, expansion: int = 3
) -> SearchSpace:
    """FBNet's space with a fused block as the tenth candidate of every layer: 10**22 networks."""
    space = fbnet(num_classes, resolution, width=width)
    stages = tuple(tuple(_widened(slot, expansion) for slot in stage) for stage in space.architecture.stages)
    return SearchSpace(replace(space.architecture, stages=stages))


def _widened(slot: Block | OneOf, expansion: int) -> Block:
    assert isinstance(slot, OneOf)
    known = slot.options[0]
    fused = FusedInvertedResidual(known.out_channels, expansion=expansion, stride=known.stride)
    widened: Block = choice(*slot.options, fused)
    return widened
