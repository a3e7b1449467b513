"""From names to parts: what a command names is one of ours, or `package.module:name` of the user's own."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Mapping
from typing import TypeVar

from sculptnet.errors import InvalidValue, suggestion, told

P = TypeVar("P")


def is_part(name: str) -> bool:
    """Whether a name that may be a path is `package.module:name`: it can be one, and no file or folder is called so."""
    return _can_be_part(name) and not os.path.lexists(name)


def _can_be_part(name: str) -> bool:
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(word.isidentifier() for word in module.split("."))


def find(name: str, known: Mapping[str, P], what: str) -> P:
    """The entry of `known` with that name, or what `package.module:name` points to.

    Raises:
        InvalidValue: there is none; near misses are suggested.
    """
    if name in known:
        return known[name]
    module, _, attribute = name.partition(":")
    if not _can_be_part(name):
        raise InvalidValue(f"unknown {what} {name!r}; {suggestion(name, known)} (your own: package.module:name)")
    try:
        part: P = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        where = "; put its folder on Python's path: `PYTHONPATH=FOLDER sculptnet ...`" if error.name == module else ""
        raise InvalidValue(f"{what} {name!r} cannot be imported: {error}{where}") from error
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidValue(f"{what} {name!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:  # the module's own code, as it is run on import
        raise InvalidValue(
            f"{what} {name!r} cannot be imported: {told(error)}{_place(error)}; what a module does when "
            'it is run as a program belongs below `if __name__ == "__main__":`'
        ) from error
    return part


def _place(error: BaseException) -> str:
    """Where an error was raised, for people."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({last.filename}, line {last.lineno})"
