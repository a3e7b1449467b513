"""Squeeze-and-excitation (Hu et al., CVPR 2018): channels scaled by a gate that sees all pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from torch import Tensor, nn

from sculptnet.arch import options_of
from sculptnet.blocks.checks import check, count_problems
from sculptnet.blocks.layers import Activation


class SqueezeBase(Enum):
    """What the squeezed width is a fraction of: papers differ."""

    HIDDEN = "hidden"
    INPUT = "input"


class Gate(Enum):
    """The function that turns the squeezed features into factors."""

    SIGMOID = "sigmoid"
    HARD_SIGMOID = "hard_sigmoid"


@dataclass(frozen=True)
class SqueezeExcite:
    """Squeeze-and-excitation after the depthwise convolution.

    Attributes:
        ratio: squeezed width over the width that `of` names.
        of: MnasNet and FBNetV3 take the block's input, FBNetV2 and Once-for-All the hidden width.
        gate: sigmoid (MnasNet) or hard sigmoid (FBNetV2, FBNetV3, Once-for-All).
        divisor: the squeezed width is rounded to a multiple of it, never below `floor` of the exact width.
        activation: between the two convolutions; FBNetV2 and FBNetV3 take the block's.
        floor: 0.9 at Google, 0.95 at Facebook.
    """

    ratio: float = 0.25
    of: SqueezeBase = SqueezeBase.HIDDEN
    gate: Gate = Gate.HARD_SIGMOID
    divisor: int = 8
    activation: Activation = Activation.RELU
    floor: float = 0.9

    def __post_init__(self) -> None:
        ratios = [ratio for ratio in options_of(self.ratio) if not 0 < ratio <= 1]
        problems = [f"ratio must be above 0 and at most 1, got {ratio!r}" for ratio in ratios]
        check(self, [*problems, *count_problems(self.divisor, "divisor")])

    def squeezed_channels(self, in_channels: int, hidden_channels: int) -> int:
        """The squeezed width for features of `hidden_channels` in a block of `in_channels`."""
        base = hidden_channels if self.of is SqueezeBase.HIDDEN else in_channels
        return round_channels(base * self.ratio, self.divisor, self.floor)

    def module(self, in_channels: int, hidden_channels: int) -> nn.Module:
        """A new module for features of `hidden_channels` in a block of `in_channels`."""
        squeezed = self.squeezed_channels(in_channels, hidden_channels)
        return SqueezeExciteModule(hidden_channels, squeezed, self.gate, self.activation)


class SqueezeExciteModule(nn.Module):
    """Pool, squeeze, activation, excite, gate; the input times that."""

    def __init__(self, channels: int, squeezed_channels: int, gate: Gate, activation: Activation) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed_channels, 1)
        self.act = activation.module()
        self.excite = nn.Conv2d(squeezed_channels, channels, 1)
        self.gate = nn.Sigmoid() if gate is Gate.SIGMOID else nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """`x`: `(batch, channels, height, width)`."""
        scale: Tensor = self.gate(self.excite(self.act(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return x * scale


def round_channels(channels: float, divisor: int = 8, floor: float = 0.9) -> int:
    """The multiple of `divisor` nearest to `channels`, halves up, never below `floor` of it nor below `divisor`.

    Google, Once-for-All and timm use a floor of 0.9, Facebook 0.95.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < floor * channels else rounded
