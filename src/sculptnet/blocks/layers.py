"""Small modules that several block families share."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn


class Activation(Enum):
    """A non-linearity."""

    RELU = "relu"
    RELU6 = "relu6"
    HARD_SWISH = "hard_swish"
    SWISH = "swish"
    NONE = "none"

    def module(self) -> nn.Module:
        """A new module that computes it."""
        return _MODULES[self]()


_MODULES: dict[Activation, type[nn.Module]] = {
    Activation.RELU: nn.ReLU,
    Activation.RELU6: nn.ReLU6,
    Activation.HARD_SWISH: nn.Hardswish,
    Activation.SWISH: nn.SiLU,
    Activation.NONE: nn.Identity,
}


class Padding(Enum):
    """How many zeros a convolution sees around its input. The output's size never depends on the kernel.

    `HALF`: `kernel_size // 2` on every side; strides round sizes up. `SHORT`: one less, as in some strided layers of
    FBNetV3's published code; the map shrinks by one pixel on every side first. `SAME`: TensorFlow's, sizes as with
    `HALF`; a strided convolution gets just the zeros that it reads, an odd one at the bottom and the right. Networks
    that were trained with it compute something else without.
    """

    HALF = "half"
    SHORT = "short"
    SAME = "same"

    def pixels(self, kernel_size: int) -> int:
        """Zeros on each side that do not depend on the input's size."""
        return kernel_size // 2 - (1 if self is Padding.SHORT else 0)

    def size_after(self, size: int, stride: int) -> int:
        """Height or width of the output; below 1 where the input is too small."""
        return (size - (3 if self is Padding.SHORT else 1)) // stride + 1


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    activation: Activation = Activation.RELU,
    padding: Padding = Padding.HALF,
) -> nn.Sequential:
    """Convolution without bias; batch norm; activation."""
    as_read = padding is Padding.SAME and stride > 1
    conv, zeros = (SameConv2d, 0) if as_read else (nn.Conv2d, padding.pixels(kernel_size))
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=conv(in_channels, out_channels, kernel_size, stride, zeros, groups=groups, bias=False),
        bn=nn.BatchNorm2d(out_channels),
    )
    if activation is not Activation.NONE:
        layers["act"] = activation.module()
    return nn.Sequential(layers)


class SameConv2d(nn.Conv2d):
    """A convolution that pads its input as TensorFlow does (`Padding.SAME`)."""

    def forward(self, x: Tensor) -> Tensor:
        """`x`: `(batch, channels, height, width)`."""
        sizes = (int(x.shape[-2]), int(x.shape[-1]))  # plain numbers: constants in an exported graph
        stride, kernel = self.stride[0], self.kernel_size[0]
        totals = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in sizes]
        zeros = [total // 2 for total in totals] + [total - total // 2 for total in totals]
        if torch.onnx.is_in_onnx_export():
            y: Tensor = _PaddedConvolution.apply(x, self.weight, stride, self.groups, zeros)
            return y
        return _padded_convolution(x, self.weight, stride, self.groups, zeros)


def _padded_convolution(x: Tensor, weight: Tensor, stride: int, groups: int, zeros: list[int]) -> Tensor:
    top, left, bottom, right = zeros
    padded = nn.functional.pad(x, (left, right, top, bottom))
    return nn.functional.conv2d(padded, weight, None, stride, groups=groups)


class _PaddedConvolution(torch.autograd.Function):
    """One node in an exported graph: ONNX's convolution pads each side by itself, PyTorch's does not."""

    @staticmethod
    def forward(_: Any, x: Tensor, weight: Tensor, stride: int, groups: int, zeros: list[int]) -> Tensor:
        return _padded_convolution(x, weight, stride, groups, zeros)

    @staticmethod
    def symbolic(graph: Any, x: Any, weight: Any, stride: int, groups: int, zeros: list[int]) -> Any:
        settings = {"strides_i": [stride] * 2, "pads_i": zeros, "group_i": groups}
        return graph.op("Conv", x, weight, **settings)


class ChannelShuffle(nn.Module):
    """Interleaves the channels of `groups` groups (Zhang et al., ShuffleNet, CVPR 2018, section 3.1)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """`x`: `(batch, channels, height, width)`."""
        channels, height, width = (int(size) for size in x.shape[1:])  # plain numbers: constants in an exported graph
        split = x.reshape(-1, self.groups, channels // self.groups, height, width)
        return split.transpose(1, 2).reshape(-1, channels, height, width)


class Residual(nn.Module):
    """`body(x)`, plus `x` if `residual`; training may drop the body's part of a sample (`drop_path`).

    `shortcut`: what `x` goes through before it is added, or None.
    """

    def __init__(self, body: nn.Module, residual: bool, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.residual, self.shortcut = body, residual, shortcut
        self.drop_path: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`x`: `(batch, channels, height, width)`."""
        y: Tensor = self.body(x)
        if not self.residual:
            return y
        added: Tensor = x if self.shortcut is None else self.shortcut(x)
        y = self.drop_path(y)
        return added + y


class Pool(nn.Module):
    """The mean over all pixels, shape `(batch, channels, 1, 1)`."""

    def forward(self, x: Tensor) -> Tensor:
        """`x`: `(batch, channels, height, width)`."""
        return x.mean((2, 3), keepdim=True)


class Classify(nn.Linear):
    """A linear layer on `(batch, channels, 1, 1)`, with dropout before it."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.dropout: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Logits, `(batch, out_features)`."""
        return super().forward(self.dropout(torch.flatten(x, 1)))
