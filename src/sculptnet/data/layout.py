"""Which folders of a data set are splits and which are classes, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from sculptnet.data.formats import IMAGE_SUFFIXES
from sculptnet.data.listing import Listing, counted, left_out, level, listed
from sculptnet.data.names import examples, normal
from sculptnet.data.own_outputs import own_output
from sculptnet.data.split_names import split_called, split_folders
from sculptnet.errors import DataError, collected
from sculptnet.files import printable

LAYOUT = "a folder per class with its images inside, or train/ and test/ (or val/) with such folders"


@final
@dataclass(frozen=True)
class Part:
    """The files of one split by their classes; names are relative to the data folder."""

    folder: str
    classes: Mapping[str, Sequence[str]]


@final
@dataclass
class Layout:
    """A data folder as it was understood.

    Attributes:
        parts: training first; one alone is still to be split.
        broken: what cannot be read, by name, with the reason.
        notes: what a reader should know, first of all what was not used.
    """

    parts: list[Part] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def understood(path: Path) -> Layout:
    """The splits and classes in the folder `path`.

    Raises:
        DataError: they cannot be told for sure, a class is empty, or the folder is none of images.
    """
    _check_folder(path)
    folders, beside = level(path)
    layout, left = Layout(), _Left()
    used = _split_folders(path, folders, layout.notes)
    for name in used:
        layout.parts.append(_part(path, name, folders, left))
    if used != [""]:
        others = [name for name in folders if not any(name in group for group in split_folders(folders).values())]
        left.beside(beside, f"beside {' and '.join(f'{printable(name)}/' for name in used)}")
        left.others([listed(path, name) for name in others], others)
    layout.broken = dict(sorted(left.broken.items()))
    layout.notes += left.notes()
    return layout


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"data folder {printable(str(path))} {what}; give {LAYOUT}")
    what_of_ours = own_output({entry.name for entry in path.iterdir()}, lambda name: (path / name).read_bytes())
    if what_of_ours is not None:
        raise DataError(
            f"{printable(str(path))} is {what_of_ours} of SculptNet, not a folder of images; give {LAYOUT}. "
            "`sculptnet show RUN` tells what a run holds"
        )


def _split_folders(path: Path, folders: Sequence[str], notes: list[str]) -> list[str]:
    """The split folders to read, training first (`""`: the folder itself)."""
    found = split_folders(folders)
    if not found:
        return [""]
    shown = {split: [f"{printable(name)}/" for name in names] for split, names in found.items()}
    there = " and ".join(name for split in ("train", "val", "test") for name in shown.get(split, []))
    if "train" not in found:
        raise DataError(
            f"data folder {printable(str(path))} has {there} but no train/; it needs {LAYOUT}. Where these are "
            f"classes, not splits, rename them, for example to {shown[next(iter(found))][0][:-1]}_class/"
        )
    twice = [f"{' and '.join(names)} are both called like {split}/" for split, names in shown.items() if len(names) > 1]
    if twice:
        raise DataError(collected([f"{one}; keep one of them" for one in twice], printable(str(path))))
    if "test" in found and "val" in found:
        unused = f"{shown['val'][0]} ({counted(listed(path, found['val'][0]).files, 'file')}) was not used"
        notes.append(
            f"{unused}: selection holds out a part of {shown['train'][0]}, the result is measured on {shown['test'][0]}"
        )
    elif "val" in found:
        notes.append(f"test split: {shown['val'][0]}, as there is no test/")
    return [found["train"][0], *[found[split][0] for split in ("test", "val") if split in found][:1]]


def _part(path: Path, folder: str, top: Sequence[str], left: _Left) -> Part:
    """The classes of a split.

    Raises:
        DataError: it has none, or some are empty or called like splits.
    """
    names, beside = level(path, folder)
    classes: dict[str, list[str]] = {}
    empty, spelt = list[str](), dict[str, list[str]]()
    for name in names:
        listing = listed(path, f"{folder}/{name}".lstrip("/"))
        if left.below(listing):
            continue
        known = printable(normal(name))
        spelt.setdefault(known, []).append(name)
        classes.setdefault(known, []).extend(listing.files)
        if not listing.files and not listing.broken:
            empty.append(known)
    left.beside(beside, "beside the class folders")
    if not classes:
        raise DataError(_no_classes(path, folder, top, beside, left))
    if empty:
        problems = [f"class {name!r} has no images; add some or remove the folder" for name in empty]
        raise DataError(collected(problems, printable(str(path / folder))))
    misnamed = [name for name in classes if split_called(name) is not None]
    if misnamed:
        raise DataError(
            f"{printable(str(path / folder))} has classes that are called like splits: {', '.join(misnamed)}; give "
            f"the folder that train/ lies in, or rename them, for example to {misnamed[0]}_class/"
        )
    left.spelt(spelt)
    return Part(folder, classes)


def _no_classes(path: Path, folder: str, top: Sequence[str], beside: Listing, left: _Left) -> str:
    others = [f"{printable(name)}/" for name in top if name != folder and split_called(name) is None]
    remedy = ""
    if folder and others:
        remedy = (
            f". Where {printable(folder)} is a class, as {examples(others, 3)} may be, rename it, for example to "
            f"{printable(folder)}_class/"
        )
    elif folder and beside.files:
        remedy = f". Images without classes teach and test nothing: move {printable(folder)}/ elsewhere"
    elif left.own:
        remedy = f". Runs and models of SculptNet in it are no images: {examples(list(left.own))}"
    return (
        f"{printable(str(path / folder))} has no class folders ({len(beside.files)} files lie in it directly); it "
        f"needs {LAYOUT}{remedy}"
    )


@dataclass
class _Left:
    """What is not used, collected while folders are read."""

    hidden: list[str] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    def _add(self, listing: Listing) -> None:
        self.hidden += listing.hidden
        self.own |= listing.own
        self.repeated += listing.repeated

    def beside(self, listing: Listing, where: str) -> None:
        """Files that lie directly in a folder of folders."""
        self._add(listing)
        self.broken |= listing.broken
        if listing.files:
            self.sentences.append(f"not used: {counted(listing.files, 'file')} {where}: {examples(listing.files)}")

    def below(self, listing: Listing) -> bool:
        """What lies in a class folder besides its files; whether it is no class, but a folder of runs."""
        self._add(listing)
        if listing.own and not any(name.lower().endswith(IMAGE_SUFFIXES) for name in listing.files):
            if listing.files:
                self.sentences.append(
                    f"not used: {counted(listing.files, 'file')} beside runs: {examples(listing.files)}"
                )
            return True
        self.broken |= listing.broken
        return False

    def others(self, listings: Sequence[Listing], names: Sequence[str]) -> None:
        """Folders beside those of splits."""
        shown = []
        for listing, name in zip(listings, names, strict=True):
            self._add(listing)
            if listing.files or not listing.own:
                shown.append(f"{printable(name)}/ ({counted(listing.files, 'file')})")
        if shown:
            self.sentences.append(f"not used: {counted(shown, 'folder')} beside the splits: {examples(shown)}")

    def spelt(self, spelt: Mapping[str, Sequence[str]]) -> None:
        """Folders of one class, and names that are no text."""
        for known, names in spelt.items():
            if len(names) > 1:
                self.sentences.append(
                    f"class {known!r}: {len(names)} folders whose names differ in the composition of Unicode "
                    "characters alone are one class"
                )
            elif printable(names[0]) != names[0]:
                self.sentences.append(f"class {known!r}: the name of its folder is no UTF-8 and is written so")

    def notes(self) -> list[str]:
        """All of it in sentences."""
        return [*self.sentences, *left_out(self.hidden, self.own, self.repeated)]
