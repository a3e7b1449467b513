"""COCO's annotations: a JSON file for each split (Lin et al., ECCV 2014; cocodataset.org, data format)."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sculptnet.data.detection.entries import Entry, Object, Written, split_in
from sculptnet.data.detection.store import Store
from sculptnet.data.names import is_text, normal
from sculptnet.errors import suggestion

PARTS = ("images", "annotations", "categories")
MOST_KNOWN = 20  # categories in a message
SHOWN_CHARACTERS = 60  # of a value that is wrong
CROWD = {0: False, 1: True, "0": False, "1": True, None: False}
Key: TypeAlias = int | str | None


def read_coco(store: Store, names: Sequence[str]) -> Written:
    """Every file among `names` that holds images, annotations and categories; others are named in `strangers`.

    Splits are those that names of files and folders tell: `instances_train2017.json`, `valid/_annotations.coco.json`.
    """
    written = Written()
    classes: dict[str, None] = {}
    for name in names:
        if not name.lower().endswith(".json"):
            continue
        try:
            data = json.loads(store.read(name))
        except (ValueError, RecursionError, OSError) as error:
            written.problems.append(f"{name} is no JSON ({_reason(error)}); restore or remove it")
            continue
        lacking = [part for part in PARTS if not (isinstance(data, dict) and isinstance(data.get(part), list))]
        if lacking:
            written.strangers.append(f"{name} (no list of {', '.join(lacking)})")
        else:
            classes |= dict.fromkeys(_File(name, data, written).read())
    written.classes = tuple(classes)
    return written


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not in {error.encoding}: {error.reason} at byte {error.start}"
    return str(error).split(";")[0]  # Python's advice on long numbers is for programmers


class _File:
    """One file on its way into `written`."""

    def __init__(self, name: str, data: Mapping[str, Any], written: Written) -> None:
        self.name, self.data, self.written, self.problems = name, data, written, written.problems

    def read(self) -> list[str]:
        """Adds the file's photographs; returns its classes."""
        rows = {part: self._rows(part) for part in PARTS}
        classes = {key: self._class_name(key, row) for key, row in rows["categories"]}
        known = list(filter(None, classes.values()))
        self._repeated(map(repr, known), "categories: name")
        images = dict(rows["images"])
        objects: dict[Key, list[Object]] = {key: [] for key in images}
        for key, row in rows["annotations"]:
            where = f"{self.name}, annotation {key}"
            image = self._key(row.get("image_id"), f"{where}: image_id")
            box = self._object(where, row, classes)
            if image is not None and image not in images:
                self.problems.append(f"{where}: no image has the id {_brief(image)}")
            elif image is not None and box is not None:
                objects[image].append(box)
        for key, row in images.items():
            self._entry(key, row, tuple(objects[key]))
        return known

    def _rows(self, part: str) -> list[tuple[Key, Mapping[str, Any]]]:
        """The objects in a list with their ids; those of images and categories need one."""
        found: list[tuple[Key, Mapping[str, Any]]] = []
        for index, row in enumerate(self.data[part]):
            if not isinstance(row, dict):
                self.problems.append(f"{self.name}, {part}: entry {index} is no object")
                continue
            if part == "annotations" and row.get("id") is None:
                found.append((f"number {index}", row))
                continue
            key = self._key(row.get("id"), f"{self.name}, {part}: id of entry {index}")
            if key is not None:
                found.append((key, row))
        self._repeated((_brief(key) for key, _ in found), f"{part}: id")
        return found

    def _key(self, value: Any, what: str) -> Key:
        """An id; None, and a problem, where it is none. A whole number may be written as 1.0."""
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self.problems.append(f"{what} must be a whole number or a text, got {_brief(value)}")
        return None

    def _repeated(self, values: Iterable[str], what: str) -> None:
        self.problems += [
            f"{self.name}, {what} {value} occurs {count} times; each needs its own"
            for value, count in Counter(values).items()
            if count > 1
        ]

    def _class_name(self, key: Key, row: Mapping[str, Any]) -> str | None:
        """The name of a category; None, and a problem, where it has none."""
        value = row.get("name", "")
        where = f"{self.name}, category {key}"
        if not isinstance(value, (str, int)) or isinstance(value, bool) or not is_text(str(value)):
            self.problems.append(f"{where}: its name must be a text, got {_brief(value)}")
        elif not str(value).strip():
            self.problems.append(f"{where}: its name is empty")
        else:
            return normal(str(value).strip())
        return None

    def _entry(self, key: Key, row: Mapping[str, Any], objects: tuple[Object, ...]) -> None:
        where, file = f"{self.name}, image {key}", row.get("file_name")
        if file is None or file == "":
            self.problems.append(f"{where}: file_name is missing")
        elif not isinstance(file, str) or not is_text(file):
            self.problems.append(f"{where}: file_name must be a text, got {_brief(file)}")
        else:
            plain = file.replace("\\", "/").removeprefix("./")
            size = (_whole(row.get("width")), _whole(row.get("height")))
            known = size if all(size) else None
            self.written.entries.append(
                Entry(plain, _near(self.name), self.name, where, known, split_in(self.name), objects)
            )

    def _object(self, where: str, row: Mapping[str, Any], classes: Mapping[Key, str | None]) -> Object | None:
        """The box; x, y, width, height in the file."""
        category = self._key(row.get("category_id"), f"{where}: category_id")
        if category is None:
            return None
        if category not in classes:
            known = suggestion(str(category), [str(key) for key in classes][:MOST_KNOWN])
            self.problems.append(f"{where}: no category has the id {_brief(category)}; {known}")
            return None
        box, crowd = _numbers(row.get("bbox")), row.get("iscrowd")
        if box is None:
            shown = _brief(row.get("bbox"))
            self.problems.append(f"{where}: bbox must be [x, y, width, height], got {shown}")
            return None
        if not isinstance(crowd, (int, float, str, type(None))) or crowd not in CROWD:
            self.problems.append(f"{where}: iscrowd must be 0 or 1, got {_brief(crowd)}")
            return None
        x, y, width, height = box
        name = classes[category]
        return None if name is None else Object(name, x, y, x + width, y + height, CROWD[crowd], where)


def _near(name: str) -> tuple[str, ...]:
    """Where the images of such a file usually lie, the likeliest first.

    `instances_val2017.json` lies beside or above `val2017/`, `images/val2017/` or `images/`.
    """
    folder, _, file = name.rpartition("/")
    stem = file.rpartition(".")[0]
    below = [f"images/{stem}", f"images/{stem.rpartition('_')[2]}", stem, stem.rpartition("_")[2], "images"]
    bases = dict.fromkeys([folder, folder.rpartition("/")[0]])
    places = [f"{base}/{part}".strip("/") for part in below for base in bases]
    return tuple(dict.fromkeys([folder, *places, *bases]))


def _numbers(box: Any) -> tuple[float, float, float, float] | None:
    """Four numbers, as floats; None for anything else, and for whole numbers too large for one."""
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        return None
    try:
        x, y, width, height = (float(value) for value in box)
    except OverflowError:
        return None
    return x, y, width, height


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: Any) -> int:
    """A size; 0 where none is written."""
    known = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return int(value) if known else 0


def _brief(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}..."
