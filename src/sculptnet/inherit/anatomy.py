"""The parts of a block that carving works on: what comes before its last projection, the projection, what is added."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sculptnet.arch import Block
from sculptnet.blocks import Bottleneck, InvertedResidual, MnasNetLayer, Operation, Shortcut
from sculptnet.blocks.layers import Residual, SameConv2d
from sculptnet.nets import Network

SMALLEST_SCALE = 1e-2  # of batch norm, over the layer's largest: a smaller one is raised, so that it can be divided by
_EXPANSIONS = {Operation.SEPARABLE: 1, Operation.MBCONV3: 3, Operation.MBCONV6: 6}


@dataclass(frozen=True, eq=False)
class Place:
    """One block of a trained network.

    Attributes:
        path: `stages.3.1`.
        block, module: the value, and the trained module; it is never changed.
        in_channels: of its input.
    """

    path: str
    block: Block
    module: nn.Module
    in_channels: int


def places_of(network: Network) -> tuple[Place, ...]:
    """All blocks in order, from the stem to the classifier."""
    blocks = network.architecture.blocks()
    return tuple(Place(path, block, network.get_submodule(path), shape.channels) for path, block, shape in blocks)


def inverted_form(block: Block) -> InvertedResidual | None:
    """`block` as an inverted residual of the same body; None of what has none."""
    if isinstance(block, MnasNetLayer) and block.operation is not Operation.CONV:
        expansion = _EXPANSIONS[block.operation]
        return InvertedResidual(
            block.out_channels, block.kernel_size, expansion, block.stride, squeeze=block.squeeze, expand_at_1=False
        )
    return block if isinstance(block, InvertedResidual) else None


def has_body(block: Block) -> bool:
    """Whether `block` has hidden channels that a last projection reads."""
    return isinstance(block, Bottleneck) or inverted_form(block) is not None


def shortcut_of(block: Block, in_channels: int) -> Shortcut:
    """What `block` adds to the result of its body; the projection of a bottleneck's input counts as none."""
    if in_channels != block.out_channels:
        return Shortcut.NONE
    if isinstance(block, MnasNetLayer) and block.shortcut is not Shortcut.IDENTITY:
        return block.shortcut
    added = isinstance(block, (InvertedResidual, MnasNetLayer, Bottleneck)) and block.stride == 1
    return Shortcut.IDENTITY if added else Shortcut.NONE


def hidden_width(block: Block, in_channels: int) -> int | None:
    """The width before the last projection; None of blocks without one."""
    form = inverted_form(block)
    if form is not None:
        return form.hidden_channels(in_channels)
    return block.hidden_channels() if isinstance(block, Bottleneck) else None


def residual_of(module: nn.Module) -> Residual:
    """The body and the shortcut of an inverted residual's, a MnasNet layer's or a bottleneck's module."""
    found = module if isinstance(module, Residual) else module.get_submodule("residual")
    assert isinstance(found, Residual)
    return found


def body_of(module: nn.Module) -> nn.Sequential:
    """The layers of the body; the last one is the projection."""
    body = residual_of(module).body
    assert isinstance(body, nn.Sequential)
    return body


def features(module: nn.Module, x: Tensor, until: str | None = None) -> Tensor:
    """What the projection reads, `(batch, hidden, height, width)`; or what the body's layer named `until` does."""
    body = body_of(module)
    for name, layer in list(body.named_children())[:-1]:
        if name == until:
            return x
        x = layer(x)
    return x


def projection_of(module: nn.Module) -> nn.Sequential:
    """The last convolution of the body with its batch norm."""
    last = body_of(module)[-1]
    assert isinstance(last, nn.Sequential)
    return last


def added(module: nn.Module, x: Tensor) -> Tensor | float:
    """What is added to the body's result."""
    residual = residual_of(module)
    if not residual.residual:
        return 0.0
    shortcut: Tensor = x if residual.shortcut is None else residual.shortcut(x)
    return shortcut


def before_activation(module: nn.Module, x: Tensor) -> Tensor:
    """The body's result with the shortcut, before a bottleneck's last activation."""
    y: Tensor = residual_of(module)(x)
    return y


# ---------------------------------------------------------------------- convolution and batch norm as one linear map
def conv_of(layer: nn.Module) -> nn.Conv2d:
    """The convolution of a `conv_bn`."""
    conv = layer.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    return conv


def norm_of(layer: nn.Module) -> nn.BatchNorm2d:
    """The batch norm of a `conv_bn`."""
    norm = layer.get_submodule("bn")
    assert isinstance(norm, nn.BatchNorm2d)
    return norm


def linear_map(layer: nn.Module) -> Tensor:
    """The weights of a 1x1 convolution with its batch norm in evaluation mode, `(out, in of a group)`, float64."""
    return conv_of(layer).weight[:, :, 0, 0].double() * _factors(norm_of(layer))[:, None]


@torch.no_grad()
def set_linear_map(layer: nn.Module, weights: Tensor, biases: Tensor) -> None:
    """Makes a 1x1 convolution with batch norm compute `weights @ x + biases` in evaluation mode.

    The running variance stays, and what the convolution gives keeps about that variance: so batch norm finds what it
    expects when training goes on. Scales near 0 are raised to be divided by.
    """
    conv, norm = conv_of(layer), norm_of(layer)
    smallest = SMALLEST_SCALE * float(norm.weight.abs().max().clamp_min(1e-6))
    norm.weight.copy_(torch.where(norm.weight.abs() < smallest, smallest, norm.weight))
    factors = _factors(norm)
    conv.weight.copy_((weights / factors[:, None])[:, :, None, None])
    norm.running_mean.copy_((norm.bias.double() - biases) / factors)  # type: ignore[union-attr]


def _factors(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_var is not None
    return norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()


def folded(module: nn.Module) -> nn.Module:
    """A copy that computes the same faster, but for rounding: batch norm in convolutions, activations in place."""
    copy = deepcopy(module).eval()
    for layer in list(copy.modules()):
        conv, norm = getattr(layer, "conv", None), getattr(layer, "bn", None)
        if isinstance(conv, SameConv2d):
            continue  # has no bias
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layer.add_module("conv", fuse_conv_bn_eval(conv, norm))
            layer.add_module("bn", nn.Identity())
        if isinstance(layer, (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU)):
            layer.inplace = True
    return copy


def in_chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of `size` that cover `count`."""
    return (slice(start, start + size) for start in range(0, count, size))


def built(block: Block, place: Place) -> nn.Module:
    """A new module of `block` for `place`, in evaluation mode, on its device; torch's generator stays as it is."""
    device = next((tensor.device for tensor in place.module.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        return block.build(place.in_channels).to(device).eval()
