"""The glossary's words are those of the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (Path(__file__).parents[1] / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith("| ") and "`" in line
]


def found(path: str) -> object:
    module, _, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("word", "place"), [(word, place.strip("`")) for word, place, _ in ROWS])
def test_every_word_stands_where_the_glossary_says(word: str, place: str) -> None:
    assert found(place) is not None, word


def test_every_word_is_explained_once() -> None:
    words = [word for cell, _, _ in ROWS for word in re.split(r",\s*", cell)]
    assert len(words) == len({*words}) > 25
