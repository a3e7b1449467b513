"""Smaller kernels by regression: responses to a large kernel, explained by the pixels that a small one sees."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from sculptnet.inherit.anatomy import conv_of, norm_of
from sculptnet.inherit.least_squares import TINY, Sums, ridge


def taps(x: Tensor, conv: nn.Conv2d, pixels: Tensor) -> Tensor:
    """What each weight of a kernel of `conv` is multiplied with, `(batch, channels, n, kernel height * width)`.

    Padding and stride are those of `conv`: a depthwise twin of it is run with kernels of a single one.

    Args:
        x: input of `conv`, `(batch, channels, height, width)`.
        conv: depthwise or regular.
        pixels: of the output, `(batch, n)` for each image.
    """
    size, channels = conv.kernel_size[0], x.shape[1]
    twin = deepcopy(conv)
    twin.groups, twin.in_channels, twin.out_channels = channels, channels, channels
    index = pixels[:, None].expand(-1, channels, -1)
    seen = []
    for tap in range(size * size):
        single = torch.zeros(size * size, device=x.device, dtype=x.dtype)
        single[tap] = 1.0
        twin.weight = nn.Parameter(single.view(1, 1, size, size).repeat(channels, 1, 1, 1), requires_grad=False)
        seen.append(twin(x).flatten(2).gather(2, index))
    return torch.stack(seen, dim=-1)


def pixels_at(maps: Tensor, pixels: Tensor) -> Tensor:
    """Rows `(batch * n, channels)` of `maps`, `(batch, channels, height, width)`, at the `pixels` `(batch, n)`."""
    flat = maps.flatten(2)
    index = pixels[:, None].expand(-1, flat.shape[1], -1)
    return flat.gather(2, index).transpose(1, 2).reshape(-1, flat.shape[1])


class DepthwiseFit:
    """Fits the kernels of a depthwise convolution with batch norm, channel by channel, to given responses."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer, self._rows = layer, 0
        self._sums: tuple[Tensor, ...] = ()

    def add(self, x: Tensor, target: Tensor, pixels: Tensor) -> None:
        """Takes `x`, the layer's input, and `target`, the responses before batch norm, at `pixels` of each image."""
        seen = taps(x, conv_of(self._layer), pixels).transpose(0, 1).flatten(1, 2).double()  # channels, rows, weights
        wanted = pixels_at(target, pixels).T.double()[:, :, None]
        parts = (seen.sum(1), wanted.sum(1), seen.transpose(1, 2) @ seen, seen.transpose(1, 2) @ wanted)
        self._sums = tuple(map(torch.add, self._sums, parts)) if self._sums else parts
        self._rows += seen.shape[1]

    @torch.no_grad()
    def apply(self, strength: float) -> None:
        """Sets the kernels by ridge regression with a pull to those that are there; constants go to batch norm."""
        conv, norm = conv_of(self._layer), norm_of(self._layer)
        left, right, products, crossed = self._sums
        left, right = left / self._rows, right / self._rows
        products = products - self._rows * left[:, :, None] * left[:, None, :]
        crossed = crossed - self._rows * left[:, :, None] * right[:, None, :]
        pull = strength * products.diagonal(dim1=1, dim2=2).mean(1) + TINY
        prior = conv.weight.flatten(1).double()[:, :, None]
        identity = torch.eye(products.shape[1], dtype=products.dtype, device=products.device)
        pulled = products + pull[:, None, None] * identity
        weights = torch.linalg.solve(pulled, crossed + pull[:, None, None] * prior)[:, :, 0]
        conv.weight.copy_(weights.view_as(conv.weight))
        assert norm.running_mean is not None
        norm.running_mean.sub_((right[:, 0] - (weights * left).sum(1)).to(norm.running_mean))


class RegularFit:
    """Fits a regular convolution with batch norm, all its channels together, to given responses."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer, self._sums = layer, Sums()

    def add(self, x: Tensor, target: Tensor, pixels: Tensor) -> None:
        """As `DepthwiseFit.add`."""
        seen = (
            taps(x, conv_of(self._layer), pixels).transpose(1, 2).flatten(0, 1).flatten(1)
        )  # rows, channels * weights
        self._sums.add(seen, pixels_at(target, pixels))

    @torch.no_grad()
    def apply(self, strength: float) -> None:
        """As `DepthwiseFit.apply`."""
        conv, norm = conv_of(self._layer), norm_of(self._layer)
        weights, biases = ridge(self._sums.moments(), strength, conv.weight.flatten(1))
        conv.weight.copy_(weights.view_as(conv.weight))
        assert norm.running_mean is not None
        norm.running_mean.sub_(biases.to(norm.running_mean))
