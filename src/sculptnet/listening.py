"""Whom long work talks to: lines of text, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sculptnet.state import Progress, no_progress


@dataclass(frozen=True, eq=False)
class Listener:
    """Whom the library talks to.

    Attributes:
        say: is told sentences, one or a few lines each.
        progress: is told what is going on, how much is done, and of how much; called often, cheap.
    """

    say: Callable[[str], None]
    progress: Progress = no_progress


LOGGED = Listener(logging.getLogger("sculptnet").info)  # prints nothing unless the program asks `logging` for it
