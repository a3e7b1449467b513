"""Whom long work talks to: lines of text, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sculptnet.state import Progress, no_progress

__all__ = ["LOGGED", "Listener", "nobody"]


def nobody(folder: Path) -> None:
    """For those who do not care where a run is kept."""


@dataclass(frozen=True, eq=False)
class Listener:
    """Whom the library talks to.

    Attributes:
        say: is told sentences, one or a few lines each.
        progress: is told what is going on, how much is done, and of how much; called often, cheap.
        opened: is told the run directory once it is open.
    """

    say: Callable[[str], None]
    progress: Progress = no_progress
    opened: Callable[[Path], None] = nobody


LOGGED = Listener(logging.getLogger("sculptnet").info)  # prints nothing unless the program asks `logging` for it
