"""A smaller or larger block that takes its weights from a trained one: channels by index, kernels cropped or padded."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sculptnet.blocks import InvertedResidual
from sculptnet.blocks.squeeze import SqueezeExciteModule
from sculptnet.inherit.anatomy import body_of, conv_of, norm_of, residual_of
from sculptnet.inherit.channels import before_shuffle

Channels = dict[
    str, Tensor
]  # `hidden`, and where there are such `squeezed` (of the squeeze) and `inner` (of a bottleneck)


@torch.no_grad()
def take_inverted(whole: nn.Module, part: nn.Module, form: InvertedResidual, channels: Channels) -> None:
    """Fills `part`, a module of the inverted residual's family, from `whole`.

    Args:
        whole: the trained module.
        part: of the same family, groups and number of layers, with other hidden widths and kernels.
        form: of both, for its groups.
        channels: for each hidden and squeezed channel of `part` the one of `whole`.
    """
    hidden, groups = channels["hidden"], form.groups
    source, target = body_of(whole), body_of(part)
    total, count = _hidden(source), len(hidden)
    places = torch.arange(count, device=hidden.device)
    for name, layer in target.named_children():
        if name == "expand":
            to, of = before_shuffle(places, count, groups), before_shuffle(hidden, total, groups)
            _fill(layer, source.get_submodule(name), conv_of(source.get_submodule(name)).weight[of], of, to)
        elif name.startswith("depthwise"):
            given = source.get_submodule(name)
            weight = resized(conv_of(given).weight[hidden], conv_of(layer).kernel_size[0])
            _fill(layer, given, weight, hidden, places)
        elif name == "squeeze":
            _take_squeeze(source.get_submodule(name), layer, hidden, channels["squeezed"])
        elif name == "project":
            given = source.get_submodule(name)
            conv_of(layer).weight.copy_(_grouped(conv_of(given).weight, hidden, total, groups))
            norm_of(layer).load_state_dict(norm_of(given).state_dict())


def _hidden(body: nn.Sequential) -> int:
    return conv_of(body.get_submodule("depthwise")).out_channels


def _grouped(weight: Tensor, hidden: Tensor, total: int, groups: int) -> Tensor:
    """Columns `hidden` of a projection in groups: each of its groups reads its own part of the channels."""
    parts, columns = weight.chunk(groups), hidden.chunk(groups)
    return torch.cat(
        [part[:, own - index * (total // groups)] for index, (part, own) in enumerate(zip(parts, columns, strict=True))]
    )


def _take_squeeze(source: nn.Module, target: nn.Module, hidden: Tensor, squeezed: Tensor) -> None:
    assert isinstance(source, SqueezeExciteModule)
    assert isinstance(target, SqueezeExciteModule)
    target.squeeze.weight.copy_(source.squeeze.weight[squeezed][:, hidden])
    target.excite.weight.copy_(source.excite.weight[hidden][:, squeezed])
    assert source.squeeze.bias is not None
    assert target.squeeze.bias is not None
    assert source.excite.bias is not None
    assert target.excite.bias is not None
    target.squeeze.bias.copy_(source.squeeze.bias[squeezed])
    target.excite.bias.copy_(source.excite.bias[hidden])


@torch.no_grad()
def take_bottleneck(whole: nn.Module, part: nn.Module, channels: Channels) -> None:
    """Fills `part`, a bottleneck's module: `inner` channels behind the first layer, `hidden` behind the second."""
    inner, hidden = channels["inner"], channels["hidden"]
    source, target = body_of(whole), body_of(part)
    first, second, last = (source.get_submodule(name) for name in ("reduce", "convolve", "expand"))
    new = [target.get_submodule(name) for name in ("reduce", "convolve", "expand")]
    _fill(new[0], first, conv_of(first).weight[inner], inner, torch.arange(len(inner), device=inner.device))
    size = conv_of(new[1]).kernel_size[0]
    weight = resized(conv_of(second).weight[hidden][:, inner], size)
    _fill(new[1], second, weight, hidden, torch.arange(len(hidden), device=hidden.device))
    conv_of(new[2]).weight.copy_(conv_of(last).weight[:, hidden])
    norm_of(new[2]).load_state_dict(norm_of(last).state_dict())
    shortcut, own = residual_of(whole).shortcut, residual_of(part).shortcut
    if shortcut is not None and own is not None:
        own.load_state_dict(shortcut.state_dict())


def _fill(layer: nn.Module, given: nn.Module, weight: Tensor, of: Tensor, to: Tensor) -> None:
    """Weights and batch norm of the channels `of` become the channels `to` of `layer`."""
    conv_of(layer).weight[to] = weight
    new, old = norm_of(layer).state_dict(), norm_of(given).state_dict()
    for name in ("weight", "bias", "running_mean", "running_var"):
        new[name][to] = old[name][of]


def resized(weight: Tensor, size: int) -> Tensor:
    """Kernels `(channels, in, size, size)`: the centre of larger ones, or smaller ones with zeros around."""
    margin = (size - weight.shape[-1]) // 2
    return pad(weight, (margin, margin, margin, margin)) if margin else weight
