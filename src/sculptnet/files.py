"""Files that appear whole or not at all: written beside their place, then renamed. And files that others wrote."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sculptnet.errors import InvalidValue, RunError, SculptNetError, told

P = TypeVar("P", str, Path)
AS_WRITTEN = "the file as it was written, or start anew with `fresh=True`"


def at_home(path: P) -> P:
    """`path` with a leading `~` or `~user` as that home folder: shells leave it alone within a word."""
    return type(path)(os.path.expanduser(path))


_NO_CHARACTER = re.compile("[\ud800-\udfff]")


def printable(name: str) -> str:
    r"""`name` with every byte that is no UTF-8 as `\xe9`: file names may hold any bytes, texts may not."""
    return _NO_CHARACTER.sub(_escaped, name)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return rf"\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else rf"\u{code:04x}"  # PEP 383, or a lone surrogate


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or not at all; what was there before stays if this fails.

    Text is UTF-8; bytes of file names that are none stand in it as `\\xff`.
    """
    encoded = printable(content).encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise RunError(f"{path} could not be written ({error.strerror}); nothing there was changed") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as JSON, whole or not at all."""
    write_atomic(path, json.dumps(value, indent=1) + "\n")


@contextmanager
def reading(path: str | Path, expected: str) -> Iterator[None]:
    """Guards the reading of what somebody else wrote: whatever trips over it becomes one error that names the file.

    Our own errors and a lack of memory pass through.

    Raises:
        InvalidValue: `path` cannot be read; the message says what is `expected` in its place.
    """
    try:
        yield
    except (SculptNetError, MemoryError):
        raise
    except Exception as error:  # damaged bytes bring up whatever lies in the libraries that parse them
        raise InvalidValue(f"{path} cannot be read ({told(error)}); give {expected}") from error


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        RunError: it is absent or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist; the step that makes it has not finished") from error
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(
            f"{path} cannot be read as JSON ({error}); restore it, or start anew with `fresh=True`"
        ) from error


def read_given(path: Path, expected: str) -> Any:
    """Reads a JSON file that somebody names, where `read_json` reads what a run has written.

    Raises:
        InvalidValue: it is absent or no JSON; the message says what is `expected` in its place.
    """
    if not path.exists():
        raise InvalidValue(f"{path} does not exist; name {expected}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidValue(f"{path} cannot be read as JSON ({error}); name {expected}") from error


def digest(value: Any) -> str:
    """A short hash of plain JSON data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
