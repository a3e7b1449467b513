"""Narrower heads: features that the classifier needs least are left out, and the classifier is fitted anew."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from sculptnet.arch import Block
from sculptnet.blocks import PooledConv
from sculptnet.blocks.layers import Classify
from sculptnet.inherit.anatomy import Place, built
from sculptnet.inherit.channels import chosen_channels
from sculptnet.inherit.least_squares import Sums, elimination_order, ridge
from sculptnet.inherit.settings import Refit


def head_order(pooled: Tensor, classifier: nn.Module, refit: Refit) -> Tensor:
    """Features of the head, the most important for the classifier first. `pooled`: `(images, features)`."""
    sums = Sums()
    sums.add(pooled, pooled[:, :0])
    return elimination_order(sums.moments().inputs, _linear(classifier).weight, refit.image_ridge)


@torch.no_grad()
def narrowed_head(head: Place, block: Block, order: Tensor) -> nn.Module:
    """The module of `block`, a narrower head of the same kind, with the first features of `order`."""
    if block == head.block:
        return head.module
    chosen, module = chosen_channels(order, block.out_channels), built(block, head)
    state = dict(head.module.state_dict())
    last = ("features.conv.weight", "features.bn.") if isinstance(block, PooledConv) else ("conv.weight", "conv.bias")
    for name in state:
        if name.startswith(last) and state[name].dim() > 0:
            state[name] = state[name][chosen]
    module.load_state_dict(state)
    return module


@torch.no_grad()
def fitted_classifier(
    classifier: Place, chosen: Tensor | None, pooled: Tensor, logits: Tensor, refit: Refit
) -> nn.Module:
    """A copy of the trained classifier, for fewer features, whose logits come near the given ones.

    Args:
        classifier: of the trained network.
        chosen: the features that are left, None for all of them.
        pooled: `(images, features that are left)`.
        logits: of the trained network, `(images, classes)`.
        refit: `image_ridge` pulls to the trained weights.
    """
    module = deepcopy(classifier.module)
    layer = _linear(module)
    if chosen is not None:
        layer.weight = nn.Parameter(layer.weight[:, chosen].clone())
        layer.in_features = len(chosen)
    sums = Sums()
    sums.add(pooled, logits)
    weights, biases = ridge(sums.moments(), refit.image_ridge, layer.weight)
    layer.weight.copy_(weights)
    layer.bias.copy_(biases)
    return module


def _linear(classifier: nn.Module) -> Classify:
    assert isinstance(classifier, Classify)
    return classifier
