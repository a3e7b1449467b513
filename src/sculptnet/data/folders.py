"""A folder with a sub-folder per class, with or without folders of splits above them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sculptnet.data.images import Files, ImageData, levelled, stratified
from sculptnet.data.layout import Part, understood
from sculptnet.data.names import normal
from sculptnet.data.survey import survey_files
from sculptnet.errors import DataError
from sculptnet.files import printable
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

SHOWN_BROKEN = 20


def folder(
    path: Path,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    progress: Progress = no_progress,
) -> ImageData:
    """Images in a folder per class. Every file is decoded once, so that training meets no broken ones.

    `train/` with `test/`, or with `val/` where there is no `test/`, are used as they are, by whichever of the names in
    `split_names.SPLITS` and in any case; otherwise a stratified part of the images becomes the test split. Links are
    followed. What is not used is told in the notes: hidden files, what lies beside the folders, SculptNet's own output.

    Args:
        path: the folder.
        test_fraction: of the images of each class, where the folder has no test split.
        seed: of that choice.
        skip_broken: leave files out that cannot be read, instead of raising.
        progress: called after every file.

    Raises:
        DataError: no such folder, no classes, one class, a class without images, classes that are called like splits,
            files that cannot be read (all are listed), pixels whose brightness nothing tells; the message says what to
            do.
    """
    layout = understood(path)
    classes = _classes(path, layout.parts)
    splits, broken = [], [f"{printable(name)}: {reason}" for name, reason in layout.broken.items()]
    for part in layout.parts:
        split, reasons = _read(path, part, classes, progress)
        splits.append(split)
        broken += reasons
    if broken and not skip_broken:
        raise DataError(_broken_text(path, broken))
    notes = layout.notes
    first, *rest = splits
    if rest:
        train, test = first, rest[0]
    else:
        kept, held = stratified(first.labels, test_fraction, stream(seed, "data.test_split"))
        train, test = first.take(kept), first.take(held)
        notes.append(f"test split: {test_fraction:.0%} of each class, chosen at random with seed {seed}")
    notes += [f"{len(broken)} files that cannot be read were left out"] if broken else []
    notes += [f"test images: none of class {classes[label]!r}" for label in _absent(test, len(classes))]
    notes += ["grey images, widened to three equal channels"] if train.grey and test.grey else []
    name = printable(path.resolve().name)
    return levelled(ImageData(name, classes, train, test, tuple(notes), tuple(broken)))


def _classes(path: Path, parts: Sequence[Part]) -> tuple[str, ...]:
    classes = sorted(parts[0].classes)
    where = printable(str(path))
    if len(classes) == 1:
        raise DataError(f"{where} has one class, {classes[0]!r}; a classifier needs at least two class folders")
    strange = sorted(set(parts[-1].classes) - set(classes))
    if strange:
        there = f"{printable(parts[0].folder)}/"
        raise DataError(f"{where}: the test split has classes that {there} lacks: {', '.join(strange)}")
    return tuple(classes)


def _read(path: Path, part: Part, classes: tuple[str, ...], progress: Progress) -> tuple[Files, list[str]]:
    rows = [
        (name, label)
        for label, known in enumerate(classes)
        for name in sorted(part.classes.get(known, ()), key=lambda name: (normal(name), name))
    ]
    facts, broken = survey_files([path / name for name, _ in rows], progress)
    kept = [row for index, row in enumerate(rows) if index not in broken]
    labels = np.array([label for _, label in kept], dtype=np.int64)
    split = Files(path, tuple(name for name, _ in kept), labels, facts)
    return split, [f"{printable(rows[index][0])}: {reason}" for index, reason in broken.items()]


def _broken_text(path: Path, broken: Sequence[str]) -> str:
    shown = list(broken[:SHOWN_BROKEN])
    more = [f"and {len(broken) - len(shown)} more"] if len(broken) > len(shown) else []
    return (
        f"{printable(str(path))}: {len(broken)} files cannot be read as images; repair or remove them, or leave them "
        "out with `skip_broken=True`\n" + "\n".join(f"  - {line}" for line in [*shown, *more])
    )


def _absent(split: Files, num_classes: int) -> list[int]:
    return [int(label) for label in np.flatnonzero(np.bincount(split.labels, minlength=num_classes) == 0)]
