"""The signature is the schema: settings are keyword-only arguments, parsed by their annotations.

`search.tau=5`, `recipe.optimizer.learning_rate=0.05` and `space.width=0.5` become a field of the method, a field of
the recipe and an argument of the space. Nothing is declared twice.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from sculptnet.errors import InvalidValue, collected, suggestion

V = TypeVar("V")
PLAIN = (bool, int, float, str)


@dataclass(frozen=True)
class Setting:
    """One thing that can be changed by its name."""

    name: str
    annotation: Any
    default: Any

    def describe(self) -> str:
        """The annotation as people write it; of an enum, the words that may be typed."""
        union = isinstance(self.annotation, types.UnionType)
        return " | ".join(map(_written, typing.get_args(self.annotation) if union else (self.annotation,)))


def _written(kind: Any) -> str:
    if kind is types.NoneType:
        return "None"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(repr(member.value) for member in kind)
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)


def split(given: Sequence[str], groups: Sequence[str]) -> dict[str, dict[str, str]]:
    """`["search.tau=5", ...]` by group: `{"search": {"tau": "5"}, ...}`, with every group present.

    Raises:
        InvalidValue: with every entry that is no `GROUP.NAME=VALUE`.
    """
    result: dict[str, dict[str, str]] = {group: {} for group in groups}
    problems = []
    for entry in given:
        name, equals, value = entry.partition("=")
        group, dot, rest = name.strip().partition(".")
        if not equals or not dot or not rest:
            problems.append(f"setting {entry!r} must read GROUP.NAME=VALUE, where GROUP is {' or '.join(groups)}")
        elif group not in result:
            problems.append(f"setting {entry!r} names the group {group!r}; {suggestion(group, groups)}")
        else:
            result[group][rest] = value.strip()
    _require(problems)
    return result


def _require(problems: Sequence[str]) -> None:
    """Raises `InvalidValue` with all problems, if there are any; each sentence begins with the name of a setting."""
    if problems:
        raise InvalidValue(problems[0] if len(problems) == 1 else collected(problems, "settings"), problems)


def settings_of(function: Callable[..., Any]) -> dict[str, Setting]:
    """The keyword-only arguments of `function` that can be written on a command line, with their defaults.

    Of an argument that is a dataclass they are its fields, by dotted names: `learning.epochs`.
    """
    hints = typing.get_type_hints(function)
    found: dict[str, Setting] = {}
    for parameter in inspect.signature(function).parameters.values():
        name, default = parameter.name, parameter.default
        if parameter.kind is not parameter.KEYWORD_ONLY or default is parameter.empty:
            continue
        if _writable(hints[name]):
            found[name] = Setting(name, hints[name], default)
        elif isinstance(hints[name], type) and is_dataclass(default):
            inner = typing.get_type_hints(type(default))
            paths = {f"{name}.{field.name}": field.name for field in fields(default) if _writable(inner[field.name])}
            found |= {path: Setting(path, inner[own], getattr(default, own)) for path, own in paths.items()}
    return found


def bind(function: Callable[..., Any], given: Mapping[str, str], group: str) -> dict[str, Any]:
    """The keyword arguments that `given` asks for.

    Raises:
        InvalidValue: with every unknown name (near misses suggested) and every value that does not parse.
    """
    known = settings_of(function)
    problems, values = list[str](), dict[str, Any]()
    for name, text in given.items():
        if name not in known:
            problems.append(f"`{group}.{name}` is unknown; {suggestion(name, known)}")
            continue
        argument, dot, field = name.partition(".")
        try:
            if dot:
                now = values.get(argument, inspect.signature(function).parameters[argument].default)
                values[argument] = _one(now, field, text)
            else:
                values[name] = parse(text, known[name].annotation)
        except InvalidValue as error:
            problems.append(f"`{group}.{name}`: {error}")
    _require(problems)
    return values


def _one(value: V, name: str, text: str) -> V:
    return replace(value, **{name: parse(text, _known_field(value, name))})  # type: ignore[type-var]


def apply(value: V, given: Mapping[str, object], group: str) -> V:
    """`value`, a frozen dataclass, with the fields changed that `given` names by dotted paths, as values or as texts.

    A field that holds one of several classes takes a class name: `recipe.optimizer=AdamW`.

    Raises:
        InvalidValue: with every problem.
    """
    problems: list[str] = []
    made = _with(value, {tuple(path.split(".")): text for path, text in given.items()}, group, problems)
    _require(problems)
    return made


def _with(value: V, given: Mapping[tuple[str, ...], object], where: str, problems: list[str]) -> V:
    """`value` with all changes at once, since its rules may hold of none of them alone; a class name comes first."""
    changes: dict[str, Any] = {}
    for name in dict.fromkeys(path[0] for path in given):
        below = {path[1:]: text for path, text in given.items() if path[0] == name and len(path) > 1}
        try:
            known, changes[name] = _known_field(value, name), getattr(value, name)
            if (name,) in given:
                text = given[(name,)]
                changes[name] = parse(text, known) if isinstance(text, str) else text
        except InvalidValue as error:
            problems.append(f"`{where}.{name}`: {error}")
        if below and name in changes:
            try:
                _require_fields(changes[name], known, name)
                changes[name] = _with(changes[name], below, f"{where}.{name}", problems)
            except InvalidValue as error:
                problems.append(f"`{where}.{name}.{'.'.join(next(iter(below)))}`: {error}")
    try:
        return replace(value, **changes)  # type: ignore[type-var]
    except InvalidValue as error:
        only = f".{next(iter(changes))}" if len(changes) == 1 else ""
        problems.append(f"`{where}{only}`: {error}")
        return value


def annotation_of(value: object, path: str) -> Any:
    """The annotation of a field of `value` by its dotted name; raises `InvalidValue` where there is none."""
    *above, name = path.split(".")
    for one in above:
        value = getattr(value, one)
    return _known_field(value, name)


def _known_field(value: object, name: str) -> Any:
    """The annotation of a field; raises `InvalidValue` where there is none."""
    known = [field.name for field in fields(value)]  # type: ignore[arg-type]
    if name not in known:
        raise InvalidValue(f"{type(value).__name__} has no field {name!r}; {suggestion(name, known)}")
    return typing.get_type_hints(type(value))[name]


def _require_fields(inner: object, annotation: Any, name: str) -> None:
    """Raises `InvalidValue` where `inner` has no fields that could be set."""
    kinds = [kind for kind in typing.get_args(annotation) or (annotation,) if isinstance(kind, type)]
    if any(map(is_dataclass, kinds)) and not isinstance(inner, tuple(kinds)):
        raise InvalidValue(f"{name} is open; decide it too, such as {name}={kinds[0].__name__}")
    if not is_dataclass(inner):
        raise InvalidValue(f"{name} is {inner!r} and has no fields")


def decided(value: V, given: object, group: str) -> V:
    """A whole value that is `given` in its place, or `value` with what a mapping of dotted names decides.

    Raises:
        InvalidValue: with every problem; or it is neither a mapping nor another such value.
    """
    if given is None:
        return value
    if isinstance(given, Mapping):
        return apply(value, given, group)
    if not isinstance(given, type(value)):
        kind, wanted = type(given).__name__, type(value).__name__
        raise InvalidValue(f"`{group}` is a {kind}, and here it must be a {wanted} or a mapping of its fields' names")
    return given


def text_of(value: object) -> str:
    """A value as `parse` reads it."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        between = ";" if value and isinstance(value[0], tuple) else ","
        return between.join(map(text_of, value))
    if is_dataclass(value):
        return type(value).__name__
    return str(value)


