"""Names of files as people and systems write them: composition of letters, bytes that are no text."""

from __future__ import annotations

import unicodedata


def composed(name: str) -> str:
    """`name` in Unicode's form C: `é` is one letter, as most systems write it, not `e` and an accent, as macOS does."""
    return unicodedata.normalize("NFC", name)


def printable(text: str) -> str:
    r"""`text` with what is no text, such as bytes of a file name that are not UTF-8, written as `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_text(name: str) -> bool:
    """Whether `name` can be written as UTF-8."""
    return printable(name) == name
