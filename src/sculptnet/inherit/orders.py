"""The order of a block's hidden channels, the most important first: one for all widths, so that these are nested."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sculptnet.blocks import Bottleneck
from sculptnet.blocks.squeeze import SqueezeExciteModule
from sculptnet.inherit.anatomy import (
    Place,
    body_of,
    conv_of,
    features,
    in_chunks,
    inverted_form,
    linear_map,
    projection_of,
)
from sculptnet.inherit.kernels import pixels_at
from sculptnet.inherit.least_squares import Sums, elimination_order
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.slices import Channels


@torch.no_grad()
def orders_of(place: Place, x: Tensor, refit: Refit) -> Channels:
    """Orders of the channels of `place`; empty for a block without a closed form.

    Hidden channels: backward elimination, exact for the projection that reads them. Those between the first two layers
    of a bottleneck: the same with the kernel's weights as so many outputs, as if pixels were independent. Squeezed
    channels: norm of the weights that read them times their standard deviation.

    Args:
        place: of the trained network.
        x: inputs there, `(images, channels, height, width)`.
        refit: rows and pull.
    """
    form = inverted_form(place.block)
    if form is None and not isinstance(place.block, Bottleneck):
        return {}
    groups = 1 if form is None else form.groups
    products = _products(place.module, x, refit, None)
    found = {"hidden": _eliminated(products, linear_map(projection_of(place.module)), refit.ridge, groups)}
    body = body_of(place.module)
    if isinstance(place.block, Bottleneck):
        weight = conv_of(body.get_submodule("convolve")).weight
        read = weight.permute(0, 2, 3, 1).flatten(0, 2)
        found["inner"] = elimination_order(_products(place.module, x, refit, "convolve"), read, refit.ridge)
    squeeze = getattr(body, "squeeze", None)
    if isinstance(squeeze, SqueezeExciteModule):
        found["squeezed"] = _squeezed(place.module, squeeze, x, refit)
    return found


def _products(module: nn.Module, x: Tensor, refit: Refit, until: str | None) -> Tensor:
    """The Gram matrix of hidden channels."""
    sums, pixels = Sums(), None
    for part in in_chunks(len(x), refit.chunk):
        maps = features(module, x[part], until)
        if pixels is None:
            pixels = refit.pixels(maps.new_empty(len(x), 0, *maps.shape[2:]), refit.rows)
        rows = pixels_at(maps, pixels[part])
        sums.add(rows, rows[:, :0])
    return sums.moments().inputs


def _eliminated(products: Tensor, weights: Tensor, strength: float, groups: int) -> Tensor:
    """The order; with groups, those of all groups of the projection in turn."""
    size = len(products) // groups
    orders = []
    for index, part in enumerate(weights.chunk(groups)):
        own = slice(index * size, (index + 1) * size)
        orders.append(elimination_order(products[own, own], part, strength) + index * size)
    return torch.stack(orders, dim=1).flatten()


def _squeezed(module: nn.Module, squeeze: SqueezeExciteModule, x: Tensor, refit: Refit) -> Tensor:
    values = [
        squeeze.act(squeeze.squeeze(features(module, x[part], "squeeze").mean((2, 3), keepdim=True)))[:, :, 0, 0]
        for part in in_chunks(len(x), refit.chunk)
    ]
    spread = torch.cat(values).double().std(0, correction=0)
    importance = spread * squeeze.excite.weight[:, :, 0, 0].double().square().sum(0).sqrt()
    return importance.argsort(descending=True, stable=True)
