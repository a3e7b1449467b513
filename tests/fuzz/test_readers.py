"""Damaged files: whatever stands in them, readers raise our errors or none, and leave nothing behind."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.damage import damaged
from tests.fuzz.readers import READERS, Reader

from sculptnet.errors import SculptNetError

FEW, MANY = 3, 400  # inputs of each of more than 25 readers


def files_in(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read(reader: Reader, content: bytes) -> None:
    """Reads a file of that content; nothing but our errors may come, and no file may be changed or added."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow and torch, on what they make of damage
        folder = Path(name)
        for file, whole in {**reader.beside(), reader.file: content}.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(whole)
        before = files_in(folder)
        with suppress(SculptNetError):
            reader.read(folder / reader.file)
        assert reader.mends or files_in(folder) == before


def fuzzed(reader: Reader, inputs: int) -> None:
    whole = reader.whole()

    @settings(max_examples=inputs, derandomize=True, database=None)
    @given(content=st.one_of(damaged(whole), damaged(whole), st.binary(max_size=64)))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    for file, content in {**reader.beside(), reader.file: reader.whole()}.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    reader.read(tmp_path / reader.file)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_our_errors(name: str) -> None:
    fuzzed(READERS[name], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_damaged_files_are_our_errors(name: str) -> None:
    fuzzed(READERS[name], MANY)


def test_there_are_ten_thousand() -> None:
    assert len(READERS) * MANY >= 10_000
