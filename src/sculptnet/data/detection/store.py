"""Where the files of a data set lie: in a folder, or in a .tar archive that stays packed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, final

from sculptnet.data.detection.archive import read_archive
from sculptnet.data.file_names import is_text
from sculptnet.data.folders import SYSTEM_NAMES
from sculptnet.errors import DataError

NO_UTF8 = "its name is not UTF-8; rename it"


class Store(Protocol):
    """Files by their names: paths with forward slashes, relative to the folder or the archive."""

    def read(self, name: str) -> bytes:
        """The content of one; raises `OSError` if it is not there any more."""
        ...


@final
@dataclass(frozen=True)
class FolderStore:
    """Files in a folder and the folders in it."""

    folder: Path

    def read(self, name: str) -> bytes:
        """The content of one."""
        return (self.folder / name).read_bytes()


@final
@dataclass(frozen=True)
class TarStore:
    """Files in an archive that is not compressed. `places`: where each begins, and its bytes."""

    archive: Path
    places: Mapping[str, tuple[int, int]]

    def read(self, name: str) -> bytes:
        """The content of one."""
        offset, size = self.places[name]
        with self.archive.open("rb") as file:
            file.seek(offset)
            return file.read(size)


@dataclass(frozen=True)
class Listing:
    """What lies in a folder or an archive; names with a dot in front and those of operating systems are left out.

    Attributes:
        names: the files, sorted.
        unusable: what is there and cannot be read, with the reason and the remedy.
    """

    names: tuple[str, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)


def open_store(path: Path) -> tuple[Store, Listing]:
    """The files of a folder, links followed, or of a .tar archive.

    Raises:
        DataError: there is neither, or the archive is damaged or compressed.
    """
    if path.is_dir():
        return FolderStore(path), _listed(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder or a .tar with VOC XML or COCO JSON")
    if not path.is_file():
        raise DataError(f"{path} is neither a folder nor a file; give a folder or a .tar with VOC XML or COCO JSON")
    places, unusable = read_archive(path)
    return TarStore(path, places), _sorted_out(places, unusable)


def _sorted_out(names: Mapping[str, object], unusable: Mapping[str, str]) -> Listing:
    found = [name for name in sorted(names) if _visible(name)]
    reasons = {name: reason for name, reason in sorted(unusable.items()) if _visible(name)}
    reasons |= {name: NO_UTF8 for name in found if not is_text(name)}
    return Listing(tuple(name for name in found if name not in reasons), reasons)


def _listed(folder: Path) -> Listing:
    """All files below `folder`; a link to a folder is followed, unless it leads back to one above it."""
    names: dict[str, None] = {}
    unusable: dict[str, str] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(folder),))]
    while waiting:
        below, above = waiting.pop()
        try:
            entries = list(os.scandir(folder / below))
        except OSError as error:
            unusable[below or "."] = f"the folder cannot be read ({error.strerror}); allow it"
            continue
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if not _visible(entry.name):
                continue
            if entry.is_dir():
                real = os.path.realpath(entry.path)
                if real in above:
                    unusable[name] = "a link to a folder that it lies in, not followed; remove it"
                else:
                    waiting.append((name, (*above, real)))
            elif entry.is_file():
                names[name] = None
            elif entry.is_symlink():
                unusable[name] = f"a link to {os.readlink(entry.path)}, which does not exist; mend or remove it"
            else:
                unusable[name] = "neither a file nor a folder; remove it"
    return _sorted_out(names, unusable)


def _visible(name: str) -> bool:
    return not any(part.startswith(".") or part in SYSTEM_NAMES for part in name.split("/"))
