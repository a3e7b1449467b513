"""Sentences' small parts, each written once: numbers of things, times, long lists, differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping


def several(count: int, what: str) -> str:
    """`1 epoch`, `2 epochs`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def times(count: int) -> str:
    """`once`, `twice`, `three times`, `12 times`."""
    words = ("never", "once", "twice", "three times", "four times", "five times", "six times")
    return words[count] if count < len(words) else f"{count} times"


def share_of(share: float) -> str:
    """A share in whole percent; what is not nothing and not all never reads like it."""
    if 0 < share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1 else f"{share:.0%}"


def minutes(seconds: float) -> str:
    """`2:05 h`, `3:10 min` or `12 s`."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min" if seconds >= 60 else f"{math.ceil(seconds)} s"


def first(items: Iterable[str], at_most: int) -> list[str]:
    """The first `at_most` items, and a last one that says how many more there are."""
    known = list(items)
    more = len(known) - at_most
    return known if more <= 0 else [*known[:at_most], f"and {more} more"]


def differences(there: Mapping[str, object], here: Mapping[str, object]) -> list[str]:
    """`NAME is X there and Y here` for every name whose values differ; a missing one is `absent`."""
    return [
        f"{name} is {_shown(there, name)} there and {_shown(here, name)} here"
        for name in dict.fromkeys([*there, *here])
        if name not in there or name not in here or there[name] != here[name]
    ]


def _shown(values: Mapping[str, object], name: str) -> str:
    return repr(values[name]) if name in values else "absent"
