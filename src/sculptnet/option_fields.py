"""What a class of options is: frozen fields that know how they are typed, read and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, dataclass
from enum import Enum
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self, TypeVar, dataclass_transform

from sculptnet import rules
from sculptnet.files import at_home

T = TypeVar("T")


@dataclass(frozen=True)
class Typed:
    """How an option is typed on a command line.

    Attributes:
        help: what it means, with its unit.
        kind: what its text is read as: `str`, `int`, `float`, `bool`, `Path` or an enum; None keeps it out of there.
        metavar: what help shows in the place of the value.
        repeated: it may be given several times.
        name: of the option, where it is not the field's.
    """

    help: str
    kind: type | None = str
    metavar: str | None = None
    repeated: bool = False
    name: str | None = None


def option(
    text: str,
    *,
    default: Any = MISSING,
    kw_only: bool = True,
    kind: type | None = str,
    metavar: str | None = None,
    repeated: bool = False,
    name: str | None = None,
) -> Any:
    """A field of a class of options; the arguments are those of `Typed`."""
    typed = Typed(text, kind, metavar, repeated, name)
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"typed": typed})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(option,))
def options(kind: type[T]) -> type[T]:
    """Makes a class of options a frozen dataclass."""
    return dataclass(frozen=True)(kind)


def typed_of(field: Field[Any]) -> Typed:
    """How a field is typed."""
    typed: Typed = field.metadata["typed"]
    return typed


def option_name(field: Field[Any]) -> str:
    """The name of an option on a command line, where words are parted as in the field's."""
    return typed_of(field).name or field.name


def is_argument(field: Field[Any]) -> bool:
    """Whether a command line has it by its place: what has no default."""
    return field.default is MISSING


PLACES = (  # may begin with `~`
    *("data", "network", "run", "weights", "root", "run_dir", "runs", "table", "start", "from_run", "teacher"),
    *("out", "bundle", "from_bundle"),
)


def _at_home(value: object) -> object:
    return Path(at_home(str(value))) if isinstance(value, Path) else at_home(value) if isinstance(value, str) else value


class Options:
    """What was asked of a verb; `~` in paths is the home folder, and paths and enums may be given as texts.

    Any values can be asked for: what breaks a rule is told with everything else that is wrong, before work begins.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            name, value, kind = field.name, getattr(self, field.name), typed_of(field).kind
            if name in PLACES:
                value = _at_home(value)
            object.__setattr__(self, name, value if kind is None else _as_kind(value, kind))

    def problems(self) -> list[str]:
        """Sentences on what breaks a rule, as far as can be told from the options alone: here, what is of no kind."""
        return [sentence for field in dataclasses.fields(self) for sentence in _kind_problems(self, field)]  # type: ignore[arg-type]

    def sound(self) -> Self:
        """The same with defaults, or 1, in the place of what breaks a rule: so that all else can be looked at, too."""
        sound = self
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            for value in () if is_argument(field) else _harmless(field):
                changed = dataclasses.replace(sound, **{field.name: value})  # type: ignore[type-var]
                if len(changed.problems()) < len(sound.problems()):
                    sound = changed
        return sound


def at_least(asked: Options, low: float, *names: str) -> list[str]:
    """`rules.at_least` of options; what is no number is told by its kind."""
    return [_quoted(name, one) for name in _numbers(asked, names) for one in rules.at_least(asked, low, name)]


def above(asked: Options, low: float, *names: str) -> list[str]:
    """`rules.above` of options; what is no number is told by its kind."""
    return [_quoted(name, one) for name in _numbers(asked, names) for one in rules.above(asked, low, name)]


def inside(asked: Options, low: float, high: float, *names: str) -> list[str]:
    """`rules.between` of options, without both ends; what is no number is told by its kind."""
    found = [
        _quoted(name, one)
        for name in _numbers(asked, names)
        for one in rules.between(asked, low, high, name, without_low=True, without_high=True)
    ]
    return found


def _numbers(asked: Options, names: Iterable[str]) -> list[str]:
    return [name for name in names if isinstance(getattr(asked, name), Real)]


def _quoted(name: str, sentence: str) -> str:
    return f"`{name}`{sentence.removeprefix(name)}"


def _as_kind(value: Any, kind: type) -> Any:
    """A value as options keep it; what is of another kind stays as it is."""
    if issubclass(kind, Enum) and isinstance(value, str):
        return {str(member.value): member for member in kind}.get(value, value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, bool):
        return value
    if kind is int and isinstance(value, Integral):
        return int(value)  # numpy's, too
    return float(value) if kind is float and isinstance(value, Real) else value


def _kind_problems(asked: Options, field: Field[Any]) -> list[str]:
    """What is wrong with the kind of a field's value; what may be a value or a name is looked at where it is used."""
    value, typed = getattr(asked, field.name), typed_of(field)
    kind = typed.kind
    if kind in (None, str) or (value is None and field.default is None):
        return []
    values = value if typed.repeated and isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    return [
        f"`{field.name}` must be {_kind_in_words(kind)}, got {one!r}"
        for one in values
        if not isinstance(_as_kind(one, kind), kind) or (isinstance(one, bool) and kind is not bool)
    ]


def _kind_in_words(kind: type) -> str:
    if issubclass(kind, Enum):
        return " or ".join(str(member.value) for member in kind)
    return {int: "a whole number", float: "a number", bool: "True or False", Path: "a path"}[kind]


def _harmless(field: Field[Any]) -> tuple[Any, ...]:
    """Values of a field that break few rules: the default, but a number where there is none."""
    kind = typed_of(field).kind
    if kind in (int, float) and field.default in (None, ()):
        return kind(1), field.default
    return (field.default,)
