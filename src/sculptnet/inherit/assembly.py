"""Networks put together of options: from the input on, each block fitted on what the carved part before it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import MBPool, PooledConv
from sculptnet.inherit.anatomy import Place, folded
from sculptnet.inherit.channels import chosen_channels
from sculptnet.inherit.fitting import Fitting
from sculptnet.inherit.heads import fitted_classifier, narrowed_head
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.slices import Channels
from sculptnet.inherit.walk import applied
from sculptnet.nets import Network

Orders = Mapping[str, Channels]  # by path


@torch.no_grad()
def assembled(
    places: Sequence[Place], architecture: Architecture, orders: Orders, images: Tensor, refit: Refit
) -> Network:
    """The network of `architecture` with weights from the trained one.

    Up to the first block that differs everything is the trained network's. From there on, every block is fitted to
    the trained network's output at its place, on the inputs that the part before it gives: errors do not pile up.

    Args:
        places: of the trained network.
        architecture: every block is the trained one or can be made of it.
        orders: of channels, by path.
        images: for regressions.
        refit: rows and pulls.
    """
    modules: dict[str, nn.Module] = {}
    blocks = dict(architecture.named())
    *body, head, classifier = places
    whole_x = x = images
    for place in body:
        block = blocks[place.path]
        module = Fitting(place, orders.get(place.path, {}), whole_x, x, refit).module(block)
        modules[place.path] = module
        same = x is whole_x and module is place.module
        whole_x = applied(folded(place.module), whole_x)
        x = whole_x if same else applied(folded(module), x)
    modules["head"], modules["classifier"] = _ends(head, classifier, blocks["head"], orders, whole_x, x, refit)
    return _network(architecture, modules)


def _ends(
    head: Place, classifier: Place, block: Block, orders: Orders, whole_x: Tensor, x: Tensor, refit: Refit
) -> tuple[nn.Module, nn.Module]:
    if block == head.block and x is whole_x:
        return head.module, classifier.module
    logits = applied(nn.Sequential(head.module, classifier.module), whole_x)
    return narrowed_ends(head, classifier, block, orders, logits, x, refit)


def narrowed_ends(
    head: Place, classifier: Place, block: Block, orders: Orders, logits: Tensor, x: Tensor, refit: Refit
) -> tuple[nn.Module, nn.Module]:
    """The head of `block`, and the classifier fitted to the trained network's `logits` on what that makes of `x`."""
    if not isinstance(block, (PooledConv, MBPool)):
        return head.module, classifier.module
    order = orders["head"]["hidden"]
    module = narrowed_head(head, block, order)
    chosen = None if block == head.block else chosen_channels(order, block.out_channels)
    pooled = applied(module, x).flatten(1)
    return module, fitted_classifier(classifier, chosen, pooled, logits, refit)


def _network(architecture: Architecture, modules: Mapping[str, nn.Module]) -> Network:
    with torch.random.fork_rng(devices=[]):
        network = Network(architecture)
    state = {
        f"{path}.{name}": tensor for path, module in modules.items() for name, tensor in module.state_dict().items()
    }
    device = next(iter(state.values())).device
    network.to(device).load_state_dict(deepcopy(state))
    return network.eval()
