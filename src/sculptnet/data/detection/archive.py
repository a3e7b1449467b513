"""What lies where in a .tar archive, and what of it cannot be read in place."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sculptnet.errors import DataError

COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
MOST_LINKS = 40  # links to links that are followed, as Linux does
BLOCK, CHUNK = tarfile.BLOCKSIZE, 1 << 20  # bytes
Places = dict[str, tuple[int, int]]


def read_archive(path: Path) -> tuple[Places, dict[str, str]]:
    """Offset and bytes of every file, links resolved, and what cannot be read, with the reason and the remedy.

    Raises:
        DataError: it is compressed, damaged, or no .tar.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(8)
        packed = next((name for magic, name in COMPRESSED.items() if begin.startswith(magic)), None)
        if packed is not None:
            raise DataError(
                f"{path} is compressed ({packed}), so it cannot be read in place; unpack it, and give the folder"
            )
        with tarfile.open(path, "r:") as archive:
            members = archive.getmembers()
            end = archive.offset
        problem = _end_problem(path, end)
    except (tarfile.TarError, OSError, EOFError, ValueError, LookupError, OverflowError, RecursionError) as error:
        problem = f"{error}"
    if problem is not None:
        raise DataError(
            f"{path} is no folder, and no .tar archive that can be read in place ({problem}); fetch or pack it anew, "
            "or unpack it, and give the folder"
        )
    return _sorted_out(members)


def _end_problem(path: Path, end: int) -> str | None:
    """What is wrong behind the last member, since `tarfile` stops without a word at a header that it cannot read."""
    with path.open("rb") as file:
        file.seek(end)
        block = file.read(BLOCK)
        if block.strip(b"\0"):
            return f"it is damaged at byte {end}"
        if not block:
            return "its end is missing: it was cut off"
        while rest := file.read(CHUNK):
            if rest.strip(b"\0"):
                return "something follows its end, such as a second archive"
    return None


def _sorted_out(members: Sequence[tarfile.TarInfo]) -> tuple[Places, dict[str, str]]:
    places: Places = {}
    links: dict[str, tarfile.TarInfo] = {}
    unusable: dict[str, str] = {}
    folders = set[str]()
    for member in members:
        name = posixpath.normpath(member.name).lstrip("/")
        for known in (places, links, unusable):
            known.pop(name, None)  # the last of several of one name is the one that counts
        if name.startswith("../"):
            unusable[name.removeprefix("../")] = "its name leads out of the archive; pack it anew"
        elif member.isdir():
            folders.add(name)
        elif member.issym() or member.islnk():
            links[name] = member
        elif member.issparse():
            unusable[name] = "it is packed with holes; pack it without --sparse"
        elif member.isreg():
            places[name] = (member.offset_data, member.size)
    _resolve(links, places, folders, unusable)
    return places, unusable


def _resolve(links: Mapping[str, tarfile.TarInfo], places: Places, folders: set[str], unusable: dict[str, str]) -> None:
    """Adds what links stand for."""
    resolved = {name: _target(name, links) for name in links}
    for name, target in resolved.items():
        if target in places:
            places[name] = places[target]
        elif target in folders or any(place.startswith(f"{target}/") for place in places):
            unusable[name] = f"a link to the folder {target}; pack the archive with --dereference"
        else:
            unusable[name] = f"a link to {target}, which is not in the archive; pack it with --dereference"


def _target(name: str, links: Mapping[str, tarfile.TarInfo]) -> str:
    for _ in range(MOST_LINKS):
        if name not in links:
            break
        member = links[name]
        above = posixpath.dirname(name) if member.issym() else ""
        name = posixpath.normpath(posixpath.join(above, member.linkname)).lstrip("/")
    return name
