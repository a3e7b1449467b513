"""What a block does, as numbers that explain its latency, and how alike two blocks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from sculptnet.arch import Block, TensorShape
from sculptnet.cost.entries import Entry
from sculptnet.cost.errors_of_tables import Vector
from sculptnet.cost.formulas import Layer, layers_of

COMPARED_AT_ONCE = 1 << 20  # numbers of pairs of rows, 8 MB


@final
@dataclass(frozen=True)
class Work:
    """What a block does for one image; elements are numbers read plus numbers written by layers of one kind.

    Attributes:
        dense_macs, dense_elements: convolutions that mix channels, and linear layers.
        depthwise_macs, depthwise_elements: convolutions of single channels.
        weights, layers: of both.
        gates: those that see one pixel though the block sees more: squeeze-and-excitation, and what follows a pooling.
        other_elements: written by activations, poolings and the like.
        in_elements, out_elements, in_channels, out_channels, height: of the block.
        kernel_size: the largest of its convolutions.
        stride: of the block.
    """

    dense_macs: int
    dense_elements: int
    depthwise_macs: int
    depthwise_elements: int
    weights: int
    layers: int
    gates: int
    other_elements: int
    in_elements: int
    out_elements: int
    in_channels: int
    out_channels: int
    height: int
    kernel_size: int
    stride: int


@cache
def work_of(block: Block, shape: TensorShape) -> Work:
    """Counted in closed form where there is one, else on the block's own module."""
    layers = layers_of(block, shape)
    return _on_module(block, shape) if not layers else _in_closed_form(block, shape, layers)


def _in_closed_form(block: Block, shape: TensorShape, layers: Sequence[Layer]) -> Work:
    dense = [layer for layer in layers if not layer.depthwise]
    depthwise = [layer for layer in layers if layer.depthwise]
    return Work(
        dense_macs=sum(layer.macs for layer in dense),
        dense_elements=sum(layer.elements for layer in dense),
        depthwise_macs=sum(layer.macs for layer in depthwise),
        depthwise_elements=sum(layer.elements for layer in depthwise),
        weights=sum(layer.weights for layer in layers),
        layers=len(layers),
        gates=sum(shape.height > 1 and layer.pixels == 1 for layer in layers),
        other_elements=sum(layer.out_channels * layer.pixels for layer in layers if layer.activated),
        in_elements=math.prod(shape),
        out_elements=math.prod(block.out_shape(shape)),
        in_channels=shape.channels,
        out_channels=block.out_channels,
        height=shape.height,
        kernel_size=max(layer.kernel_size for layer in layers),
        stride=block.stride,
    )


def _on_module(block: Block, shape: TensorShape) -> Work:
    """Without data (torch's meta device)."""
    with torch.device("meta"):
        module, image = block.build(shape.channels).eval(), torch.empty(1, *shape)
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) or not list(layer.children()):
            layer.register_forward_hook(lambda layer, x, y: seen.append((layer, x[0], y)))
    with torch.no_grad():
        out = module(image)
    convs = [(layer, x, y) for layer, x, y in seen if isinstance(layer, (nn.Conv2d, nn.Linear))]
    depthwise = [found for found in convs if _is_depthwise(found[0])]
    dense = [found for found in convs if not _is_depthwise(found[0])]
    free = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.Identity)  # batch norm is folded on devices
    return Work(
        dense_macs=sum(_macs(layer, y) for layer, _, y in dense),
        dense_elements=sum(x.numel() + y.numel() for _, x, y in dense),
        depthwise_macs=sum(_macs(layer, y) for layer, _, y in depthwise),
        depthwise_elements=sum(x.numel() + y.numel() for _, x, y in depthwise),
        weights=sum(layer.weight.numel() for layer, _, _ in convs),
        layers=len(convs),
        gates=sum(shape.height > 1 and y[0, 0].numel() == 1 for _, _, y in convs),
        other_elements=sum(y.numel() for layer, _, y in seen if not isinstance(layer, free)),
        in_elements=image.numel(),
        out_elements=out.numel(),
        in_channels=shape.channels,
        out_channels=block.out_channels,
        height=shape.height,
        kernel_size=max((layer.kernel_size[0] for layer, _, _ in convs if isinstance(layer, nn.Conv2d)), default=1),
        stride=block.stride,
    )


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels


def _macs(layer: nn.Module, out: Tensor) -> int:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return out.numel() * weight[0].numel()


def features_of(entries: Sequence[Entry]) -> Vector:
    """The fields of each entry's `Work`, shape `(entries, features)`."""
    return np.array([astuple(work_of(*entry)) for entry in entries], dtype=np.float64)


def similarity(left: Vector, right: Vector, length_scale: float) -> Vector:
    """1 for equal rows, towards 0 the further apart they are; shape `(left, right)`. Columns are standardised logs."""
    result: Vector = np.empty((len(left), len(right)))
    rows = max(1, COMPARED_AT_ONCE // max(1, right.size))
    for start in range(0, len(left), rows):
        part = slice(start, start + rows)
        distance = np.mean((left[part, None] - right[None]) ** 2, axis=-1)
        result[part] = np.exp(-distance / (2 * length_scale**2))
    return result