def parse(text: str, annotation: Any) -> Any:
    """`text` as a value of `annotation`: plain types, enums, optional ones, tuples `3,5` or `3,5;7,9`, classes by name.

    Raises:
        InvalidValue: it is none.
    """
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if types.NoneType in options and text.lower() == "none":
        return None
    classes = {
        option.__name__.lower(): option for option in options if isinstance(option, type) and is_dataclass(option)
    }
    if classes:
        if text.lower() in classes:
            return classes[text.lower()]()
        raise InvalidValue(f"got {text!r}; {suggestion(text, [option.__name__ for option in options])}")
    problems = []
    for option in options:
        if option is not types.NoneType:
            try:
                return _plain(text, option)
            except InvalidValue as error:
                problems.append(str(error))
    raise InvalidValue(" or ".join(dict.fromkeys(problems)) or f"got {text!r}, but nothing can be set here")


def _plain(text: str, annotation: Any) -> Any:
    if typing.get_origin(annotation) is tuple:
        kind = typing.get_args(annotation)[0]
        between = ";" if typing.get_origin(kind) is tuple else ","
        return tuple(_plain(part.strip(), kind) for part in text.split(between) if part.strip())
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = {str(member.value): member for member in annotation}
        if text not in values:
            raise InvalidValue(f"got {text!r}; {suggestion(text, values)}")
        return values[text]
    if annotation is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise InvalidValue(f"must be true or false, got {text!r}")
        return words[text.lower()]
    if annotation in (int, float, str):
        try:
            return annotation(text)
        except ValueError:
            kind = {int: "a whole number", float: "a number"}[annotation]
            raise InvalidValue(f"must be {kind}, got {text!r}") from None
    raise InvalidValue(f"values of {annotation} cannot be written on a command line")


def _writable(annotation: Any) -> bool:
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return any(
        option in PLAIN
        or (isinstance(option, type) and issubclass(option, Enum))
        or (typing.get_origin(option) is tuple and _writable(typing.get_args(option)[0]))
        for option in options
    )


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """The plain fields of a dataclass and of the dataclasses in it, by dotted path; what `apply` can change."""
    found: list[tuple[str, Any]] = []
    for field in fields(value):
        inner, name = getattr(value, field.name), f"{path}{field.name}"
        found += [(name, inner)] if not is_dataclass(inner) else [(name, type(inner).__name__)]
        found += leaves(inner, f"{name}.") if is_dataclass(inner) else []
    return found
