"""The plan that a run keeps in `run.json`, whichever kind of run it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sculptnet.errors import InvalidValue, collected

P = TypeVar("P")


def plan_of(kind: type[P], data: Any) -> P:
    """The plan, a dataclass of counts and of objects of numbers, that its `asdict` gave.

    Raises:
        InvalidValue: with everything that is wrong with it.
    """
    try:
        plan = kind(**data)
    except TypeError as error:
        raise InvalidValue(f"run.json: the plan cannot be read ({error}); start anew with --fresh") from error
    values = {part.name: getattr(plan, part.name) for part in fields(plan)}  # type: ignore[arg-type]
    wrong = [name for name, value in values.items() if not _is_plain(value)]
    if wrong:
        problems = [f"{name} must be a count or an object of numbers, got {values[name]!r}" for name in wrong]
        raise InvalidValue(collected(problems, "run.json: the plan cannot be read; start anew with --fresh"))
    return plan


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(type(part) in (int, float) and math.isfinite(part) and part >= 0 for part in value.values())
    return type(value) is int and value >= 0
