"""Photographs of solar cells by electroluminescence: sound or defective (Buerhop-Lutz et al. 2018; Deitsch et al.)."""

from __future__ import annotations

import numpy as np
import torch

from sculptnet.data.images import ImageData, InMemory, stratified
from sculptnet.errors import MissingExtra
from sculptnet.streams import stream

CLASSES = ("sound", "defective")


def elpv(*, test_fraction: float = 0.2, seed: int = 0) -> ImageData:
    """The 2,223 of 2,624 photographs whose judges were certain (defect probability 0 or 1), grey, 300 px.

    Args:
        test_fraction: of each class, chosen at random: the data set brings no split.
        seed: of that choice.

    Raises:
        MissingExtra: the package `elpv-dataset` is not installed.
    """
    try:
        from elpv_dataset.utils import load_dataset
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "the data set elpv comes with the package elpv-dataset, which is not installed; "
            "run `pip install sculptnet[elpv]`"
        ) from error
    images, probabilities, _ = load_dataset()
    certain = np.flatnonzero((probabilities == 0) | (probabilities == 1))
    labels = probabilities[certain].astype(np.int64)
    everything = InMemory(torch.from_numpy(images[certain][:, None]), labels)
    rest, held = stratified(labels, test_fraction, stream(seed, "data.test_split"))
    notes = (
        f"{len(certain):,} of {len(images):,} photographs: those with a defect probability of 0 or 1",
        f"test split: {test_fraction:.0%} of each class, chosen at random with seed {seed}",
        "grey images, widened to three equal channels",
        "licence: CC BY-NC-SA 4.0, no commercial use",
    )
    return ImageData("elpv", CLASSES, everything.take(rest), everything.take(held), notes)
