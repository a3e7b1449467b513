"""Tasks: how data of one kind is opened, and its networks trained, judged and shown.

Names are loaded when they are first used: modules of this package are imported in many places that need only one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sculptnet.tasks.base import Task

_WHERE = {
    "Task": "sculptnet.tasks.base",
}

__all__ = [
    "Task",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
