"""What long-running work is given from outside: where to save, where to log, whom to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Checkpoint",
    "NoCheckpoint",
    "Progress",
    "no_progress",
]

Progress: TypeAlias = Callable[[str, int, int], None]  # what, done, total; called often, cheap


class Checkpoint(Protocol):
    """A place for the state of one piece of work; what is saved there survives a kill at any moment."""

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Replaces what was saved by `tensors` and the JSON value `state`; the old state stays if this fails."""
        ...

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        """What was saved last, or None."""
        ...


@final
class NoCheckpoint:
    """Saves nothing: for work that is short or not worth resuming."""

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Drops its arguments."""

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        """Nothing was saved."""
        return None


def no_progress(what: str, done: int, total: int) -> None:
    """Tells nobody."""
