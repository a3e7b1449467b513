"""The files in a folder and the folders below it: nothing is passed over without being told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from sculptnet.data.names import examples, normal
from sculptnet.data.own_outputs import own_output
from sculptnet.errors import DataError

SYSTEM_NAMES = ("__MACOSX", "Thumbs.db", "desktop.ini")  # left behind by operating systems, like names with a dot


@final
@dataclass
class Listing:
    """What lies in a folder; names are paths with forward slashes, relative to `root`.

    Attributes:
        root: what names are relative to.
        files: the files that can be read, sorted.
        hidden: files and folders whose names begin with a dot or are those of operating systems.
        own: folders that SculptNet wrote, with what they are.
        repeated: links to folders that are read by another name, or in which they lie.
        broken: what cannot be read, with the reason.
    """

    root: Path
    files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


def is_visible(name: str) -> bool:
    """Whether the name of a file or folder, without its path, is a user's own."""
    return not name.startswith(".") and name not in SYSTEM_NAMES


def listed(root: Path, below: str = "") -> Listing:
    """Everything in the folder `below` of `root`. Links are followed; every folder is read once.

    Folders that are no links come first, so that what a link leads back to has its own name.
    """
    found = Listing(root)
    seen = {_key(parent.stat()) for parent in (root / below).resolve().parents}  # a link to one would bring everything
    waiting, links = [below], list[str]()
    while waiting or links:
        later = not waiting
        folder = links.pop(0) if later else waiting.pop()
        for name, is_link in _entries(found, folder, seen):
            (links if is_link else waiting).append(name)
    found.files.sort(key=lambda name: (normal(name), name))
    return found


def _entries(found: Listing, folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """Adds the files of one folder; gives the folders in it, and whether they are links."""
    place = found.root / folder
    try:
        key = _key(place.stat())
        if key in seen:
            found.repeated.append(folder)
            return
        seen.add(key)
        with os.scandir(place) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        found.broken[folder] = f"the folder cannot be read ({error.strerror})"
        return
    what = own_output({entry.name for entry in entries}, lambda name: (place / name).read_bytes())
    if what is not None:
        found.own[folder] = what
        return
    for entry in entries:
        name = f"{folder}/{entry.name}".lstrip("/")
        if _is_folder(found, name, entry):
            yield name, entry.is_symlink()


def _is_folder(found: Listing, name: str, entry: os.DirEntry[str]) -> bool:
    """Whether there is a folder to look into; everything else is added to what was found."""
    if not is_visible(entry.name):
        found.hidden.append(name)
    elif entry.is_dir():
        return True
    elif entry.is_file():
        found.files.append(name)
    else:
        found.broken[name] = _why(entry)
    return False


def level(root: Path, below: str = "") -> tuple[list[str], Listing]:
    """The folders directly in the folder `below` of `root`, by their names alone, and everything else in it.

    Raises:
        DataError: it cannot be read.
    """
    found = Listing(root)
    try:
        with os.scandir(root / below) as scanned:
            entries = sorted(scanned, key=lambda entry: (normal(entry.name), entry.name))
    except OSError as error:
        raise DataError(f"{root / below} cannot be read ({error.strerror}); change its permissions") from error
    above = [(root / below).resolve(), *(root / below).resolve().parents]
    folders = list[str]()
    for entry in entries:
        name = f"{below}/{entry.name}".lstrip("/")
        if _is_folder(found, name, entry):
            if entry.is_symlink() and Path(entry.path).resolve() in above:
                found.repeated.append(name)
            else:
                folders.append(entry.name)
    return folders, found


def counted(things: Sequence[object], noun: str, rest: str = "") -> str:
    """Their number with the noun, in the plural where they are not one, and the rest."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}{rest}"


def left_out(hidden: Sequence[str], own: Mapping[str, str], repeated: Sequence[str]) -> list[str]:
    """What of a listing is not used, in sentences."""
    written = [f"{name}/ ({what})" for name, what in sorted(own.items())]
    kinds = (
        (sorted(hidden), "hidden file", ""),
        (written, "folder", " that SculptNet wrote"),
        (sorted(repeated), "link", " to folders that are read already"),
    )
    return [f"not used: {counted(names, *what)}: {examples(names)}" for names, *what in kinds if names]


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _why(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return f"a link to {os.readlink(entry.path)}, which does not exist; mend or remove it"
    return "neither a file nor a folder; remove it"
