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
from sculptnet.arch.choice import OneOf, Prefix, Same, children, choice, join, prefix
from sculptnet.arch.recipe import RECIPE_PARTS, Recipe
from sculptnet.errors import InvalidValue, collected, suggestion, told

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


def classes_in(node: Any) -> tuple[type, ...]:
    """The dataclasses that a value or template is made of, at any depth, by name: what reading it back must know."""
    found = {type(child) for _, child in children(node, "") if is_dataclass(child)}
    deeper = {kind for _, child in children(node, "") for kind in classes_in(child)}
    return tuple(sorted((found | deeper) - {OneOf, Prefix, Same}, key=lambda kind: kind.__name__))


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
    """Reads one document and gathers its problems. Annotations of fields (`hint`) say what may stand where."""

    def __init__(self, kinds: Mapping[str, type]) -> None:
        self.kinds, self.problems = kinds, list[str]()

    def read(self, data: Json, path: str, hint: Any) -> Any:
        if isinstance(data, list):
            self._expect(tuple, data, path, hint)
            return tuple(
                self.read(item, join(path, str(i)), _item_hint(hint, i, len(data))) for i, item in enumerate(data)
            )
        if not isinstance(data, dict):
            return self._plain(data, path, hint)
        for name, read in (("choice", self._choice), ("prefix", self._prefix)):
            if name in data:
                if isinstance(data[name], list) and data[name]:
                    return read(data, path, hint)
                self.problems.append(f"{path}: {name!r} needs a list that is not empty, got {data[name]!r}")
                return None
        return Same(str(data["same"])) if "same" in data else self._object(data, path, hint)

    def _choice(self, data: Mapping[str, Json], path: str, hint: Any) -> Any:
        value: Any = choice(*(self.read(option, f"{path}[{i}]", hint) for i, option in enumerate(data["choice"])))
        return OneOf(value.options, ordered=True) if isinstance(value, OneOf) and data.get("ordered") else value

    def _prefix(self, data: Mapping[str, Json], path: str, hint: Any) -> Any:
        items, lengths = self.read(data["prefix"], path, hint), data.get("lengths")
        if not isinstance(lengths, list) or any(type(length) is not int for length in lengths):
            self.problems.append(f"{join(path, 'lengths')} must be a list of whole numbers, got {lengths!r}")
            return None
        try:
            return prefix(items, *lengths)
        except InvalidValue as error:
            self.problems.append(f"{path}: {error}")
            return None

    def _plain(self, data: Json, path: str, hint: Any) -> Any:
        if isinstance(hint, type) and issubclass(hint, Enum):
            try:
                return hint(data)
            except ValueError:
                self.problems.append(f"{path} is {data!r}; {suggestion(str(data), [str(m.value) for m in hint])}")
                return None
        self._expect(type(data), data, path, hint)
        return data

    def _expect(self, kind: type, data: Json, path: str, hint: Any) -> None:
        allowed = _classes(hint)
        wanted = (int, float) if kind is int else (kind,)  # a whole number may stand for a float
        fits = bool in allowed if kind is bool else any(issubclass(one, allowed) for one in wanted)
        if allowed and not fits:
            names = " or ".join("None" if one is types.NoneType else one.__name__ for one in allowed)
            self.problems.append(f"{path or 'the document'} must be {names}, got {data!r}")

    def _object(self, data: Mapping[str, Json], path: str, hint: Any) -> Any:
        name = data.get("kind")
        kind = self.kinds.get(str(name))
        if kind is None:
            what = "no 'kind'" if name is None else f"the kind {name!r}"
            near = suggestion("" if name is None else str(name), self.kinds)
            self.problems.append(f"{path or 'the document'} has {what}; {near}")
            return None
        self._expect(kind, name, path, hint)
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
        except InvalidValue as error:
            self.problems.append(f"{path or 'the document'}: {error}")
        except Exception as error:  # rules compute with values that have not been checked yet
            self.problems.append(f"{path or 'the document'}: {told(error)}")
        return None


def _members(hint: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if is_union else (hint,)


def _classes(hint: Any) -> tuple[type, ...]:
    """The classes that an annotation admits; empty if it says nothing that can be checked."""
    classes = [typing.get_origin(member) or member for member in _members(hint)]
    checkable = all(isinstance(one, type) and one not in (Any, object) for one in classes)
    return tuple(classes) if checkable else ()


def _item_hint(hint: Any, index: int, length: int) -> Any:
    """The annotation of one item of a tuple that `hint` describes."""
    for member in _members(hint):
        arguments = typing.get_args(member) if typing.get_origin(member) is tuple else ()
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
        if len(arguments) == length:
            return arguments[index]
    return None
