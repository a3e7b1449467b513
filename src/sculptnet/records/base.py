"""What an event is, ours and a user's own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias, TypeVar, final

from sculptnet.errors import InvalidValue
from sculptnet.records.codec import from_line

E = TypeVar("E", bound="Event")
KEY = "event"  # in JSON: which kind of event a line holds


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run, as a line of its log. A kind of your own is a frozen dataclass below this one.

    Attributes:
        kind: how its lines say what they are; a class variable.
        time: when it was logged, seconds since 1970; None before.
        trial: whose it is: the number of a trial, `final`, `baseline:NAME`; None where it is the run's.
    """

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1
    LEAN: ClassVar[bool] = True

    time: float | None = None
    trial: int | str | None = None


@final
@dataclass(frozen=True)
class OtherEvent(Event):
    """An event of a kind that is not SculptNet's, as it was read.

    Attributes:
        event: its kind.
        values: its fields, plain JSON.
    """

    FLAT: ClassVar[str] = "values"

    event: str
    values: Mapping[str, object]


Log: TypeAlias = Callable[[Event], None]


def no_log(event: Event) -> None:
    """Drops the event."""


def kind_of(event: Event) -> str:
    """The kind of an event."""
    return event.event if isinstance(event, OtherEvent) else event.kind


def of_kind(events: Iterable[Event], kind: type[E]) -> list[E]:
    """The events of one class, in order; those of a user's own class, too.

    Raises:
        InvalidValue: an event says that it is of this kind, and has other fields.
    """
    found: list[E] = []
    for event in events:
        if isinstance(event, kind):
            found.append(event)
        elif isinstance(event, OtherEvent) and event.event == kind.kind:
            found.append(from_line({**event.values, "time": event.time, "trial": event.trial}, kind))
    return found


def newest_of(events: Iterable[Event], kind: type[E], key: Callable[[E], Hashable]) -> list[E]:
    """The newest event of each `key` among those of one class, in the order in which the keys first came.

    A search that is gone on with runs again from its start and logs again what it had logged: events of something that
    has a number carry the number, and whoever shows them takes the newest of each.
    """
    return list({key(event): event for event in of_kind(events, kind)}.values())


def require_event(event: object) -> None:
    """Raises `InvalidValue` for what is no event."""
    if not isinstance(event, Event):
        raise InvalidValue(
            f"a run logs events, got {type(event).__name__}; log a frozen dataclass below sculptnet.records.Event"
        )


def require_kind(event: Event, ours: Mapping[str, type[Event]]) -> None:
    """Raises `InvalidValue` for an event that could not be told from others in a log."""
    name, kind = type(event).__name__, kind_of(event)
    if not kind:
        raise InvalidValue(f"{name} does not say its kind; give it one: kind: ClassVar[str] = 'my_event'")
    if kind in ours and type(event) is not ours[kind]:
        raise InvalidValue(f"{name} says that its kind is {kind!r}, which is {ours[kind].__name__}'s; choose another")
    taken = {field.name for field in fields(event)} & {KEY, "version"}
    if taken and not isinstance(event, OtherEvent):
        raise InvalidValue(f"{name} has a field {taken.pop()!r}, which means something else in logs; rename it")


def other_from_line(line: Mapping[str, Any]) -> OtherEvent:
    """An event of a kind that is not ours."""
    time, trial = line.get("time"), line.get("trial")
    known: dict[str, Any] = {}
    if isinstance(time, (int, float)) and not isinstance(time, bool):
        known["time"] = float(time)
    if isinstance(trial, (int, str)) and not isinstance(trial, bool):
        known["trial"] = trial
    values = {name: value for name, value in line.items() if name != KEY and name not in known}
    return OtherEvent(str(line[KEY]), values, **known)
