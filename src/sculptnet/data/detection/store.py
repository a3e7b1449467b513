"""Where the files of a data set lie: in a folder, or in a .tar archive that stays packed."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

from sculptnet.data.folders import SYSTEM_NAMES
from sculptnet.errors import DataError


class Store(Protocol):
    """Files by their names: paths with forward slashes, relative to the folder or the archive."""

    def names(self) -> tuple[str, ...]:
        """All of them, sorted; those that operating systems leave behind and those with a dot in front are left out."""
        ...

    def read(self, name: str) -> bytes:
        """The content of one; raises `OSError` if it is not there any more."""
        ...


@final
@dataclass(frozen=True)
class FolderStore:
    """Files in a folder and the folders in it."""

    folder: Path

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        files = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return tuple(sorted(name for name in files if _visible(name)))

    def read(self, name: str) -> bytes:
        """The content of one."""
        return (self.folder / name).read_bytes()


@final
@dataclass(frozen=True)
class TarStore:
    """Files in an archive that is not compressed. `places`: where each begins, and its bytes."""

    archive: Path
    places: Mapping[str, tuple[int, int]]

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(filter(_visible, self.places)))

    def read(self, name: str) -> bytes:
        """The content of one."""
        offset, size = self.places[name]
        with self.archive.open("rb") as file:
            file.seek(offset)
            return file.read(size)


def open_store(path: Path) -> Store:
    """The files of a folder or of a .tar archive.

    Raises:
        DataError: there is neither.
    """
    if path.is_dir():
        return FolderStore(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder or a .tar with VOC XML or COCO JSON")
    try:
        with tarfile.open(path, "r:") as archive:
            members = [member for member in archive if member.isfile()]
    except tarfile.TarError as error:
        raise DataError(
            f"{path} is no folder and no .tar archive that can be read in place ({error}); unpack it, and give the "
            "folder"
        ) from error
    return TarStore(path, {member.name.removeprefix("./"): (member.offset_data, member.size) for member in members})


def _visible(name: str) -> bool:
    return not any(part.startswith(".") or part in SYSTEM_NAMES for part in name.split("/"))
