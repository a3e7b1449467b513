"""A data set of your own: photographs whose classes stand in a table. Nothing else has to change.

`photographs/labels.csv` has the columns `file` and `class`, files relative to its folder:

    PYTHONPATH=examples/extending sculptnet fit my_data:from_table --latency-ms 5
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from sculptnet.data import Files, ImageData, Request, stratified, survey_files
from sculptnet.errors import DataError, collected
from sculptnet.streams import stream

FOLDER, TABLE = Path("photographs"), "labels.csv"


def from_table(request: Request) -> ImageData:
    """The images that `labels.csv` lists, in `request.root` or here; a stratified part becomes the test split.

    Raises:
        DataError: no such table, or files that cannot be read; the message lists them.
    """
    root = request.root or FOLDER
    rows = _rows(root)
    names = tuple(row["file"] for row in rows)
    facts, broken = survey_files([root / name for name in names])
    if broken:
        problems = [f"{names[index]}: {reason}" for index, reason in broken.items()]
        raise DataError(collected(problems, f"images of {TABLE} that cannot be read"))
    classes = tuple(sorted({row["class"] for row in rows}))
    labels = np.array([classes.index(row["class"]) for row in rows], dtype=np.int64)
    photographs = Files(root, names, labels, facts)
    kept, held = stratified(labels, request.test_fraction, stream(request.seed, "my_data.test_split"))
    note = f"test split: {request.test_fraction:.0%} of each class, chosen at random with seed {request.seed}"
    return ImageData(root.name, classes, photographs.take(kept), photographs.take(held), (note,))


def _rows(root: Path) -> list[dict[str, str]]:
    if not (root / TABLE).is_file():
        raise DataError(f"there is no {root / TABLE}; it lists the images, with the columns `file` and `class`")
    with (root / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    missing = {"file", "class"} - set(rows[0] if rows else ())
    if missing:
        raise DataError(f"{root / TABLE} lacks the columns {', '.join(sorted(missing))}; it needs `file` and `class`")
    return rows
