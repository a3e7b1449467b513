"""Replace-one scores: what happens to a network's answers if one block becomes another option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sculptnet.arch import Block
from sculptnet.blocks import MBPool, PooledConv
from sculptnet.inherit.anatomy import folded, has_body, places_of
from sculptnet.inherit.assembly import Orders, narrowed_ends
from sculptnet.inherit.fitting import Fitting
from sculptnet.inherit.heads import head_order
from sculptnet.inherit.orders import orders_of
from sculptnet.inherit.scores import Key, Scores
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.slices import Channels
from sculptnet.inherit.walk import Rest, applied, divergence, log_probabilities
from sculptnet.nets import Network
from sculptnet.state import Progress, no_progress

Options = Mapping[str, Sequence[Block]]  # by path


@torch.no_grad()
def scored(
    network: Network,
    base: Network,
    options: Options,
    images: Tensor,
    refit: Refit,
    orders: Orders | None = None,
    progress: Progress = no_progress,
) -> tuple[Scores, Orders]:
    """Scores of all options around `base`, and the orders of channels.

    Args:
        network: the trained one, whose answers count.
        base: what single blocks are replaced in: `network` itself, or one carved out of it.
        options: decided blocks of each place.
        images: the first `refit.images` for regressions, the others for scores.
        refit: rows and pulls.
        orders: of channels; by default found on the way.
        progress: called after every place.
    """
    places, parts = places_of(network), places_of(base)
    count = refit.images
    given = log_probabilities(applied(network, images[count:]))
    rest = Rest([part.module for part in parts], given)
    constant = 0.0 if base is network else divergence(given, log_probabilities(applied(base, images[count:])))
    entries: dict[Key, float] = {}
    found: dict[str, Channels] = dict(orders or {})
    whole_x, x = images[:count], images
    for index, (place, part) in enumerate(zip(places[:-2], parts[:-2], strict=True)):
        if orders is None and has_body(place.block):
            found[place.path] = orders_of(place, whole_x, refit)
        fit_x = whole_x if base is network else x[:count]
        fitting = Fitting(place, found.get(place.path, {}), whole_x, fit_x, refit, many=True)
        for block in options.get(place.path, ()):
            entries[place.path, block] = 0.0
            if block != part.block:
                entries[place.path, block] = rest.divergence(fitting.module(block), x[count:], index) - constant
        x = applied(folded(part.module), x)
        whole_x = x[:count] if base is network else applied(folded(place.module), whole_x)
        progress("scores", index + 1, len(places))
    entries |= dict.fromkeys(((places[-1].path, block) for block in options.get(places[-1].path, ())), 0.0)
    head, classifier = places[-2:]
    logits, pooled = applied(nn.Sequential(head.module, classifier.module), whole_x), applied(head.module, whole_x)
    if orders is None and isinstance(head.block, (PooledConv, MBPool)):
        found["head"] = {"hidden": head_order(pooled.flatten(1), classifier.module, refit)}
    for block in options.get("head", ()):
        entries["head", block] = 0.0
        if block != parts[-2].block:
            ends = nn.Sequential(*narrowed_ends(head, classifier, block, found, logits, x[:count], refit))
            entries["head", block] = divergence(given, log_probabilities(applied(ends, x[count:]))) - constant
    progress("scores", len(places), len(places))
    return Scores(entries, constant), found
