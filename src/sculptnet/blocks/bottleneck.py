"""The bottleneck of ResNet-50 and the deep stem in front of it (He et al., CVPR 2016; ResNet-D: CVPR 2019)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import final

from torch import nn

from sculptnet.arch import Block, options_of
from sculptnet.blocks.checks import channel_problems, check, count_problems, kernel_problems
from sculptnet.blocks.layers import Activation, Residual, conv_bn
from sculptnet.blocks.squeeze import round_channels

STEM_STRIDES = (1, 2, 4)


@final
@dataclass(frozen=True)
class Bottleneck(Block):
    """1x1 convolution, kxk convolution that carries the stride, 1x1 convolution; plus the input; then the activation.

    Where shapes differ the input passes through average pooling of the stride and a 1x1 convolution with batch norm
    (ResNet-D: Bag of Tricks for Image Classification, CVPR 2019, figure 2c).

    Attributes:
        out_channels, stride: of the block.
        expansion: width of the two inner layers over `out_channels`, rounded to a multiple of `hidden_divisor`. (An
            inverted residual's expansion is relative to its input.)
        kernel_size: of the middle convolution.
        activation: after the first two convolutions and after the sum.
    """

    out_channels: int
    expansion: float = 0.25
    kernel_size: int = 3
    stride: int = 1
    hidden_divisor: int = 8
    activation: Activation = Activation.RELU

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *kernel_problems(self.kernel_size)]
        problems += [f"expansion must be above 0, got {value!r}" for value in options_of(self.expansion) if value <= 0]
        for name in ("stride", "hidden_divisor"):
            problems += count_problems(getattr(self, name), name)
        check(self, problems)

    def hidden_channels(self) -> int:
        """The width of the two inner layers."""
        return round_channels(round(self.out_channels * self.expansion), self.hidden_divisor)

    def module(self, in_channels: int) -> nn.Module:
        hidden = self.hidden_channels()
        body = nn.Sequential(
            OrderedDict(
                reduce=conv_bn(in_channels, hidden, 1, activation=self.activation),
                convolve=conv_bn(hidden, hidden, self.kernel_size, self.stride, activation=self.activation),
                expand=conv_bn(hidden, self.out_channels, 1, activation=Activation.NONE),
            )
        )
        residual = Residual(body, True, self._projection(in_channels))
        return nn.Sequential(OrderedDict(residual=residual, act=self.activation.module()))

    def _projection(self, in_channels: int) -> nn.Module | None:
        if self.stride == 1 and in_channels == self.out_channels:
            return None
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if self.stride > 1:
            # no difference in PyTorch; ONNX Runtime up to 1.26 would count what lies outside
            layers["pool"] = nn.AvgPool2d(self.stride, self.stride, ceil_mode=True, count_include_pad=False)
        layers["project"] = conv_bn(in_channels, self.out_channels, 1, activation=Activation.NONE)
        return nn.Sequential(layers)

    def label(self) -> str:
        return f"bottleneck_k{self.kernel_size}_e{self.expansion:g}"


@final
@dataclass(frozen=True)
class DeepStem(Block):
    """3x3 convolutions to `mid_channels`, once more with a residual, and to `out_channels`; then 3x3 max pooling.

    Every convolution is followed by batch norm and activation.

    Attributes:
        mid_channels: width of the first convolution and of the residual one.
        residual: keep the middle convolution; Once-for-All searches whether.
        stride: 4: the first convolution and the pooling halve the map; 2: the convolution alone; 1: neither. Without
            stride 4 there is no pooling.
    """

    out_channels: int
    mid_channels: int = 32
    residual: bool = True
    stride: int = 4
    activation: Activation = Activation.RELU

    def __post_init__(self) -> None:
        problems = [*channel_problems(self.out_channels), *channel_problems(self.mid_channels, "mid_channels")]
        wrong = [stride for stride in options_of(self.stride) if stride not in STEM_STRIDES]
        problems += [f"stride must be one of {', '.join(map(str, STEM_STRIDES))}, got {value!r}" for value in wrong]
        check(self, problems)

    def module(self, in_channels: int) -> nn.Module:
        mid, activation = self.mid_channels, self.activation
        first_stride = 1 if self.stride == 1 else 2
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            first=conv_bn(in_channels, mid, 3, first_stride, activation=activation)
        )
        if self.residual:
            layers["middle"] = Residual(conv_bn(mid, mid, 3, activation=activation), True)
        layers["last"] = conv_bn(mid, self.out_channels, 3, activation=activation)
        if self.stride == STEM_STRIDES[-1]:
            layers["pool"] = nn.MaxPool2d(3, 2, 1)
        return nn.Sequential(layers)

    def label(self) -> str:
        return "deep_stem"
