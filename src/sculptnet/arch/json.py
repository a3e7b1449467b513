"""Values to JSON and back: architectures, recipes and templates of them.

A dataclass becomes an object with its class name under `kind`; open values become `{"choice": [...]}`,
`{"prefix": [...], "lengths": [...]}` and `{"same": path}`. Reading makes only the classes that the caller lists.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from sculptnet.arch.architecture import Architecture
from sculptnet.arch.choice import OneOf, Prefix, Same, join
from sculptnet.arch.recipe import RECIPE_PARTS, Recipe
from sculptnet.errors import InvalidValue, collected, suggestion

Json = Any
V = TypeVar("V")


def to_json(value: Any) -> Json:
    """`value` as plain JSON data (dictionaries, lists, numbers, strings)."""
    if isinstance(value, OneOf):
        return {"choice": [to_json(option) for option in value.options]} | ({"ordered": True} if value.ordered else {})
    if isinstance(value, Prefix):
        return {"prefix": [to_json(item) for item in value.items], "lengths": list(value.length.options)}
    if isinstance(value, Same):
        return {"same": value.path}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **content}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InvalidValue(f"{type(value).__name__} cannot be written as JSON: {value!r}")


def from_json(data: Json, blocks: Iterable[type]) -> Any:
    """The value that `to_json` wrote.

    Args:
        data: parsed JSON.
        blocks: the block classes that may be made; architectures and recipes always may.

    Raises:
        InvalidValue: with every problem and the path of each.
    """
    reader = _Reader({kind.__name__: kind for kind in (*blocks, Architecture, *RECIPE_PARTS)})
    value = reader.read(data, "", None)
    if reader.problems:
        raise InvalidValue(collected(reader.problems, "JSON"))
    return value


def architecture_from_json(data: Json, blocks: Iterable[type]) -> Architecture:
    """An architecture written by `to_json`; raises `InvalidValue` for anything else."""
    return _expect(from_json(data, blocks), Architecture)


def recipe_from_json(data: Json) -> Recipe:
    """A recipe written by `to_json`; raises `InvalidValue` for anything else."""
    return _expect(from_json(data, ()), Recipe)


def _expect(value: Any, kind: type[V]) -> V:
    if not isinstance(value, kind):
        raise InvalidValue(f"JSON: expected an object of kind {kind.__name__}, got {type(value).__name__}")
    return value


class _Reader:
    """Reads one document and gathers its problems."""

    def __init__(self, kinds: Mapping[str, type]) -> None:
        self.kinds, self.problems = kinds, list[str]()

    def read(self, data: Json, path: str, hint: Any) -> Any:
        if isinstance(data, list):
            return tuple(self.read(item, join(path, str(index)), None) for index, item in enumerate(data))
        if not isinstance(data, dict):
            return self._plain(data, path, hint)
        if "choice" in data:
            options = tuple(self.read(o, f"{path}[{i}]", hint) for i, o in enumerate(data["choice"]))
            return OneOf(options, bool(data.get("ordered", False)))
        if "prefix" in data:
            items = tuple(self.read(item, join(path, str(index)), None) for index, item in enumerate(data["prefix"]))
            return Prefix(items, OneOf(tuple(data["lengths"]), ordered=True))
        if "same" in data:
            return Same(str(data["same"]))
        return self._object(data, path)

    def _plain(self, data: Json, path: str, hint: Any) -> Any:
        if isinstance(hint, type) and issubclass(hint, Enum):
            try:
                return hint(data)
            except ValueError:
                self.problems.append(f"{path} is {data!r}; {suggestion(str(data), [str(m.value) for m in hint])}")
                return None
        allowed = _allowed(hint)
        if allowed and (type(data) not in allowed) and not (float in allowed and type(data) is int):
            names = " or ".join(kind.__name__ for kind in allowed)
            self.problems.append(f"{path} must be {names}, got {data!r}")
        return data

    def _object(self, data: Mapping[str, Json], path: str) -> Any:
        name = data.get("kind")
        kind = self.kinds.get(str(name))
        if kind is None:
            self.problems.append(f"{path or 'the document'} has the kind {name!r}; {suggestion(str(name), self.kinds)}")
            return None
        known = {field.name: field for field in fields(kind)}
        hints = typing.get_type_hints(kind)
        before = len(self.problems)
        for unknown in sorted(set(data) - set(known) - {"kind"}):
            self.problems.append(f"{join(path, unknown)} is no field of {name}; {suggestion(unknown, known)}")
        for missing, field in known.items():
            if missing not in data and field.default is MISSING and field.default_factory is MISSING:
                self.problems.append(f"{join(path, missing)} is missing")
        values = {key: self.read(data[key], join(path, key), hints.get(key)) for key in known if key in data}
        if len(self.problems) > before:
            return None
        try:
            return kind(**values)
        except (InvalidValue, TypeError, AttributeError) as error:
            self.problems.append(f"{path or 'the document'}: {error}")
            return None


def _allowed(hint: Any) -> tuple[type, ...]:
    """The plain JSON types that an annotation admits; empty if it says nothing about them."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return tuple(option for option in options if option in (int, float, bool, str, types.NoneType))
