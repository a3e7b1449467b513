"""Names of files, folders and classes as people read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sculptnet.files import printable

SHOWN_NAMES = 5


def normal(name: str) -> str:
    """`name` composed (Unicode NFC), so that the same word has the same characters wherever it was written.

    File systems of macOS keep an accent and its letter apart (NFD), most others as one character.
    """
    return unicodedata.normalize("NFC", name)


def is_text(name: str) -> bool:
    """Whether `name` is UTF-8 throughout."""
    return printable(name) == name


def examples(names: Sequence[str], at_most: int = SHOWN_NAMES) -> str:
    """The first of `names`, and how many more there are."""
    more = [f"and {len(names) - at_most} more"] if len(names) > at_most else []
    return ", ".join([*map(printable, names[:at_most]), *more])
