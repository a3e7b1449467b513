"""Where the files of a data set lie: in a folder, or in a .tar archive that stays packed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, final

from sculptnet.data.detection.archive import read_archive
from sculptnet.data.listing import is_visible, left_out, listed
from sculptnet.data.names import is_text
from sculptnet.data.own_outputs import own_folders
from sculptnet.errors import DataError
from sculptnet.files import printable

NO_UTF8 = "its name is not UTF-8; rename it"
WANTED = "give a folder or a .tar with VOC XML or COCO JSON"


class Store(Protocol):
    """Files by their names: paths with forward slashes, relative to the folder or the archive."""

    def read(self, name: str) -> bytes:
        """The content of one; raises `OSError` if it is not there any more."""
        ...


@final
@dataclass(frozen=True)
class FolderStore:
    """Files in a folder and the folders in it. Links are followed."""

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
    """What lies in a folder or an archive.

    Attributes:
        names: the files, sorted.
        unusable: what is there and cannot be read, with the reason and the remedy.
        notes: what is not read, in sentences: hidden files, what SculptNet wrote, links to what is read already.
    """

    names: tuple[str, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_store(path: Path) -> tuple[Store, Listing]:
    """The files of a folder, links followed, or of a .tar archive.

    Raises:
        DataError: there is neither, the archive is damaged or compressed, or the folder is a run or a model of ours.
    """
    shown = printable(str(path))
    if path.is_dir():
        found = listed(path)
        if "" in found.own:
            raise DataError(f"{shown} is {found.own['']} of SculptNet; {WANTED}")
        return FolderStore(path), _listing(found.files, found.broken, found.hidden, found.own, found.repeated)
    if not path.exists():
        raise DataError(f"{shown} does not exist; {WANTED}")
    if not path.is_file():
        raise DataError(f"{shown} is neither a folder nor a file; {WANTED}")
    places, unusable = read_archive(path)
    store = TarStore(path, places)
    own = own_folders(places, store.read)
    hidden = [name for name in places if not all(map(is_visible, name.split("/")))]
    return store, _listing(places, unusable, hidden, own, ())


def _listing(
    files: Iterable[str],
    unusable: Mapping[str, str],
    hidden: Iterable[str],
    own: Mapping[str, str],
    repeated: Iterable[str],
) -> Listing:
    """What is used of `files`, and sentences on the rest."""
    unseen = set(hidden)

    def is_data(name: str) -> bool:
        return name not in unseen and not any(name.startswith(f"{folder}/") or not folder for folder in own)

    names = sorted(filter(is_data, files))
    reasons = dict(sorted(unusable.items())) | {name: NO_UTF8 for name in names if not is_text(name)}
    notes = tuple(left_out(sorted(unseen), own, sorted(repeated)))
    return Listing(tuple(name for name in names if name not in reasons), reasons, notes)
