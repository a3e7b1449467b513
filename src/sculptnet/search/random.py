"""Random search: the baseline that every method has to beat."""

from __future__ import annotations

from itertools import count

import numpy as np

from sculptnet.arch import Choices
from sculptnet.errors import InvalidValue
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.streams import stream

IDLE_BATCHES = 50  # in a row without a new candidate: the space is taken to be exhausted


def random_search(problem: Problem, seed: int, *, batch: int = 16) -> Search:
    """Proposes feasible candidates in which every option of a decision is equally likely; none twice.

    It ends when many draws bring nothing new, which happens in small spaces only.

    Args:
        problem: its objectives play no part.
        seed: of all draws.
        batch: candidates drawn at once; they may be evaluated side by side.

    Raises:
        Infeasible: no candidate meets the limits.
    """
    if batch < 1:
        raise InvalidValue(f"random_search: batch must be at least 1, got {batch}")
    seen: set[Choices] = set()
    idle = 0
    for index in count():
        rows = problem.sample(stream(seed, "random_search", index), batch)
        new = [row for row in dict.fromkeys(tuple(row) for row in rows.tolist()) if row not in seen]
        seen.update(new)
        idle = 0 if new else idle + 1
        if idle == IDLE_BATCHES:
            return
        if new:
            yield Proposals(np.array(new, dtype=np.int64))
