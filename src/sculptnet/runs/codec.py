"""Typed records to JSON and back: every record says its kind and version, and is read with all its problems at once.

The work is cattrs'; numbers are taken as they are, never parsed from text, and keys that nobody knows are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sculptnet.errors import InvalidValue, RunError, collected
from sculptnet.files import read_json, write_json

if TYPE_CHECKING:
    from cattrs import Converter

R = TypeVar("R")
KIND, VERSION_KEY = "record", "version"
VERSION = 1


@cache
def converter() -> Converter:
    """The one converter of all records."""
    from cattrs import Converter

    made = Converter(forbid_extra_keys=True)
    made.register_structure_hook(float, lambda value, _: float(_strict(value, (int, float), "a number")))
    made.register_structure_hook(int, lambda value, _: _strict(value, (int,), "a whole number"))
    made.register_structure_hook(str, lambda value, _: _strict(value, (str,), "text"))
    made.register_structure_hook(bool, _bool)
    made.register_structure_hook(Path, lambda value, _: Path(_strict(value, (str,), "a path")))
    made.register_unstructure_hook(Path, str)
    return made


def _strict(value: Any, kinds: tuple[type, ...], what: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"must be {what}, got {value!r}")
    return value


def _bool(value: Any, _: type) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")
    return value


def to_plain(value: object) -> dict[str, Any]:
    """A record as plain JSON data, with its kind and version first."""
    content: dict[str, Any] = converter().unstructure(value)
    return {KIND: type(value).__name__, VERSION_KEY: VERSION, **content}


def from_plain(data: object, kind: type[R]) -> R:
    """The record of class `kind` that `to_plain` made.

    Raises:
        InvalidValue: it is of another kind or version, or with everything that is missing, unknown or of another type.
    """
    from cattrs import transform_error

    if not isinstance(data, Mapping) or data.get(KIND) != kind.__name__:
        found = data.get(KIND) if isinstance(data, Mapping) else type(data).__name__
        raise InvalidValue(f"expected a record of kind {kind.__name__}, found {found!r}")
    if data.get(VERSION_KEY) != VERSION:
        raise InvalidValue(
            f"{kind.__name__} is of version {data.get(VERSION_KEY)!r}, and this SculptNet reads version {VERSION}; "
            "another version of SculptNet wrote it"
        )
    content = {name: value for name, value in data.items() if name not in (KIND, VERSION_KEY)}
    try:
        return converter().structure(content, kind)
    except Exception as error:  # cattrs groups errors of many kinds, those of the records' own rules among them
        raise InvalidValue(collected(transform_error(error, path=kind.__name__), kind.__name__)) from error


def write_record(path: Path, value: object) -> None:
    """Writes a record; raises `RunError` where that fails, and then the old one stays."""
    write_json(path, to_plain(value))


def read_record(path: Path, kind: type[R]) -> R:
    """The record in a file.

    Raises:
        RunError: it is damaged, or of another kind or version.
    """
    try:
        return from_plain(read_json(path), kind)
    except InvalidValue as error:
        raise RunError(f"{path} cannot be read: {error}; start anew with fresh=True (--fresh)") from error
