"""COCO's annotations: a JSON file for each split (Lin et al., ECCV 2014; cocodataset.org, data format)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sculptnet.data.detection.entries import Entry, Object, Written, split_in
from sculptnet.data.detection.store import Store
from sculptnet.errors import suggestion

PARTS = ("images", "annotations", "categories")


def read_coco(store: Store, names: Sequence[str]) -> Written:
    """Every file among `names` that holds images, annotations and categories; other JSON files are left alone.

    Splits are those that names of files and folders tell: `instances_train2017.json`, `valid/_annotations.coco.json`.
    """
    written = Written()
    classes: dict[str, None] = {}
    for name in names:
        if not name.lower().endswith(".json"):
            continue
        try:
            data = json.loads(store.read(name))
        except ValueError as error:
            written.problems.append(f"{name} is no JSON ({error}); restore or remove it")
            continue
        if isinstance(data, dict) and all(isinstance(data.get(part), list) for part in PARTS):
            classes |= dict.fromkeys(_read(name, data, written))
    written.classes = tuple(classes)
    return written


def _read(name: str, data: Mapping[str, Any], written: Written) -> list[str]:
    """Adds the file's photographs to `written`; returns its classes."""
    problems: list[str] = []
    for part in PARTS:
        problems += _strangers(data[part], f"{name}, {part}")
        problems += _repeated((row.get("id") for row in _rows(data[part])), f"{name}, {part}: id")
    classes = {row.get("id"): str(row.get("name", "")).strip() for row in _rows(data["categories"])}
    problems += _repeated(classes.values(), f"{name}, categories: name")
    problems += [f"{name}, category {key}: its name is empty" for key, value in classes.items() if not value]
    images = {row.get("id"): row for row in _rows(data["images"])}
    objects: dict[Any, list[Object]] = {key: [] for key in images}
    for row in _rows(data["annotations"]):
        where = f"{name}, annotation {row.get('id')}"
        box = _object(where, row, classes, problems)
        if row.get("image_id") not in images:
            problems.append(f"{where}: no image has the id {row.get('image_id')!r}")
        elif box is not None:
            objects[row.get("image_id")].append(box)
    folder, split = name.rpartition("/")[0], split_in(name)
    parent = folder.rpartition("/")[0]
    for key, row in images.items():
        near = [folder, *(f"{base}/{part}".strip("/") for base in (folder, parent) for part in _folders(name)), parent]
        size = (_whole(row.get("width")), _whole(row.get("height")))
        if not str(row.get("file_name") or ""):
            problems.append(f"{name}, image {key}: file_name is missing")
            continue
        where = f"{name}, image {key}"
        written.entries.append(
            Entry(str(row["file_name"]), tuple(near), where, size if all(size) else None, split, tuple(objects[key]))
        )
    written.problems += problems
    return list(classes.values())


def _folders(name: str) -> tuple[str, ...]:
    """Where the images of such a file usually lie: `instances_val2017.json` beside or above `val2017/`."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return "images", stem, stem.rpartition("_")[2]


def _rows(part: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [row for row in part if isinstance(row, dict)]


def _strangers(part: Sequence[Any], where: str) -> list[str]:
    return [f"{where}: entry {index} is no object" for index, row in enumerate(part) if not isinstance(row, dict)]


def _repeated(values: Iterable[Any], what: str) -> list[str]:
    counts = Counter(map(repr, values))
    return [f"{what} {value} occurs {count} times; each needs its own" for value, count in counts.items() if count > 1]


def _object(where: str, row: Mapping[str, Any], classes: Mapping[Any, str], problems: list[str]) -> Object | None:
    """The box; x, y, width, height in the file."""
    category = row.get("category_id")
    if category not in classes:
        problems.append(f"{where}: no category has the id {category!r}; {suggestion(str(category), map(str, classes))}")
        return None
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        problems.append(f"{where}: bbox must be [x, y, width, height], got {box!r}")
        return None
    x, y, width, height = box
    return Object(classes[category], x, y, x + width, y + height, bool(row.get("iscrowd")), where)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: Any) -> int:
    return int(value) if _is_number(value) else 0
