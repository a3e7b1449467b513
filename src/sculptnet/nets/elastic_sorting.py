"""Channels in the order of their importance, so that the first ones are the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Bottleneck, InvertedResidual
from sculptnet.nets.elastic import ElasticSupernet


@dataclass(frozen=True)
class Channels:
    """The channels between two layers of a block, and what must change places with them.

    Attributes:
        read_by: the weight that reads them, dimension 1; its L1 norm is their importance.
        others: names and dimensions of the other tensors that have them.
    """

    read_by: str
    others: tuple[tuple[str, int], ...]


@torch.no_grad()
def sort_channels(supernet: ElasticSupernet, keep: Sequence[Architecture] = ()) -> None:
    """Puts the inner channels of every inverted residual and bottleneck in the order of their importance, in place.

    The most important come first, and so stay in narrower networks. A channel's importance is the L1 norm of the
    weights that read it (published code: the projection's). Squeezed channels are sorted likewise by those of the
    excitation. The full network computes the same as before, but for the order of sums in float32: its logits differ
    by about 1e-6 of their size.

    Args:
        supernet: changed in place; optimiser states that belong to it lose their meaning.
        keep: architectures that must compute the same as well, because they have been trained: channels change places
            only where all of these have both or neither. Any mixture of their layers is kept too. For the second
            phase of elastic width: one architecture for each expansion that is open so far.

    Reference: Cai et al., Once-for-All, ICLR 2020, section 3.3, elastic width.
    """
    kept = [supernet.tensors(architecture) for architecture in keep]
    state = supernet.state_dict()
    for path, block in supernet.full.named():
        local = {name.removeprefix(f"{path}."): tensor for name, tensor in state.items() if name.startswith(f"{path}.")}
        for channels in _channels(block, local):
            name = f"{path}.{channels.read_by}"
            widths = [tensors[name].shape[1] for tensors in kept if name in tensors]
            order = _order(_importance(state[name]), widths)
            for other, dimension in ((channels.read_by, 1), *channels.others):
                tensor = state[f"{path}.{other}"]
                tensor.copy_(tensor.index_select(dimension, order))


def _importance(weight: Tensor) -> Tensor:
    """The L1 norm of what `weight`, `(out, in, height, width)`, multiplies each of its inputs with.

    In float64: float32 sums depend on where a channel lies, and sorting again would change the order.
    """
    return weight.double().abs().sum((0, 2, 3))


def _order(importance: Tensor, widths: Iterable[int]) -> Tensor:
    """Channels by falling importance, within the ranges between `widths`."""
    edges = sorted({0, *widths, len(importance)})
    parts = [start + importance[start:stop].argsort(descending=True, stable=True) for start, stop in pairwise(edges)]
    return torch.cat(parts)


def _channels(block: Block, state: Mapping[str, Tensor]) -> list[Channels]:
    """The inner channels of `block`; none of a block that is of another family or has no first convolution."""
    if isinstance(block, Bottleneck):
        body = "residual.body"
        return [
            Channels(f"{body}.convolve.conv.weight", tuple(_made_by(f"{body}.reduce", state))),
            Channels(f"{body}.expand.conv.weight", tuple(_made_by(f"{body}.convolve", state))),
        ]
    if not isinstance(block, InvertedResidual) or block.groups > 1 or "body.expand.conv.weight" not in state:
        return []
    hidden = _made_by("body.expand", state)
    for index in range(block.depthwise_layers):
        hidden += _made_by(f"body.depthwise{index + 1 if index else ''}", state)
    if block.squeeze is None:
        return [Channels("body.project.conv.weight", tuple(hidden))]
    squeeze, excite = "body.squeeze.squeeze", "body.squeeze.excite"
    hidden += [(f"{squeeze}.weight", 1), (f"{excite}.weight", 0), (f"{excite}.bias", 0)]
    squeezed = ((f"{squeeze}.weight", 0), (f"{squeeze}.bias", 0))
    return [Channels("body.project.conv.weight", tuple(hidden)), Channels(f"{excite}.weight", squeezed)]


def _made_by(layer: str, state: Mapping[str, Tensor]) -> list[tuple[str, int]]:
    """The tensors of a convolution with batch norm, each of whose rows makes one channel."""
    names = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    return [(f"{layer}.{name}", 0) for name in names if f"{layer}.{name}" in state]
