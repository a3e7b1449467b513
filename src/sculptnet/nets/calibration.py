"""Batch-norm statistics of a network that was cut out of a supernet."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from sculptnet.errors import InvalidValue

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@torch.no_grad()
def calibrate(network: NetworkT, batches: Iterable[tuple[Tensor, Tensor]], *, images: int = 2000) -> NetworkT:
    """A copy of `network` whose batch-norm statistics are means over `batches`, in eval mode.

    A network copied from a supernet has the statistics of other networks' activations: without this its accuracy says
    nothing. While it runs, every layer normalises with the statistics of its batch and takes them into a cumulative
    mean in which all batches weigh the same; nothing else changes, dropout stays off. (Once-for-All's published code
    averages variances over n values, torch over n - 1.)

    Args:
        network: stays as it is.
        batches: images, float `(batch, 3, height, width)`, as in training and at the network's resolution, with
            labels that are not read. As many are taken as it needs.
        images: how many, at least; the last batch is used whole. 2000 is Once-for-All's.

    Raises:
        InvalidValue: there are fewer images, or a batch of one.

    Reference: Yu and Huang, Universally Slimmable Networks, ICCV 2019, section 3.3.
    """
    copy = deepcopy(network).eval()
    norms = [layer for layer in copy.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().reset_running_stats()
        norm.momentum = None  # torch's word for the cumulative mean
    _run(copy, batches, images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return copy.eval()


def _run(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], images: int) -> None:
    device, seen = next(network.parameters()).device, 0
    for batch, _ in batches:
        if len(batch) < 2:
            raise InvalidValue("calibrate: a batch holds one image; statistics over a batch need two or more")
        network(batch.to(device))
        seen += len(batch)
        if seen >= images:
            return
    raise InvalidValue(
        f"calibrate: the batches hold {seen} images, {images} are asked for; give more batches or lower images"
    )
