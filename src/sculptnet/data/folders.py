"""A folder with a sub-folder per class, with or without `train/`, `val/`, `test/` above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sculptnet.data.images import Files, ImageData, levelled, stratified
from sculptnet.data.survey import survey_files
from sculptnet.errors import DataError, collected
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

SPLIT_FOLDERS = ("train", "val", "test")
SYSTEM_NAMES = ("__MACOSX", "Thumbs.db", "desktop.ini")  # left behind by operating systems, like names with a dot
LAYOUT = "a folder per class with its images inside, or train/ and test/ (or val/) with such folders"
SHOWN_BROKEN = 20


@dataclass(frozen=True)
class _Listing:
    """The files of one split: names relative to the data folder, and class names."""

    names: tuple[str, ...]
    classes: tuple[str, ...]


def folder(
    path: Path,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    progress: Progress = no_progress,
) -> ImageData:
    """Images in a folder per class. Every file is decoded once, so that training meets no broken ones.

    `train/` with `test/`, or with `val/` where there is no `test/`, are used as they are; otherwise a stratified part
    of the images becomes the test split. Names that begin with a dot are ignored.

    Args:
        path: the folder.
        test_fraction: of the images of each class, where the folder has no test split.
        seed: of that choice.
        skip_broken: leave files out that cannot be read, instead of raising.
        progress: called after every file.

    Raises:
        DataError: no such folder, no classes, one class, a class without images, files that cannot be read (all are
            listed), pixels whose brightness nothing tells; the message says what to do.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"data folder {path} {what}; give {LAYOUT}")
    used, notes = _split_folders(path)
    listings = {name: _listed(path, path / name if name else path) for name in used}
    classes = _classes(path, list(listings.values()))
    splits, broken = {}, []
    for name, listing in listings.items():
        splits[name], reasons = _read(path, listing, classes, progress)
        broken += reasons
    if broken and not skip_broken:
        raise DataError(_broken_text(path, broken))
    first, *rest = splits.values()
    if rest:
        train, test = first, rest[0]
    else:
        kept, held = stratified(first.labels, test_fraction, stream(seed, "data.test_split"))
        train, test = first.take(kept), first.take(held)
        notes.append(f"test split: {test_fraction:.0%} of each class, chosen at random with seed {seed}")
    notes += [f"{len(broken)} files that cannot be read were left out"] if broken else []
    notes += [f"test images: none of class {classes[label]!r}" for label in _absent(test, len(classes))]
    notes += ["grey images, widened to three equal channels"] if train.grey and test.grey else []
    return levelled(ImageData(path.resolve().name, classes, train, test, tuple(notes), tuple(broken)))


def _split_folders(path: Path) -> tuple[list[str], list[str]]:
    """The split folders to read, training first (`""`: the folder itself), and notes."""
    present = [name for name in SPLIT_FOLDERS if (path / name).is_dir()]
    if not present:
        return [""], []
    if "train" not in present:
        found = " and ".join(f"{name}/" for name in present)
        raise DataError(f"data folder {path} has {found} but no train/; it needs {LAYOUT}")
    notes = []
    if "test" in present and "val" in present:
        notes.append("val/ was not used: selection holds out a part of train/, the result is measured on test/")
    elif "val" in present:
        notes.append("test split: val/, as there is no test/")
    return ["train", *[name for name in ("test", "val") if name in present][:1]], notes


def _visible(path: Path) -> bool:
    return not path.name.startswith(".") and path.name not in SYSTEM_NAMES


def _listed(root: Path, path: Path) -> _Listing:
    names, classes, empty = list[str](), list[str](), list[str]()
    folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and _visible(entry))
    for name in folders:
        files = [
            entry.relative_to(root).as_posix()
            for entry in (path / name).rglob("*")
            if entry.is_file() and all(_visible(part) for part in _below(entry, path / name))
        ]
        names += sorted(files)
        classes += [name] * len(files)
        empty += [] if files else [name]
    if not folders:
        loose = sum(entry.is_file() and _visible(entry) for entry in path.iterdir())
        raise DataError(f"{path} has no class folders ({loose} files lie in it directly); it needs {LAYOUT}")
    if empty:
        problems = [f"class {name!r} has no images; add some or remove the folder" for name in empty]
        raise DataError(collected(problems, str(path)))
    return _Listing(tuple(names), tuple(classes))


def _below(path: Path, ancestor: Path) -> Sequence[Path]:
    return [Path(part) for part in path.relative_to(ancestor).parts]


def _classes(path: Path, listings: Sequence[_Listing]) -> tuple[str, ...]:
    classes = sorted(set(listings[0].classes))
    if len(classes) == 1:
        raise DataError(f"{path} has one class, {classes[0]!r}; a classifier needs at least two class folders")
    strange = sorted(set(listings[-1].classes) - set(classes))
    if strange:
        raise DataError(f"{path}: the test split has classes that train/ lacks: {', '.join(strange)}")
    return tuple(classes)


def _read(path: Path, listing: _Listing, classes: tuple[str, ...], progress: Progress) -> tuple[Files, list[str]]:
    facts, broken = survey_files([path / name for name in listing.names], progress)
    kept = [index for index in range(len(listing.names)) if index not in broken]
    number = {name: label for label, name in enumerate(classes)}
    labels = np.array([number[listing.classes[index]] for index in kept], dtype=np.int64)
    split = Files(path, tuple(listing.names[index] for index in kept), labels, facts)
    return split, [f"{listing.names[index]}: {reason}" for index, reason in broken.items()]


def _broken_text(path: Path, broken: Sequence[str]) -> str:
    shown = list(broken[:SHOWN_BROKEN])
    more = [f"and {len(broken) - len(shown)} more"] if len(broken) > len(shown) else []
    return (
        f"{path}: {len(broken)} files cannot be read as images; repair or remove them, or leave them out with "
        "--skip-broken\n" + "\n".join(f"  - {line}" for line in [*shown, *more])
    )


def _absent(split: Files, num_classes: int) -> list[int]:
    return [int(label) for label in np.flatnonzero(np.bincount(split.labels, minlength=num_classes) == 0)]
