"""Photographs of solar cells by electroluminescence: sound or defective (Buerhop-Lutz et al. 2018; Deitsch et al.)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sculptnet.data.images import Files, ImageData, stratified
from sculptnet.data.survey import survey_files
from sculptnet.errors import DataError, MissingExtra
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

CLASSES = ("sound", "defective")


def elpv(*, test_fraction: float = 0.2, seed: int = 0, progress: Progress = no_progress) -> ImageData:
    """The 2,223 of 2,624 photographs whose judges were certain (defect probability 0 or 1), grey, 300 px.

    They are read from the files of the package, not by its own loader, which would decode all of them into one array.

    Args:
        test_fraction: of each class, chosen at random: the data set brings no split.
        seed: of that choice.
        progress: called after every file.

    Raises:
        MissingExtra: the package `elpv-dataset` is not installed.
        DataError: files of the package are damaged.
    """
    folder = _package_folder()
    rows = [line.split() for line in (folder / "labels.csv").read_text().splitlines() if line.strip()]
    certain = [(name, float(probability)) for name, probability, _ in rows if float(probability) in (0.0, 1.0)]
    names = tuple(name for name, _ in certain)
    facts, broken = survey_files([folder / name for name in names], progress)
    if broken:
        raise DataError(
            f"{len(broken)} photographs of the package elpv-dataset cannot be read, first {names[min(broken)]}; "
            "run `pip install --force-reinstall elpv-dataset`"
        )
    labels = np.array([probability for _, probability in certain]).astype(np.int64)
    everything = Files(folder, names, labels, facts)
    rest, held = stratified(labels, test_fraction, stream(seed, "data.test_split"))
    notes = (
        f"{len(certain):,} of {len(rows):,} photographs: those with a defect probability of 0 or 1",
        f"test split: {test_fraction:.0%} of each class, chosen at random with seed {seed}",
        "grey images, widened to three equal channels",
        "licence: CC BY-NC-SA 4.0, no commercial use",
    )
    return ImageData("elpv", CLASSES, everything.take(rest), everything.take(held), notes)


def _package_folder() -> Path:
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise MissingExtra(
            "the data set elpv comes with the package elpv-dataset, which is not installed; "
            "run `pip install sculptnet[elpv]`"
        )
    return Path(spec.origin).parent / "data"
