"""What was asked, as plain JSON: kept with a run, so that its folder alone continues it and its page can show it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from sculptnet import settings
from sculptnet.arch import from_json, to_json
from sculptnet.arch.recipe import RECIPE_PARTS
from sculptnet.errors import RunError
from sculptnet.learn.detection import DETECTOR_RECIPE_PARTS
from sculptnet.method import Method, NamedMethod
from sculptnet.option_fields import PLACES, Options, option_name, typed_of
from sculptnet.option_groups import FreeGroup
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.spaces.named import NamedSpace, SpaceSettings

V = TypeVar("V", bound=Options)
VALUE = "value"  # marks what a program gave as a value that no file can bring back
APART = ("run_dir", "fresh", "listener", "given")  # no part of what was asked
FREE = tuple(field.name for field in fields(FreeGroup))


def to_command(options: Options) -> dict[str, Any]:
    """The options that differ from their defaults, paths in full."""
    found: dict[str, Any] = {}
    for field in fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        if field.name not in APART and value is not None and (field.default is MISSING or value != field.default):
            found[field.name] = _place(value) if field.name in PLACES else plain_of(value)
    return found


def plain_of(value: object) -> Any:
    """A value of an option as plain JSON; what no file can bring back is marked."""
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return write(value)
    if isinstance(value, type) and issubclass(value, Method):
        return {"method": value.address(), "settings": {}}
    name = getattr(value, "name", getattr(value, "__name__", ""))
    return {VALUE: f"{type(value).__name__} {name}".strip()}


def _place(value: object) -> Any:
    """A path or a name: in full where it is a path that exists."""
    if isinstance(value, (str, Path)) and Path(value).exists():
        return str(Path(value).resolve())
    return plain_of(value)


def _is_lost(plain: object) -> bool:
    """Whether something in it was given as a value that no file can bring back."""
    if isinstance(plain, Mapping):
        lost = VALUE in plain or _of_this_process(str(plain.get("method", "")))
        return lost or any(map(_is_lost, plain.values()))
    return isinstance(plain, list) and any(map(_is_lost, plain))


def _of_this_process(address: str) -> bool:
    """Whether a class is of a program, a notebook or a function that is not at work here."""
    module, _, name = address.partition(":")
    return "<locals>" in name or (module == "__main__" and not hasattr(sys.modules[module], name))


def _changed(value: object, usual: object = None) -> dict[str, str]:
    """The fields of a value that differ from those of `usual`, or else from their defaults, as texts.

    Those of values in it have dotted names; where another class stands in a field, its name comes first.
    """
    found: dict[str, str] = {}
    for field in fields(value):  # type: ignore[arg-type]
        own = getattr(value, field.name)
        known = _default(field) if usual is None else getattr(usual, field.name)
        if own == known:
            continue
        inner, same = is_dataclass(own) and not isinstance(own, (type, Method)), type(own) is type(known)
        if not inner or not same:
            found[field.name] = settings.text_of(own)
        if inner:
            changed = _changed(own, known if same else None)
            found |= {f"{field.name}.{name}": text for name, text in changed.items()}
    return found


def unwritable(method: Method[Any]) -> list[str]:
    """The settings of a method that a run cannot keep: it keeps texts, and reads the method back from them."""
    kind = type(method)
    known = fields(method)  # type: ignore[arg-type]  # a frozen dataclass
    open_ones = [field.name for field in known if _default(field) is MISSING and field.init]
    if open_ones:
        return [f"method {kind.name}: {', '.join(open_ones)} must have defaults, so that a run can be gone on with"]
    return [
        f"`search.{name}`: a run keeps settings as texts (numbers, words, tuples of those, names of classes), and "
        f"{attrgetter(name)(method)!r} cannot be read back from one; leave it out"
        for name, text in _changed(method).items()
        if not _comes_back(text, attrgetter(name)(method), settings.annotation_of(method, name))
    ]


def _comes_back(text: str, value: object, annotation: Any) -> bool:
    """Whether `text` is read as `value`; of a dataclass it is the class, and its fields have texts of their own."""
    try:
        read = settings.parse(text, annotation)
        return type(read) is type(value) if is_dataclass(value) else bool(read == value)
    except ValueError:  # ours, and of arrays
        return False


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def lost_values(command: Mapping[str, Any]) -> list[str]:
    """The options that a program gave as values that no file can bring back, but those that can be added later."""
    return [name for name, value in command.items() if _is_lost(value) and name not in FREE]


def from_command(kind: type[V], command: Mapping[str, Any], changes: Mapping[str, Any], call: str = "resume") -> V:
    """The options that `to_command` made plain.

    Args:
        kind: of the verb.
        command: plain.
        changes: what is given now; those options do not come from `command`.
        call: what takes values again that no file can bring back.

    Raises:
        RunError: something was given as a value that no file can bring back.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = [name for name in command if name not in known]
    if unknown:
        raise RunError(f"the run was asked for {', '.join(unknown)}, which this version does not know; begin another")
    lost = [
        f"{name} ({value[VALUE]})" if isinstance(value, Mapping) and VALUE in value else name
        for name, value in command.items()
        if name in lost_values(command) and name not in changes
    ]
    if lost:
        given = ", ".join(f"{name.partition(' ')[0]}=..." for name in lost)
        raise RunError(
            f"the run was begun by a program that gave {', '.join(lost)} as values, which no file brings back; give "
            f"them again, in Python: `{call}(RUN, {given})`"
        )
    read = {name: value_of(typed_of(known[name]).kind, value) for name, value in command.items() if name not in changes}
    return kind(**{name: value for name, value in read.items() if not isinstance(value, _Lost)}, **changes)


