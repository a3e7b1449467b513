"""Names as people read them: composed characters, and bytes that are no text."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from sculptnet.data import folder, inspect
from sculptnet.data.split_names import split_called
from sculptnet.files import printable

Make = Callable[..., Path]
COMPOSED, APART = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def test_names_that_differ_in_composition_alone_are_one_class(make_folder: Make) -> None:
    data = folder(make_folder({"train/a": 2, f"train/{COMPOSED}": 2, "test/a": 1, f"test/{APART}": 1}))
    assert data.classes == ("a", COMPOSED)
    assert data.test.labels.tolist() == [0, 1]


def test_two_such_folders_in_one_split_are_one_class_and_told(make_folder: Make) -> None:
    data = folder(make_folder({"a": 2, COMPOSED: 2, APART: 2}))
    assert data.classes == ("a", COMPOSED)
    assert data.notes[0].startswith(f"class {COMPOSED!r}: 2 folders whose names differ in the composition")


def test_a_copy_made_by_a_mac_is_the_same_data(make_folder: Make) -> None:
    path = make_folder({"a": 3, COMPOSED: 3})
    before = folder(path).fingerprint
    (path / COMPOSED).rename(path / APART)
    assert folder(path).fingerprint == before


def test_splits_are_known_by_composed_names() -> None:
    wide = "\uff54\uff45\uff53\uff54"  # other letters, not another composition
    assert split_called(wide) is None


def test_names_that_are_no_text_are_read_and_written_with_their_bytes(make_folder: Make) -> None:
    path = make_folder({"a": 3, "b": 3})
    odd = os.fsdecode(b"caf\xe9")
    shutil.copytree(path / "b", path / odd)
    for name in ("a", odd):
        (path / name / "000.png").rename(path / name / os.fsdecode(b"\xff.png"))
    (path / "a" / os.fsdecode(b"\xfe.png")).touch()
    (path / os.fsdecode(b"\xfd.txt")).touch()
    data = folder(path, skip_broken=True)
    assert data.classes == ("a", "b", r"caf\xe9")
    assert data.broken == (r"a/\xfe.png: not an image: the file is empty",)
    assert data.notes[0] == r"not used: 1 file beside the class folders: \xfd.txt"
    assert len(data.fingerprint) == 64
    for text in (*data.notes, *data.broken, *inspect(data).warnings, *inspect(data).examples, data.name):
        assert text.encode() == printable(text).encode()
