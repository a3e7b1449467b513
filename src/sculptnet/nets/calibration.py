"""Batch-norm statistics of a network that was cut out of a supernet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sculptnet.errors import InvalidValue

NetworkT = TypeVar("NetworkT", bound=nn.Module)
SORTED_DEVIATIONS = 6.0  # of the chi-square statistic; batches that were drawn reach it once in millions


@torch.no_grad()
def calibrate(network: NetworkT, batches: Iterable[tuple[Tensor, Tensor]], *, images: int = 2000) -> NetworkT:
    """A copy of `network` whose batch-norm statistics are means over `batches`, in eval mode.

    A network copied from a supernet has the statistics of other networks' activations: without this its accuracy says
    nothing. While it runs, every layer normalises with the statistics of its batch and takes them into a cumulative
    mean in which all batches weigh the same; nothing else changes, dropout stays off. (Once-for-All's published code
    averages variances over n values, torch over n - 1.)

    Every batch has to be a fair draw of the classes. Batches of images sorted by class are each too narrow, and so are
    the variances (seen: ten points of accuracy lost); they are refused where a chi-square test of the labels over the
    batches tells them from draws.

    Args:
        network: stays as it is.
        batches: images, float `(batch, 3, height, width)`, as in training and at the network's resolution, with
            labels that only tell whether the order is fair. As many are taken as it needs.
        images: how many, at least; the last batch is used whole. 2000 is Once-for-All's.

    Raises:
        InvalidValue: there are fewer images, a batch of one, or the batches come class by class.

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
        assert norm.num_batches_tracked is not None  # they were counted just now
        norm.num_batches_tracked.zero_()  # no steps of a training, and whoever reads the counter takes it for those
    return copy.eval()


def _run(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], images: int) -> None:
    device, seen, labels = next(network.parameters()).device, 0, list[Tensor]()
    for batch, wanted in batches:
        if len(batch) < 2:
            raise InvalidValue("calibrate: a batch holds one image; statistics over a batch need two or more")
        network(batch.to(device))
        seen += len(batch)
        labels.append(wanted)
        if seen >= images:
            _require_fair(labels)
            return
    raise InvalidValue(
        f"calibrate: the batches hold {seen} images, {images} are asked for; give more batches or lower images"
    )


def _require_fair(batches: Sequence[Tensor]) -> None:
    """Raises `InvalidValue` where the labels of the batches differ by far more than those of random batches would."""
    values = [labels.flatten().cpu().numpy() for labels in batches]
    _, classes = np.unique(np.concatenate(values), return_inverse=True)
    batch = np.repeat(np.arange(len(values)), [len(labels) for labels in values])
    counts = np.zeros((len(values), int(classes.max(initial=0)) + 1))
    np.add.at(counts, (batch, classes), 1)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / max(1.0, counts.sum())
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if not freedom:
        return
    deviations = (float(((counts - expected) ** 2 / expected).sum()) - freedom) / math.sqrt(2 * freedom)
    if deviations > SORTED_DEVIATIONS:
        raise InvalidValue(
            f"calibrate: the {len(values)} batches are no fair draws of the {counts.shape[1]} classes, as if images "
            "came class by class: statistics over such batches are too narrow; shuffle the images first "
            "(split.take(rng.permutation(len(split))))"
        )
