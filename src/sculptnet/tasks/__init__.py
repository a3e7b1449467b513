"""Tasks: how data of one kind is opened, and its networks trained, judged and shown.

Names are loaded when they are first used: modules of this package are imported in many places that need only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sculptnet.lazily import loaded_lazily

if TYPE_CHECKING:
    from sculptnet.tasks.base import Task

_WHERE = {
    "Task": "sculptnet.tasks.base",
}

__all__ = [
    "Task",
]

__getattr__, __dir__ = loaded_lazily(__name__, _WHERE)
