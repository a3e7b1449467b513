"""Doubts about boxes and photographs as a whole: what nobody would mark, told before minutes are spent on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sculptnet.data.detection.entries import Entry

FEWEST = 4  # boxes by which anything is judged
BEYOND = 1.0  # pixels over an edge that rounding explains
WRONG_SHARE = 0.1  # of the boxes of a source that do not fit, from which on another reading is tried
WHOLE = 0.98  # of the area of the photograph
MANY, CORNER = 20, 0.4  # boxes that all lie within this share of width and height
COMMON = 0.98  # of the boxes are of one class
Corners = npt.NDArray[np.float64]
READINGS: Mapping[str, Callable[[Corners], Corners]] = {
    "left, top, right, bottom": lambda four: four,
    "x, y, width, height": lambda four: np.concatenate([four[:, :2], four[:, :2] + four[:, 2:]], 1),
    "the middle's x and y, width, height": lambda four: np.concatenate(
        [four[:, :2] - four[:, 2:] / 2, four[:, :2] + four[:, 2:] / 2], 1
    ),
    "top, left, bottom, right": lambda four: four[:, [1, 0, 3, 2]],
}
CORNERS, SIZES = "left, top, right, bottom", "x, y, width, height"


def implausible(entries: Sequence[Entry], sizes: Sequence[tuple[int, int]]) -> list[str]:
    """What is wrong with the boxes of a whole source.

    Args:
        entries: photographs as written.
        sizes: width and height of each, as seen.
    """
    sources: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        sources.setdefault(entry.source, []).append(index)
    found = []
    for source, indices in sources.items():
        corners = _corners([entries[index] for index in indices])
        counts = [len(entries[index].objects) for index in indices]
        limits = np.repeat(np.array([sizes[index] for index in indices], dtype=np.float64).reshape(-1, 2), counts, 0)
        usable = np.isfinite(corners).all(1)
        if usable.sum() >= FEWEST:
            coco = source.lower().endswith(".json")
            with np.errstate(over="ignore"):
                doubt = _shares(corners[usable], limits[usable]) or _misread(corners[usable], limits[usable], coco)
            found += [f"{source}: {doubt}"] if doubt else []
    return found


def _corners(entries: Sequence[Entry]) -> Corners:
    rows = [(box.left, box.top, box.right, box.bottom) for entry in entries for box in entry.objects]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _shares(corners: Corners, limits: Corners) -> str | None:
    """Boxes written as shares of the photograph, from 0 to 1, lie in its first pixel."""
    if corners.min() < 0 or corners.max() > 2 or not (limits > 2).all():  # 2: x + width, where x is a middle
        return None
    return (
        f"all {len(corners)} boxes lie within the first two pixels, the largest number being {corners.max():.3g}: they "
        "seem to be shares of width and height, from 0 to 1; write them in pixels"
    )


def _misread(corners: Corners, limits: Corners, coco: bool) -> str | None:
    """Many boxes that do not fit, though all of them would if the four numbers meant something else."""
    meant = SIZES if coco else CORNERS
    wrong = int(_unfit(corners, limits).sum())
    if wrong < 2 or wrong < WRONG_SHARE * len(corners):
        return None
    four = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1) if coco else corners
    fitting = [name for name, read in READINGS.items() if name != meant and not _unfit(read(four), limits).any()]
    if not fitting:
        return None
    return (
        f"{wrong} of {len(corners)} boxes, read as {meant}, have no area or reach beyond their photograph, and all "
        f"would fit as {' or as '.join(fitting)}; write them as {meant}"
    )


def _unfit(corners: Corners, limits: Corners) -> npt.NDArray[np.bool_]:
    """Boxes without area, and those that reach beyond the photograph."""
    beyond = (corners[:, :2] < -BEYOND) | (corners[:, 2:] > limits + BEYOND)
    unfit = beyond | (corners[:, 2:] <= corners[:, :2])
    return np.asarray(unfit.any(axis=1), dtype=np.bool_)


def doubts(entries: Sequence[Entry], sizes: Sequence[tuple[int, int]], flat: Sequence[bool]) -> list[str]:
    """What may be right, and is worth a question: notes.

    Args:
        entries, sizes: as for `implausible`.
        flat: whether a photograph is of one colour.
    """
    notes: list[str] = []
    if all(flat):
        notes.append(f"all {len(flat)} photographs are of one colour throughout: is that what they should show?")
    elif any(flat):
        notes.append(f"{sum(flat)} photographs are of one colour throughout")
    corners = _corners(entries)
    counts = [len(entry.objects) for entry in entries]
    limits = np.repeat(np.array(sizes, dtype=np.float64).reshape(-1, 2), counts, 0)
    with np.errstate(over="ignore"):  # boxes of any size are clipped
        sides = corners[:, 2:] - corners[:, :2]
        whole = sides.prod(1) >= WHOLE * limits.prod(1)
    if len(corners) >= MANY and (corners[:, 2:] <= CORNER * limits).all():
        notes.append(
            f"all {len(corners)} boxes lie in the upper left, within {CORNER:.0%} of width and height: are they in "
            "pixels of these photographs?"
        )
    if len(corners) >= FEWEST and whole.all():
        notes.append("every box is the whole photograph: is this classification? `sculptnet fit` trains that")
    small = int(((sides > 0).all(1) & (sides < 1).any(1)).sum())
    if small:
        notes.append(f"{small} boxes are narrower than a pixel")
    classes = Counter(box.name for entry in entries for box in entry.objects)
    if len(classes) > 1:
        name, most = classes.most_common(1)[0]
        if most >= COMMON * classes.total():
            notes.append(f"{most} of {classes.total()} boxes are of class {name}: the others can hardly be learnt")
    return notes
