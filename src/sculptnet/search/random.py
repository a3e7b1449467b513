"""Random search: the baseline that every method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from sculptnet.arch import Choices
from sculptnet.rules import at_least, require
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.streams import stream

IDLE_BATCHES = 50  # in a row without a new candidate: the space is taken to be exhausted


@dataclass(frozen=True, kw_only=True)
class RandomSearch:
    """Random search: feasible candidates in which every option of a decision is equally likely; none twice.

    It ends when many draws bring nothing new, which happens in small spaces only.

    Attributes:
        batch: candidates drawn at once; they may be evaluated side by side.

    Raises:
        InvalidValue: `batch` is below 1.
    """

    batch: int = 16

    def __post_init__(self) -> None:
        require(at_least(self, 1, "batch"), "RandomSearch")

    def search(self, problem: Problem, seed: int) -> Search:
        """Batches of new candidates; the objectives of `problem` play no part, `seed` is that of all draws.

        Raises:
            Infeasible: no candidate meets the limits.
        """
        seen: set[Choices] = set()
        idle = 0
        for index in count():
            rows = problem.sample(stream(seed, "random_search", index), self.batch)
            new = [row for row in dict.fromkeys(tuple(row) for row in rows.tolist()) if row not in seen]
            seen.update(new)
            idle = 0 if new else idle + 1
            if idle == IDLE_BATCHES:
                return
            if new:
                yield Proposals(np.array(new, dtype=np.int64))
