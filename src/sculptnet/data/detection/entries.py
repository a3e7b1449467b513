"""What annotation files say, before anybody asks whether it can be so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sculptnet.data.split_names import split_within


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
        image: the name of its file as written, with forward slashes.
        near: folders in which it may lie, the likeliest first.
        source: what was written by one hand: a COCO file, or a folder of VOC files.
        where: the annotation file, and the place in it.
        size: width and height as written; None where they are not.
        split: `train`, `val` or `test`; None where nothing says.
        objects: its boxes.
        stem: the name without an ending that its file may have too; None where there is none.
    """

    image: str
    near: tuple[str, ...]
    source: str
    where: str
    size: tuple[int, int] | None
    split: str | None
    objects: tuple[Object, ...]
    stem: str | None = None


@dataclass
class Written:
    """Everything that annotation files say.

    Attributes:
        entries: photographs.
        classes: names in the order of the file; None where files hold no list of them.
        problems: what is wrong with them.
        strangers: files of such a kind that hold no annotations, with the reason.
        notes: what a reader should know.
    """

    entries: list[Entry] = field(default_factory=list)
    classes: tuple[str, ...] | None = None
    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def split_in(name: str) -> str | None:
    """The split that a path names: by a folder such as `train/` or `val2017/`, else by the file's own name."""
    *folders, file = name.split("/")
    found = (split_within(part) for part in (*reversed(folders), file.rpartition(".")[0]))
    return next((split for split in found if split is not None), None)
