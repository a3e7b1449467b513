"""From names to parts: what a command names is one of ours, or `package.module:name` of the user's own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TypeVar

from sculptnet.errors import InvalidValue, suggestion

P = TypeVar("P")


def find(name: str, known: Mapping[str, P], what: str) -> P:
    """The entry of `known` with that name, or what `package.module:name` points to.

    Raises:
        InvalidValue: there is none; near misses are suggested.
    """
    if name in known:
        return known[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise InvalidValue(f"unknown {what} {name!r}; {suggestion(name, known)} (your own: package.module:name)")
    try:
        part: P = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        where = "; put its folder on Python's path: `PYTHONPATH=FOLDER sculptnet ...`" if error.name == module else ""
        raise InvalidValue(f"{what} {name!r} cannot be imported: {error}{where}") from error
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidValue(f"{what} {name!r} cannot be imported: {error}") from error
    return part
