"""All kinds of events, and lines of a log to events and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sculptnet.errors import InvalidValue
from sculptnet.records.base import KEY, Event, OtherEvent, kind_of, other_from_line, require_event, require_kind
from sculptnet.records.codec import from_line, to_line
from sculptnet.records.run_events import RUNNING
from sculptnet.records.search_events import SEARCHING
from sculptnet.records.training_events import TRAINING

EVENTS: tuple[type[Event], ...] = (*RUNNING, *SEARCHING, *TRAINING)
BY_KIND: Mapping[str, type[Event]] = {event.kind: event for event in EVENTS}


def event_to_line(event: Event) -> dict[str, Any]:
    """An event as plain JSON data.

    Raises:
        InvalidValue: it is none, says that it is of a kind that is another class's, or holds what JSON does not.
    """
    require_event(event)
    require_kind(event, BY_KIND)
    line = {KEY: kind_of(event), **to_line(event)}
    try:
        json.dumps(line)
    except (TypeError, ValueError) as error:
        raise InvalidValue(
            f"the event {kind_of(event)!r} cannot be written as JSON ({error}); give numbers, texts and tuples of them"
        ) from error
    return line


def event_from_line(line: Mapping[str, Any]) -> Event:
    """The event that a line of a log holds; an `OtherEvent` where its kind is not SculptNet's.

    Raises:
        InvalidValue: it holds none, or with everything that is missing, unknown or of another type.
    """
    kind = line.get(KEY)
    if not isinstance(kind, str):
        raise InvalidValue(f"an event says its kind under {KEY!r}, got {kind!r}")
    if kind not in BY_KIND:
        return other_from_line(line)
    return from_line({name: value for name, value in line.items() if name != KEY}, BY_KIND[kind])


__all__ = ["BY_KIND", "EVENTS", "Event", "OtherEvent", "event_from_line", "event_to_line"]
