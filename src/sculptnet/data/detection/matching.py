"""From what annotations call a photograph to its file: never another one in its place, and not without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sculptnet.data.detection.entries import Entry, split_in
from sculptnet.data.formats import IMAGE_SUFFIXES
from sculptnet.data.names import normal

SHOWN = 3  # files of one name in a message


@dataclass
class Matched:
    """Files of entries.

    Attributes:
        files: by the index of the entry.
        problems: entries without a file, and files with several entries.
        by_name: `entry's name = file` of those found elsewhere than annotations say, by their file names alone.
        by_stem: the same of those that differ in their ending from what is written.
    """

    files: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    by_name: list[str] = field(default_factory=list)
    by_stem: list[str] = field(default_factory=list)

    def notes(self, shown: Callable[[Sequence[str]], str]) -> list[str]:
        """What a reader should know of it."""
        notes = []
        if self.by_name:
            notes.append(f"{len(self.by_name)} photographs were found by their file names alone: {shown(self.by_name)}")
        if self.by_stem:
            notes.append(
                f"{len(self.by_stem)} photographs have another ending than is written, or the name of their annotation "
                f"file: {shown(self.by_stem)}"
            )
        return notes


class Images:
    """The files of a store that may be images. Names are compared in normal form; those written exactly come first.

    A file of any ending counts where it is named in full, one with the ending of an image elsewhere too.

    Attributes:
        names: the files.
        unusable: names that are there and cannot be read, with the reason.
    """

    def __init__(self, names: Iterable[str], unusable: Mapping[str, str] | None = None) -> None:
        self.names = set(names)
        self.unusable = {normal(name): reason for name, reason in (unusable or {}).items()}
        self._composed: dict[str, list[str]] = {}
        self._by_file: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        self._folders: dict[str, list[str]] = {}
        for name in sorted(self.names):
            plain = normal(name)
            folder, _, file = plain.rpartition("/")
            self._composed.setdefault(plain, []).append(name)
            self._folders.setdefault(folder.lower(), [])
            if folder not in self._folders[folder.lower()]:
                self._folders[folder.lower()].append(folder)
            if not name.lower().endswith(IMAGE_SUFFIXES):
                continue
            self._by_file.setdefault(file, []).append(name)
            self._by_stem.setdefault(plain.rpartition(".")[0], []).append(name)

    def below(self, folder: str, written: str) -> list[str]:
        """The files that `written` is in `folder`: one, or several that differ in composition alone."""
        name = _joined(folder, written)
        return [name] if name in self.names else self._composed.get(normal(name), [])

    def folders(self, folder: str) -> list[str]:
        """`folder` as it is spelt here: in any case."""
        return [folder, *(name for name in self._folders.get(normal(folder).lower(), []) if name != folder)]

    def with_stem(self, folder: str, stem: str) -> list[str]:
        """The files in `folder` whose name without its ending is `stem`."""
        return self._by_stem.get(normal(_joined(folder, stem)), [])

    def elsewhere(self, written: str) -> list[str]:
        """The files anywhere that have the name `written`: with its folders, else those of the same file name."""
        plain = normal(written)
        fitting = self._by_file.get(plain.rpartition("/")[2], [])
        return [name for name in fitting if f"/{normal(name)}".endswith(f"/{plain}")] or list(fitting)


def match(entries: Sequence[Entry], images: Images) -> Matched:
    """The file of each entry.

    Entries of one source lie in one place: the one of `near` where most of them are. Only if none of them is in any,
    they are looked for by their file names: one that is unique counts, in a folder that names no other split.
    """
    found = Matched()
    sources: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        sources.setdefault(entry.source, []).append(index)
    for indices in sources.values():
        _match_source(entries, indices, images, found)
    counts = Counter(found.files.values())
    for file, count in counts.items():
        if count > 1:
            places = ", ".join(entries[index].where for index, name in found.files.items() if name == file)
            found.problems.append(f"{file} has {count} annotations; it needs one: {places}")
    return found


def _match_source(entries: Sequence[Entry], indices: Sequence[int], images: Images, found: Matched) -> None:
    base = _base(entries, indices, images)
    rest = []
    for index in indices:
        here = [] if base is None else images.below(base, entries[index].image)
        if here:
            _take(index, entries[index], here, found)
        else:
            rest.append(index)
    taken = {found.files[index] for index in indices if index in found.files}
    companions = _companion_endings(taken, images)
    for index in rest:
        entry = entries[index]
        alike = _alike(entry, base, images, taken, companions)
        if alike:
            if _take(index, entry, alike, found):
                found.by_stem.append(f"{entry.image} = {alike[0]}")
        elif base is None and (others := _uncontradicted(entry, images)):
            if _take(index, entry, others, found):
                found.by_name.append(f"{entry.image} = {others[0]}")
        else:
            found.problems.append(_missing(entry, base, images))


def _base(entries: Sequence[Entry], indices: Sequence[int], images: Images) -> str | None:
    """The folder that holds most of the images of a source; None if none holds any."""
    near = dict.fromkeys(
        folder for index in indices[:1] for written in entries[index].near for folder in images.folders(written)
    )
    counts = {base: sum(bool(images.below(base, entries[index].image)) for index in indices) for base in near}
    best = max(counts, key=counts.__getitem__, default=None)
    return best if best is not None and counts[best] else None


def _take(index: int, entry: Entry, files: Sequence[str], found: Matched) -> bool:
    if len(files) == 1:
        found.files[index] = files[0]
        return True
    shown = ", ".join(files[:SHOWN])
    found.problems.append(f"{entry.where}: several files may be its image: {shown}; name the folder")
    return False


# ---------------------------------------------------------------------- other endings, other folders
def _alike(entry: Entry, base: str | None, images: Images, taken: set[str], companions: set[str]) -> list[str]:
    """Files that differ from the written name in the ending, or have the stem of a VOC file.

    Those are left out that another photograph has, and endings that stand beside photographs too: such as masks.
    """
    stems = dict.fromkeys([entry.image.rpartition(".")[0], *([entry.stem] if entry.stem else [])])
    places = [base] if base is not None else [place for near in entry.near for place in images.folders(near)]
    for stem in stems:
        for place in places:
            fitting = [
                name for name in images.with_stem(place, stem) if name not in taken and _ending(name) not in companions
            ]
            if fitting:
                return fitting
    return []


def _companion_endings(taken: Iterable[str], images: Images) -> set[str]:
    """Endings of files that share folder and stem with a photograph."""
    return {
        _ending(other) for name in taken for other in images.with_stem("", name.rpartition(".")[0]) if other != name
    }


def _uncontradicted(entry: Entry, images: Images) -> list[str]:
    files = images.elsewhere(entry.image)
    if entry.split is None:
        return files
    same = [name for name in files if _split_of(name) == entry.split]
    return same or [name for name in files if _split_of(name) is None]


def _missing(entry: Entry, base: str | None, images: Images) -> str:
    places = [base] if base is not None else list(entry.near)
    names = [_joined(place, entry.image) for place in places]
    reason = next((images.unusable[normal(name)] for name in names if normal(name) in images.unusable), None)
    if reason is not None:
        return f"{entry.where}: its image {entry.image} is there, but {reason}"
    text = f"{entry.where}: its image {entry.image} is missing; add it or remove the entry"
    others = images.elsewhere(entry.image)
    if not others:
        others = images.with_stem(base or "", entry.image.rpartition(".")[0])
    if others:
        where = (
            f", as others are in {base}/"
            if base
            else ", as others lie in the folder itself"
            if base is not None
            else ""
        )
        text += (
            f" ({', '.join(others[:SHOWN])} was not taken for it{where}; if it is the one, move it or correct the name)"
        )
    return text


def _split_of(name: str) -> str | None:
    """The split that the folders of a file name."""
    return split_in(f"{name.rpartition('/')[0]}/")


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
