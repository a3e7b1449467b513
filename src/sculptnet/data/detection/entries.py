"""What annotation files say, before anybody asks whether it can be so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SPLIT = re.compile(r"(?:^|[_\-.])(train|training|val|valid|validation|test)(?:\d+|[_\-.]|$)")


class Object(NamedTuple):
    """One box as written. `where`: the file and the place in it; `ignored`: difficult, or a crowd."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    ignored: bool
    where: str


@dataclass(frozen=True)
class Entry:
    """One photograph as written.

    Attributes:
        image: the name of its file as written; candidates are looked for in `near` first.
        near: folders in which it may lie, the likeliest first.
        where: the annotation file, and the place in it.
        size: width and height as written; None where they are not.
        split: `train`, `val` or `test`; None where nothing says.
        objects: its boxes.
    """

    image: str
    near: tuple[str, ...]
    where: str
    size: tuple[int, int] | None
    split: str | None
    objects: tuple[Object, ...]


@dataclass
class Written:
    """Everything that annotation files say.

    Attributes:
        entries: photographs.
        classes: names in the order of the file; None where files hold no list of them.
        problems: what is wrong with them.
        notes: what a reader should know.
    """

    entries: list[Entry] = field(default_factory=list)
    classes: tuple[str, ...] | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def split_in(name: str) -> str | None:
    """The split that a path names: by a folder such as `train/` or `val2017/`, else by the file's own name."""
    *folders, file = name.split("/")
    found = [_SPLIT.search(part.lower()) for part in (*reversed(folders), file.rpartition(".")[0])]
    return next((SPLITS[match.group(1)] for match in found if match), None)


class Images:
    """The image files of a store, found by what annotations call them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = {name for name in names if name.lower().endswith(IMAGE_SUFFIXES)}
        self.by_file: dict[str, list[str]] = {}
        for name in sorted(self.names):
            self.by_file.setdefault(name.rpartition("/")[2], []).append(name)

    def find(self, written: str, near: Sequence[str]) -> list[str]:
        """The files that `written` may mean: one in the first of the folders `near` that has it, else all that fit."""
        plain = written.replace("\\", "/").removeprefix("./")
        for folder in near:
            name = f"{folder}/{plain}" if folder else plain
            if name in self.names:
                return [name]
        fitting = self.by_file.get(plain.rpartition("/")[2], [])
        return [name for name in fitting if name == plain or name.endswith(f"/{plain}")] or list(fitting)
