"""What stands for a kill at a step of long work."""

from __future__ import annotations

from sculptnet.state import Progress


class KillError(Exception):
    """Nothing catches it."""


def killed_at(step: int) -> Progress:
    """Progress that is killed when `step` steps are done."""

    def progress(what: str, done: int, total: int) -> None:
        if done == step:
            raise KillError

    return progress
