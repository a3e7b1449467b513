"""Images that networks of many resolutions are judged by, resized once for each."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, final

from sculptnet.data import InMemory, Preprocessing, Split
from sculptnet.data.choose import MEMORY_BYTES, squares
from sculptnet.machine_limits import memory_budget


@final
class PreparedImages:
    """`split` as evaluation resizes it, to one size after the other; several sizes are kept.

    What comes back holds the very pixels that evaluation would make of `split`, so no result depends on what is kept.

    Args:
        split: the images.
        max_bytes: of all kept sizes together; None as in `data.decoded`. The one that nobody asked for longest goes
            first. A size that does not fit by itself is not kept: its images are resized whenever they are read.
    """

    def __init__(self, split: Split, max_bytes: int | None = None) -> None:
        self.split = split
        self.max_bytes = memory_budget(MEMORY_BYTES) if max_bytes is None else max_bytes
        self._kept: OrderedDict[int, InMemory] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Other processes get the images, and resize for themselves."""
        return {**self.__dict__, "_kept": OrderedDict()}

    def at(self, preprocessing: Preprocessing) -> Split:
        """The images, resized for `preprocessing` as far as memory goes; `EvaluationBatches` makes the same of them."""
        side = preprocessing.resize
        if side in self._kept:
            self._kept.move_to_end(side)
        elif self._bytes(side) <= self.max_bytes:
            while sum(map(self._bytes, self._kept)) + self._bytes(side) > self.max_bytes:
                self._kept.popitem(last=False)
            self._kept[side] = squares(self.split, side)
        return self._kept.get(side, self.split)

    def _bytes(self, side: int) -> int:
        return len(self.split) * (1 if self.split.grey else 3) * side**2
