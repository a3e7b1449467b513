"""Rules that the numbers in a value have to keep, each with its sentence: the name, the rule, what was given."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from sculptnet.errors import InvalidValue, SculptNetError, collected

REQUEST = "The request"  # what problems with options are problems of


def at_least(owner: object, low: float, *names: str) -> list[str]:
    """A sentence for every field of `owner` in `names` that is below `low`; None is a number that is left open."""
    return [f"{name} must be at least {low:g}, got {value}" for name, value in _known(owner, names) if not value >= low]


def above(owner: object, low: float, *names: str) -> list[str]:
    """A sentence for every field of `owner` in `names` that is not above `low`, or not finite."""
    return [
        f"{name} must be above {low:g}, got {value}"
        for name, value in _known(owner, names)
        if not low < value < math.inf
    ]


def between(
    owner: object, low: float, high: float, *names: str, without_low: bool = False, without_high: bool = False
) -> list[str]:
    """A sentence for every field of `owner` in `names` outside `low`..`high`; ends may be outside, too."""
    lower, upper = "above" if without_low else "at least", "below" if without_high else "at most"
    return [
        f"{name} must be {lower} {low:g} and {upper} {high:g}, got {value}"
        for name, value in _known(owner, names)
        if not low <= value <= high or (without_low and value == low) or (without_high and value == high)
    ]


def _known(owner: object, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    for name in names:
        value: float | None = getattr(owner, name)
        if value is not None:
            yield name, value


def raised(*checks: Callable[[], object]) -> list[str]:
    """What `checks` raise of our errors: a sentence for each thing that is wrong."""
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except SculptNetError as error:
            problems += error.problems if isinstance(error, InvalidValue) else (str(error),)
    return problems


def require_all(problems: Sequence[str], subject: str, *checks: Callable[[], object]) -> None:
    """Raises `InvalidValue` with all `problems` of `subject` and all that `checks` raise.

    An error of another class that comes alone is raised as it is.
    """
    caught: list[SculptNetError] = []
    for check in checks:
        try:
            check()
        except SculptNetError as error:
            caught.append(error)
    if len(caught) == 1 and not problems and not isinstance(caught[0], InvalidValue):
        raise caught[0]
    found = [one for error in caught for one in (error.problems if isinstance(error, InvalidValue) else [str(error)])]
    require(list(dict.fromkeys([*problems, *found])), subject)


def require(problems: Sequence[str], subject: str) -> None:
    """Raises `InvalidValue` with all `problems` of `subject`, if there are any."""
    if problems:
        raise InvalidValue(collected(problems, subject), [f"{subject}: {one}" for one in problems])