class _Lost:
    """Stands for a value that is left at its default."""


def value_of(kind: type | None, plain: Any) -> Any:
    """The value that `plain_of` made plain, of an option that is typed as `kind`."""
    if isinstance(plain, Mapping):
        if VALUE in plain:
            return _Lost()
        if "method" in plain:
            return NamedMethod(plain["method"], plain["settings"])
        if "space" in plain and "settings" in plain:
            named = plain["space"] is not None
            return NamedSpace(plain["space"], plain["settings"]) if named else SpaceSettings(plain["settings"])
        if "kind" in plain:
            return from_json(plain, DETECTOR_RECIPE_PARTS)
        return {name: value_of(str, one) for name, one in plain.items()}
    if isinstance(plain, list):
        return tuple(value_of(kind, one) for one in plain)
    if kind is not None and issubclass(kind, (Path, Enum)):
        return kind(plain)
    return plain


_WRITERS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((Path,), lambda value: str(value.resolve())),
    ((str,), lambda value: value),
    ((Enum,), lambda value: value.value),
    ((bool, int, float), lambda value: value),
    ((Method,), lambda value: {"method": value.address(), "settings": _changed(value)}),
    ((NamedMethod,), lambda value: {"method": value.name, "settings": dict(value.settings)}),
    ((NamedSpace,), lambda value: {"space": value.name, "settings": dict(value.settings)}),
    ((SpaceSettings,), lambda value: {"space": None, "settings": dict(value.settings)}),
    ((LocalWorkers,), lambda value: value.number),
    ((*RECIPE_PARTS, *DETECTOR_RECIPE_PARTS), to_json),
    ((Mapping,), lambda value: {name: plain_of(one) for name, one in value.items()}),
    ((Sequence,), lambda value: [plain_of(one) for one in value]),
)


# ---------------------------------------------------------------------- as one would type it
def command_line(verb: str, kind: type[Options], command: Mapping[str, Any]) -> str:
    """The command that makes such a run, as one would type it."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    words = ["sculptnet", verb]
    words += [_shown(command[name]) for name in ("network", "data") if name in command]
    others = {name: value for name, value in command.items() if name not in ("network", "data", "runs")}
    for name, value in others.items():
        words += _words(f"--{option_name(known[name]).replace('_', '-')}", name, value)
    for name, value in others.items():
        words += _settings(name, value)
    return shlex.join(words)


def _shown(value: Any) -> str:
    return str(value[VALUE]) if isinstance(value, Mapping) and VALUE in value else str(value)


def _words(option: str, name: str, value: Any) -> Iterator[str]:
    if value is True:
        yield option
    elif isinstance(value, list):
        for one in value:
            yield from (option, _shown(one))
    elif not isinstance(value, Mapping) or VALUE in value:
        yield from (option, f"{value:g}" if isinstance(value, float) else _shown(value))
    elif value.get(name) is not None:
        yield from (option, str(value[name]))


def _settings(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or VALUE in value:
        return
    group = {"method": "search"}.get(name, name)
    texts = value["settings"] if name in value else value
    if "kind" in value:  # a whole recipe
        whole = settings.leaves(from_json(value, DETECTOR_RECIPE_PARTS))
        texts = {setting: settings.text_of(one) for setting, one in whole}
    for setting, text in texts.items():
        yield from ("--set", f"{group}.{setting}={text}")
