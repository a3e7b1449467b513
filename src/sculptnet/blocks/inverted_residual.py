"""The inverted residual: expand, convolve each channel, project (Sandler et al., MobileNetV2, CVPR 2018)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block, TensorShape, options_of
from sculptnet.blocks.checks import channel_problems, check, count_problems, kernel_problems
from sculptnet.blocks.layers import Activation, ChannelShuffle, Padding, Residual, conv_bn
from sculptnet.blocks.squeeze import SqueezeExcite, round_channels
from sculptnet.errors import InvalidValue


@final
@dataclass(frozen=True)
class InvertedResidual(Block):
    """1x1 convolution, depthwise convolution, 1x1 convolution without activation; plus the input where shapes agree.

    Attributes:
        out_channels, stride: of the block.
        kernel_size: of the depthwise convolution.
        expansion: hidden width over input width, rounded to a multiple of `hidden_divisor`.
        groups: of both 1x1 convolutions; above 1, channels are shuffled once, after the first (FBNet's published code).
        squeeze: squeeze-and-excitation after the depthwise convolution, or None.
        activation: after the first 1x1 and after each depthwise convolution.
        expand_at_1: keep the first 1x1 convolution at expansion 1, as FBNet does; MobileNetV2 and MnasNet drop it.
        depthwise_layers: depthwise convolutions in a row, each with batch norm and activation, the first strided. 2 is
            the stacked op of the original FBNet-B and FBNet-C, which the paper's table of candidates does not list.
        hidden_divisor, hidden_floor: the hidden width is a multiple of the one, never below this part of the exact
            width: 8 and 0.95 at Facebook, 8 and 0.9 at Google.
        padding: of the first depthwise convolution.
    """

    out_channels: int
    kernel_size: int = 3
    expansion: float = 6
    stride: int = 1
    groups: int = 1
    squeeze: SqueezeExcite | None = None
    activation: Activation = Activation.RELU
    expand_at_1: bool = True
    depthwise_layers: int = 1
    hidden_divisor: int = 1
    hidden_floor: float = 0.9
    padding: Padding = Padding.HALF

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *kernel_problems(self.kernel_size)]
        problems += [f"expansion must be above 0, got {value!r}" for value in options_of(self.expansion) if value <= 0]
        for name in ("groups", "depthwise_layers", "hidden_divisor", "stride"):
            problems += count_problems(getattr(self, name), name)
        if self.padding is Padding.SHORT and self.stride == 1:
            problems.append("padding must be half at stride 1: a short one shrinks the map, got short")
        check(self, problems)

    def hidden_channels(self, in_channels: int) -> int:
        """The width between the two 1x1 convolutions."""
        return round_channels(in_channels * self.expansion, self.hidden_divisor, self.hidden_floor)

    def out_shape(self, shape: TensorShape) -> TensorShape:
        rounded_up = super().out_shape(shape)
        if self.padding is not Padding.SHORT:
            return rounded_up
        height, width = (self.padding.size_after(size, self.stride) for size in shape[1:])
        if min(height, width) < 1:
            raise InvalidValue(f"{self.label()} with short padding needs a map of at least 3x3, got {shape}")
        return TensorShape(self.out_channels, height, width)

    def module(self, in_channels: int) -> nn.Module:
        hidden = self.hidden_channels(in_channels)
        check(
            self,
            [
                f"{name} ({width}) must be a multiple of groups ({self.groups})"
                for name, width in (
                    ("input channels", in_channels),
                    ("hidden channels", hidden),
                    ("out_channels", self.out_channels),
                )
                if width % self.groups
            ],
        )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if self.expand_at_1 or hidden != in_channels:
            layers["expand"] = conv_bn(in_channels, hidden, 1, groups=self.groups, activation=self.activation)
        if self.groups > 1:
            layers["shuffle"] = ChannelShuffle(self.groups)
        for index in range(self.depthwise_layers):
            name = "depthwise" if index == 0 else f"depthwise{index + 1}"
            stride = self.stride if index == 0 else 1
            padding = self.padding if index == 0 else Padding.HALF
            layers[name] = conv_bn(hidden, hidden, self.kernel_size, stride, hidden, self.activation, padding)
        if self.squeeze is not None:
            layers["squeeze"] = self.squeeze.module(in_channels, hidden)
        layers["project"] = conv_bn(hidden, self.out_channels, 1, groups=self.groups, activation=Activation.NONE)
        return Residual(nn.Sequential(layers), self.stride == 1 and in_channels == self.out_channels)

    def label(self) -> str:
        kernel = f"k{self.kernel_size}" + (f"x{self.depthwise_layers}" if self.depthwise_layers > 1 else "")
        groups = f"_g{self.groups}" if self.groups > 1 else ""
        return f"{kernel}_e{self.expansion:g}{groups}" + ("_se" if self.squeeze is not None else "")
