"""What a class of options is: frozen fields that know how they are typed, read and checked."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

from sculptnet.errors import InvalidValue, collected
from sculptnet.files import at_home

T = TypeVar("T")


@dataclass(frozen=True)
class Typed:
    """How an option is typed on a command line.

    Attributes:
        help: what it means, with its unit.
        kind: what its text is read as: `str`, `int`, `float`, `bool`, `Path` or an enum; None keeps it out of there.
        metavar: what `--help` shows in the place of the value.
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


PLACES = (  # may begin with `~`
    *("data", "network", "run", "weights", "root", "run_dir", "runs", "table", "start", "from_run"),
    *("out", "bundle", "from_bundle"),
)


def _at_home(value: object) -> object:
    return Path(at_home(str(value))) if isinstance(value, Path) else at_home(value) if isinstance(value, str) else value


class Options:
    """What was asked of a verb; `~` in paths is the home folder, and paths and enums may be given as texts.

    Raises:
        InvalidValue: with every number that breaks its rule.
    """

    def __post_init__(self) -> None:
        problems = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            name, value, kind = field.name, getattr(self, field.name), typed_of(field).kind
            if name in PLACES:
                value = _at_home(value)
            if kind is Path and isinstance(value, str):
                value = Path(value)
            elif kind is float and isinstance(value, int):
                value = float(value)
            elif kind is not None and issubclass(kind, Enum) and value is not None and not isinstance(value, kind):
                words = {member.value: member for member in kind}
                if value in words:
                    value = words[value]
                else:
                    problems.append(f"{name} must be {' or '.join(words)}, got {value!r}")
            object.__setattr__(self, name, value)
        problems += self.problems()
        if problems:
            raise InvalidValue(collected(problems, "The request"))

    def problems(self) -> list[str]:
        """Sentences on what breaks a rule, as far as can be told from the options alone."""
        return []
