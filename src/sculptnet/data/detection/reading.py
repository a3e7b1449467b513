"""From a folder or an archive to photographs with boxes: everything that is wrong is found, and told at once."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from sculptnet.data.detection.coco import read_coco
from sculptnet.data.detection.entries import Entry, Images, Written
from sculptnet.data.detection.split import BoxData, Boxes, BoxSplit
from sculptnet.data.detection.store import Store, open_store
from sculptnet.data.detection.voc import read_voc
from sculptnet.data.survey import content_digest
from sculptnet.errors import DataError
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

SHOWN = 20  # problems, and boxes in a note
MONITOR_SHARE, MOST_MONITORED = 0.1, 500  # training photographs kept back for curves where there is no val split
LAYOUTS = "VOC (XML files, with ImageSets/Main/train.txt or folders train/ and test/) or COCO (JSON files)"
READERS = 4  # threads that decode


class _Seen(NamedTuple):
    """What a file turned out to be: `width` and `height` as seen."""

    width: int
    height: int
    digest: int


@dataclass
class _Cleaned:
    """What was found while boxes were looked at."""

    problems: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    clipped: list[str] = field(default_factory=list)


def read_boxes(path: Path, *, test_fraction: float = 0.2, seed: int = 0, progress: Progress = no_progress) -> BoxData:
    """Photographs with boxes, in VOC's or COCO's format. Every photograph is decoded once.

    Boxes that are partly outside their photograph are clipped; those without area or wholly outside are dropped; both
    are reported. Splits are the data's own: `test`, or `val` where there is no `test`, is the test split; `val` beside
    it draws the curves. Otherwise photographs are drawn for them.

    Args:
        path: a folder or a .tar archive.
        test_fraction: of the photographs, where the data has no splits.
        seed: of that choice.
        progress: called after every photograph.

    Raises:
        DataError: with everything that is wrong.
    """
    store = open_store(path)
    names = store.names()
    written = _written(path, store, names)
    cleaned = _Cleaned(problems=written.problems)
    files = _files(written.entries, Images(names), cleaned.problems)
    seen = _looked_at(store, list(files.values()), cleaned.problems, progress)
    kept = {index: file for index, file in files.items() if file in seen}
    used = [written.entries[index] for index in kept]
    parts = _parts(used, written.notes, cleaned.problems, test_fraction, seed)
    classes = _classes(used, parts, written, cleaned.problems)
    boxes = [_boxes(entry, seen[file], classes, cleaned) for entry, file in zip(used, kept.values(), strict=True)]
    _check_trainable(boxes, parts, cleaned.problems)
    if cleaned.problems:
        raise DataError(_text(path, cleaned.problems))
    rows = [seen[file] for file in kept.values()]
    whole = BoxSplit(
        store,
        tuple(kept.values()),
        np.array([(row.width, row.height) for row in rows], dtype=np.int64).reshape(-1, 2),
        np.array([row.digest for row in rows], dtype=np.uint64),
        tuple(boxes),
    )
    train, monitor, test = (whole.take(parts[part]) for part in ("train", "monitor", "test"))
    notes = [*written.notes, *_box_notes(cleaned, boxes)]
    return BoxData(path.resolve().stem, classes, train, monitor, test, tuple(notes), tuple(cleaned.dropped))


def _written(path: Path, store: Store, names: Sequence[str]) -> Written:
    voc, coco = read_voc(store, names), read_coco(store, names)
    if voc.entries and coco.entries:
        raise DataError(f"{path} holds VOC and COCO annotations; give a folder with one of the two")
    found = voc if voc.entries else coco
    if not found.entries:
        problems = [*voc.problems, *coco.problems]
        raise DataError(_text(path, [*problems, f"no annotations of photographs were found; it needs {LAYOUTS}"]))
    return found


def _files(entries: Sequence[Entry], images: Images, problems: list[str]) -> dict[int, str]:
    """The file of each entry, by index."""
    files: dict[int, str] = {}
    for index, entry in enumerate(entries):
        found = images.find(entry.image, entry.near)
        if not found:
            problems.append(f"{entry.where}: its image {entry.image} is missing; add it or remove the entry")
        elif len(found) > 1:
            problems.append(f"{entry.where}: several files may be its image: {', '.join(found[:3])}; name the folder")
        else:
            files[index] = found[0]
    counts = Counter(files.values())
    for file, count in counts.items():
        if count > 1:
            places = ", ".join(entries[index].where for index, name in files.items() if name == file)
            problems.append(f"{file} has {count} annotations; it needs one: {places}")
    return files


def _looked_at(store: Store, files: Sequence[str], problems: list[str], progress: Progress) -> dict[str, _Seen]:
    """Every file that can be decoded."""
    found: dict[str, _Seen] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for done, (file, seen) in enumerate(zip(files, pool.map(lambda file: _look(store, file), files), strict=True)):
            if isinstance(seen, str):
                problems.append(f"{file} cannot be read as an image ({seen}); repair it, or remove it and its boxes")
            else:
                found[file] = seen
            progress("reading photographs", done + 1, len(files))
    return found


def _look(store: Store, file: str) -> _Seen | str:
    try:
        content = store.read(file)
        with Image.open(io.BytesIO(content)) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
            width, height = reversed(image.size) if turned else image.size
            image.draft(None, (64, 64))  # JPEG: the whole stream is still read, but few pixels are computed
            image.load()
    except Exception as error:  # decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error
        return "not an image" if isinstance(error, UnidentifiedImageError) else str(error).split("\n")[0]
    return _Seen(width, height, content_digest(content))


# ---------------------------------------------------------------------- splits and classes
def _parts(
    entries: Sequence[Entry], notes: list[str], problems: list[str], test_fraction: float, seed: int
) -> dict[str, list[int]]:
    """The indices of the photographs of each part: train, monitor, test."""
    found: dict[str | None, list[int]] = {}
    for index, entry in enumerate(entries):
        found.setdefault(entry.split, []).append(index)
    named = [name for name in ("train", "val", "test") if name in found]
    if not named:
        everything = [int(index) for index in stream(seed, "boxes.test_split").permutation(len(entries))]
        held = min(max(round(len(entries) * test_fraction), 1), max(len(entries) - 1, 0))
        notes.append(f"test split: {test_fraction:.0%} of the photographs, chosen at random with seed {seed}")
        train, test = sorted(everything[held:]), sorted(everything[:held])
    else:
        if "train" not in found or len(named) < 2:
            problems.append(
                f"there is {' and '.join(named)}, but training needs train, and test or val; add what is missing, or "
                "take the names of splits away to have them drawn"
            )
        train, test = found.get("train", []), found.get("test", found.get("val", []))
        if None in found:
            notes.append(f"{len(found[None])} photographs with annotations belong to no split and were not used")
        if "val" in found and "test" not in found:
            notes.append("test split: val, as there is no test")
    if "val" in found and "test" in found:
        return {"train": train, "monitor": found["val"], "test": test}
    if len(train) < 3:
        return {"train": train, "monitor": train, "test": test}
    kept = min(max(round(len(train) * MONITOR_SHARE), 1), MOST_MONITORED)
    drawn = {train[int(row)] for row in stream(seed, "boxes.monitor").permutation(len(train))[:kept]}
    notes.append(f"{kept} training photographs, chosen at random, were kept back for the curve")
    return {"train": [row for row in train if row not in drawn], "monitor": sorted(drawn), "test": test}


def _classes(
    entries: Sequence[Entry], parts: Mapping[str, Sequence[int]], written: Written, problems: list[str]
) -> tuple[str, ...]:
    """The classes of the training objects, in the order of the file or of the alphabet; others are unknown."""
    present = {box.name for index in parts["train"] for box in entries[index].objects}
    order = written.classes if written.classes is not None else tuple(sorted(present))
    absent = [name for name in order if name and name not in present]
    if absent:
        written.notes.append(f"classes without a box in the training photographs, left out: {', '.join(absent)}")
    where = {index: part for part in ("monitor", "test") for index in parts[part]}
    for index, part in where.items():
        problems += [
            f"{box.where}: class {box.name!r} is unknown: no training photograph has it, one of {part} does"
            for box in entries[index].objects
            if box.name and box.name not in present
        ]
    problems += [f"{box.where}: the name of its class is empty" for e in entries for box in e.objects if not box.name]
    return tuple(name for name in order if name in present and name)


def _check_trainable(boxes: Sequence[Boxes], parts: Mapping[str, Sequence[int]], problems: list[str]) -> None:
    problems += [
        f"{part}: none of its {len(parts[part])} photographs has a box"
        for part in ("train", "test")
        if not any(len(boxes[index].labels) for index in parts[part])
    ]
    if len(parts["train"]) == 1:
        problems.append("train: one photograph is too few, batch norm needs two at a time")


# ---------------------------------------------------------------------- boxes
def _boxes(entry: Entry, seen: _Seen, classes: Sequence[str], cleaned: _Cleaned) -> Boxes:
    """The boxes that stay, clipped to the photograph."""
    if entry.size is not None and entry.size != (seen.width, seen.height):
        cleaned.problems.append(
            f"{entry.where}: boxes are for {entry.size[0]}x{entry.size[1]} pixels, the image has "
            f"{seen.width}x{seen.height}; correct one of them"
        )
    number = {name: label for label, name in enumerate(classes)}
    rows = []
    for box in entry.objects:
        corners = (box.left, box.top, box.right, box.bottom)
        shown = "({:g}, {:g}, {:g}, {:g})".format(*corners)
        if not all(map(math.isfinite, corners)):
            cleaned.problems.append(f"{box.where}: corners must be finite numbers, got {shown}")
        elif box.right <= box.left or box.bottom <= box.top:
            cleaned.dropped.append(f"{box.where}: {box.name} {shown} has no area")
        elif box.right <= 0 or box.bottom <= 0 or box.left >= seen.width or box.top >= seen.height:
            outside = f"lies outside the image of {seen.width}x{seen.height} pixels"
            cleaned.dropped.append(f"{box.where}: {box.name} {shown} {outside}")
        elif box.name in number:
            clipped = np.clip(corners, 0, (seen.width, seen.height) * 2)
            if tuple(clipped) != corners:
                cleaned.clipped.append(f"{box.where}: {box.name} {shown}")
            rows.append((*clipped, number[box.name], box.ignored))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Boxes(table[:, :4].astype(np.float32), table[:, 4].astype(np.int64), table[:, 5].astype(np.bool_))


def _box_notes(cleaned: _Cleaned, boxes: Sequence[Boxes]) -> list[str]:
    notes = []
    if cleaned.dropped:
        notes.append(f"{len(cleaned.dropped)} boxes were dropped: {_shown(cleaned.dropped)}")
    if cleaned.clipped:
        notes.append(f"{len(cleaned.clipped)} boxes reach over the edge and were clipped: {_shown(cleaned.clipped)}")
    empty = sum(not len(one.labels) for one in boxes)
    if empty:
        notes.append(f"{empty} photographs have no box; they teach what is no object")
    ignored = sum(int(one.ignored.sum()) for one in boxes)
    if ignored:
        notes.append(f"{ignored} boxes are difficult or crowds: not trained on, neither hit nor missed")
    return notes


def _shown(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _text(path: Path, problems: Sequence[str]) -> str:
    shown = [*problems[:SHOWN], *([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{path}: {count} with the photographs and their boxes\n" + "\n".join(f"  - {line}" for line in shown)
