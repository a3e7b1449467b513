"""From a folder or an archive to photographs with boxes: everything that is wrong is found, and told at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sculptnet.data.detection.coco import read_coco
from sculptnet.data.detection.entries import Entry, Written
from sculptnet.data.detection.matching import Images, match
from sculptnet.data.detection.plausible import doubts, implausible
from sculptnet.data.detection.split import BoxData, Boxes, BoxSplit
from sculptnet.data.detection.store import Listing, Store, open_store
from sculptnet.data.detection.voc import LISTS, read_voc
from sculptnet.data.formats import IMAGE_SUFFIXES, reason
from sculptnet.data.names import is_text
from sculptnet.data.survey import Look, Survey, look_at, survey_of
from sculptnet.data.white import WhiteLevels, decided, lost_pictures, refuse_lost
from sculptnet.errors import DataError
from sculptnet.files import printable
from sculptnet.machine_limits import cores
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

SHOWN = 20  # problems, and boxes in a note
MONITOR_SHARE, MOST_MONITORED = 0.1, 500  # training photographs kept back for curves where there is no val split
FLAT_LEVELS = 2  # of 255: by which the pixels of a photograph of one colour may differ, for JPEG
LAYOUTS = "VOC (XML files, with ImageSets/Main/train.txt or folders train/ and test/) or COCO (JSON files)"


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
    store, listing = open_store(path)
    written = _written(path, store, listing)
    cleaned = _Cleaned(problems=written.problems)
    matched = match(written.entries, Images(listing.names, listing.unusable))
    cleaned.problems += matched.problems
    files = matched.files
    seen = _looked_at(store, list(files.values()), cleaned.problems, progress)
    kept = {index: file for index, file in files.items() if file in seen}
    used, rows = [written.entries[index] for index in kept], [seen[file] for file in kept.values()]
    sizes = [row.size for row in rows]
    parts = _parts(used, written.notes, cleaned.problems, test_fraction, seed)
    classes = _classes(used, parts, written, cleaned.problems)
    boxes = [_boxes(entry, row, classes, cleaned) for entry, row in zip(used, rows, strict=True)]
    cleaned.problems += implausible(used, sizes)
    _check_trainable(boxes, parts, cleaned.problems)
    if cleaned.problems:
        raise DataError(_text(path, cleaned.problems))
    survey, names = survey_of(rows), tuple(kept.values())
    levels, deep_notes = _levels(survey, names, parts)
    whole = BoxSplit(store, names, survey.sizes, survey.digests, tuple(boxes), levels)
    train, monitor, test = (whole.take(parts[part]) for part in ("train", "monitor", "test"))
    notes = [
        *written.notes,
        *deep_notes,
        *matched.notes(_shown),
        *_box_notes(cleaned, boxes),
        *doubts(used, sizes, _flat(survey)),
        *_copies(survey.digests, parts),
        *_left_out(listing, written, files.values()),
    ]
    name = printable(path.resolve().stem)
    return BoxData(name, classes, train, monitor, test, tuple(map(printable, notes)), tuple(cleaned.dropped))


def annotated(path: Path) -> bool:
    """Whether a folder or an archive has annotations of photographs, in one of the formats."""
    try:
        store, listing = open_store(path)
        return bool(read_voc(store, listing.names).entries or read_coco(store, listing.names).entries)
    except DataError:
        return False


def _written(path: Path, store: Store, listing: Listing) -> Written:
    voc, coco = read_voc(store, listing.names), read_coco(store, listing.names)
    if voc.entries and coco.entries:
        raise DataError(f"{path} holds VOC and COCO annotations; give a folder with one of the two")
    unusable = [
        f"{name}: {reason}"
        for name, reason in listing.unusable.items()
        if name.lower().endswith((".xml", ".json")) or f"/{LISTS}/" in f"/{name}"
    ]
    problems = [*voc.problems, *coco.problems, *unusable]
    strangers = [*voc.strangers, *coco.strangers]
    found = voc if voc.entries else coco
    if not found.entries:
        lines = [*problems, *(f"{stranger} was left alone" for stranger in strangers)]
        raise DataError(_text(path, [*lines, f"no annotations of photographs were found; it needs {LAYOUTS}"]))
    return Written(found.entries, found.classes, problems, strangers, found.notes)


def _looked_at(store: Store, files: Sequence[str], problems: list[str], progress: Progress) -> dict[str, Look]:
    """Every file that can be decoded."""
    found: dict[str, Look] = {}
    with ThreadPoolExecutor(cores()) as pool:
        for done, (file, seen) in enumerate(zip(files, pool.map(lambda file: _look(store, file), files), strict=True)):
            if isinstance(seen, str):
                problems.append(f"{file} cannot be read as an image ({seen}); repair it, or remove it and its boxes")
            else:
                found[file] = seen
            progress("reading photographs", done + 1, len(files))
    return found


def _look(store: Store, file: str) -> Look | str:
    try:
        content = store.read(file)
    except OSError as error:
        return error.strerror or type(error).__name__
    try:
        return look_at(content)
    except Exception as error:  # decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error
        return reason(error, content[:1024])


def _levels(
    survey: Survey, names: Sequence[str], parts: Mapping[str, Sequence[int]]
) -> tuple[WhiteLevels, tuple[str, ...]]:
    """What is white in photographs of more than 8 bits, and what a reader should know of it and of lost pictures."""
    rows = {part: np.array(parts[part], dtype=np.int64) for part in parts}
    train, others = rows["train"], np.setdiff1d(np.concatenate(list(rows.values())), rows["train"])
    depths = survey.take(train).depths
    levels, notes = decided(depths, survey.take(others).depths)
    refuse_lost(depths, levels, [names[row] for row in train])
    more = int(survey.more_frames.sum())
    return levels, (
        *notes,
        *(text for _, text in lost_pictures(survey.depths, levels, names)),
        *([f"{more} photographs have several frames or pages, of which the first is used"] if more else []),
    )


def _flat(survey: Survey) -> list[bool]:
    """Whether all pixels of a photograph, seen small and grey, have one value, but for rounding."""
    values = survey.thumbnails.reshape(len(survey), -1).astype(np.int64)
    return [bool(flat) for flat in values.max(axis=1) - values.min(axis=1) <= FLAT_LEVELS]


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
            names = _shown([entries[index].image for index in found[None]])
            notes.append(
                f"{len(found[None])} photographs with annotations belong to no split and were not used: {names}"
            )
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
    problems += [
        f"{box.where}: the name of its class is no text, {box.name!r}; write it in UTF-8"
        for entry in entries
        for box in entry.objects
        if not is_text(box.name)
    ]
    return tuple(name for name in order if name in present and name)


def _check_trainable(boxes: Sequence[Boxes], parts: Mapping[str, Sequence[int]], problems: list[str]) -> None:
    problems += [
        f"{part}: none of its {len(parts[part])} photographs has a box"
        for part in ("train", "test")
        if not any(len(boxes[index].labels) for index in parts[part])
    ]
    if len(parts["train"]) == 1:
        problems.append("train: one photograph is too few, batch norm needs two at a time; add some")


# ---------------------------------------------------------------------- boxes
def _boxes(entry: Entry, seen: Look, classes: Sequence[str], cleaned: _Cleaned) -> Boxes:
    """The boxes that stay, clipped to the photograph."""
    if entry.size is not None and entry.size != (seen.size[0], seen.size[1]):
        cleaned.problems.append(
            f"{entry.where}: boxes are for {entry.size[0]}x{entry.size[1]} pixels, the image has "
            f"{seen.size[0]}x{seen.size[1]}; correct one of them"
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
        elif box.right <= 0 or box.bottom <= 0 or box.left >= seen.size[0] or box.top >= seen.size[1]:
            outside = f"lies outside the image of {seen.size[0]}x{seen.size[1]} pixels"
            cleaned.dropped.append(f"{box.where}: {box.name} {shown} {outside}")
        elif box.name in number:
            clipped = np.clip(corners, 0, (seen.size[0], seen.size[1]) * 2)
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


def _copies(digests: npt.NDArray[np.uint64], parts: Mapping[str, Sequence[int]]) -> list[str]:
    """Test photographs that were trained on."""
    trained = set(digests[parts["train"]].tolist())
    count = sum(digest in trained for digest in digests[parts["test"]].tolist())
    if not count:
        return []
    return [f"{count} test photographs are copies of training ones: the measured precision is too high; remove them"]


def _left_out(listing: Listing, written: Written, files: Iterable[str]) -> list[str]:
    """What lies beside the data and was not used."""
    notes, used = [], set(files)
    idle = [name for name in listing.names if name.lower().endswith(IMAGE_SUFFIXES) and name not in used]
    if idle:
        as_background = (
            "`images` without an entry in `annotations`"
            if written.classes is not None
            else "an XML file without objects"
        )
        notes.append(
            f"{len(idle)} images have no annotation and were not used; {as_background} makes one a photograph of no "
            f"object: {_shown(idle)}"
        )
    if written.strangers:
        notes.append(
            f"{len(written.strangers)} files are no annotations and were left alone: {_shown(written.strangers)}"
        )
    unread = [f"{name}: {reason}" for name, reason in listing.unusable.items()]
    if unread:
        notes.append(f"{len(unread)} files or folders cannot be read and were left out: {_shown(unread)}")
    return [*notes, *listing.notes]


def _shown(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _text(path: Path, problems: Sequence[str]) -> str:
    shown = [*problems[:SHOWN], *([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = "\n".join(f"  - {line}" for line in shown)
    return printable(f"{path}: {count} with the photographs and their boxes\n{lines}")
