"""Every error that SculptNet raises on purpose.

    SculptNetError                 catch this to catch all of ours
    ├── InvalidValue (ValueError)  an argument, a file or a template breaks a rule
    │   ├── OpenValue              a template was used where a decided value is needed
    │   ├── InvalidSpace           a template cannot be a search space
    │   └── NotInSpace             a candidate lies outside a search space
    ├── Infeasible                 no candidate meets the limits
    ├── NotMeasured                a cost was asked for that nobody measured
    ├── DataError                  a data set cannot be used as it is
    ├── DeviceError                a device or runtime cannot do what was asked
    ├── RunError                   a run directory does not fit the command
    ├── WorkerFailed               a process that reads images died or fell silent
    ├── TrainingDiverged           a loss stopped being a number
    └── MissingExtra               an optional package is needed

A message says what is wrong, the value, the rule and the remedy. Where several things are wrong at once, one error
carries all of them (`collected`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "DataError",
    "DeviceError",
    "Infeasible",
    "InvalidSpace",
    "InvalidValue",
    "MissingExtra",
    "NotInSpace",
    "NotMeasured",
    "OpenValue",
    "RunError",
    "SculptNetError",
    "TrainingDiverged",
    "WorkerFailed",
    "collected",
    "suggestion",
    "told",
]

LONGEST_TEXT = 400  # characters of other libraries' errors


class SculptNetError(Exception):
    """The root of the tree above."""


class InvalidValue(SculptNetError, ValueError):
    """An argument, a file or a template breaks a rule.

    Attributes:
        problems: a sentence on each thing that is wrong, for errors that are told beside others.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class OpenValue(InvalidValue):
    """A template, with choices still open, was used where a decided value is needed."""


class InvalidSpace(InvalidValue):
    """A template cannot be a search space."""


class NotInSpace(InvalidValue):
    """A candidate lies outside a search space."""


class Infeasible(SculptNetError):
    """No candidate meets the limits."""


class NotMeasured(SculptNetError):
    """A cost was asked for that nobody measured."""


class DataError(SculptNetError):
    """A data set cannot be used as it is."""


class DeviceError(SculptNetError):
    """A device or runtime cannot do what was asked."""


class RunError(SculptNetError):
    """A run directory does not fit the command."""


class WorkerFailed(SculptNetError):
    """A process that reads images died or fell silent."""


class TrainingDiverged(SculptNetError):
    """A loss stopped being a number."""


class MissingExtra(SculptNetError):
    """An optional package is needed for what was asked."""


def collected(problems: Sequence[str], subject: str) -> str:
    """One message for all `problems` of `subject`: a single line for one, a list for several."""
    if len(problems) == 1:
        return f"{subject}: {problems[0]}"
    return f"{subject}: {len(problems)} problems\n" + "\n".join(f"  - {problem}" for problem in problems)


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for near misses of a name, else the list of the known names."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"


def told(error: BaseException) -> str:
    """Another library's error on one line: its kind, and what it says, shortened."""
    words = " ".join(str(error).split())
    text = words if len(words) <= LONGEST_TEXT else f"{words[: LONGEST_TEXT - 3]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
