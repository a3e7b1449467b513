"""What SculptNet itself writes, which is never data: runs, folders of runs, and shipped models."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from functools import partial

RUN, MODEL, LOCK = "run.json", "card.json", ".lock"
BESIDE_MODEL = ("architecture.json", "model.onnx", "detector.json")


def own_output(files: Collection[str], read: Callable[[str], bytes]) -> str | None:
    """What of ours a folder is, by the names of its files: `a run` or `a shipped model`; None where it is not ours.

    Args:
        files: the names of the files directly in it.
        read: gives the content of one; a file of the same name that somebody else wrote is told by what is in it.
    """
    if set(files) == {LOCK} or (RUN in files and _has_keys(RUN, read, "identity")):
        return "a run"
    if MODEL in files and any(name in files for name in BESIDE_MODEL):
        return "a shipped model"
    return None


def own_folders(names: Iterable[str], read: Callable[[str], bytes]) -> dict[str, str]:
    """The folders of ours among files by their names, paths with forward slashes, each with what it is."""
    by_folder: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        by_folder.setdefault(folder, set()).add(file)
    kinds = {folder: own_output(files, partial(_read_in, folder, read)) for folder, files in by_folder.items()}
    return {folder: what for folder, what in kinds.items() if what is not None}


def _read_in(folder: str, read: Callable[[str], bytes], file: str) -> bytes:
    return read(f"{folder}/{file}".lstrip("/"))


def _has_keys(name: str, read: Callable[[str], bytes], *keys: str) -> bool:
    try:
        value = json.loads(read(name))
    except (ValueError, OSError):  # somebody else's, or a link to nothing
        return False
    return isinstance(value, dict) and all(key in value for key in keys)
