"""Proposals from learned probabilities: distinct draws, conditioned on the budget, until there are no more."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sculptnet.arch import Choices, IntMatrix
from sculptnet.cost import Priced
from sculptnet.errors import Infeasible
from sculptnet.records import Log
from sculptnet.records.search_events import SearchDraws
from sculptnet.search.problem import Limit, Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.streams import stream

DRAWS = 1024  # at once
FLATTENED = (1.0, 2.0, 4.0, 8.0, math.inf)  # what theta is divided by, in turn, while new candidates do not come
SURE = 30  # uniform draws per candidate seen, before none is taken to be left: one that is left is missed with e**-30


def proposals(
    problem: Problem,
    theta: Mapping[str, Tensor],
    condition: tuple[Priced, Limit] | None,
    seed: int,
    count: int,
    log: Log,
) -> Search:
    """Yields `count` candidates at a time that were not proposed before, fewer when they run out, then ends.

    Candidates are drawn from softmax(theta), conditioned on `condition`; those that break another limit are dropped.
    A distribution that is nearly certain repeats itself: when draws bring nothing new, theta is flattened step by step,
    in the end to the uniform distribution over what the budget admits.

    Raises:
        Infeasible: no candidate meets the limits.
    """
    rngs = (stream(seed, "dnas/draws", index) for index in itertools.count())
    if condition is not None:
        factored, limit = condition
        rate = factored.draw_within(_chances(theta, 1.0), limit.at_most, stream(seed, "dnas/pass_rate"), 1).pass_rate
        log(SearchDraws(rate, factored.name, limit.at_most))
    unseen = _unseen(problem, theta, condition, rngs)
    first = True
    while new := list(itertools.islice(unseen, count)):
        first = False
        yield Proposals(np.array(new, dtype=np.int64))
    if first:
        limits = " and ".join(map(str, problem.limits))
        raise Infeasible(f"no draw met {limits}; raise a limit or widen the space")


def _unseen(
    problem: Problem,
    theta: Mapping[str, Tensor],
    condition: tuple[Priced, Limit] | None,
    rngs: Iterator[np.random.Generator],
) -> Iterator[Choices]:
    seen: dict[Choices, None] = {}
    for flatness in FLATTENED:
        chances, idle = _chances(theta, flatness), 0
        while idle < (DRAWS if math.isfinite(flatness) else max(DRAWS, SURE * len(seen))):
            idle += DRAWS
            for row in _drawn(problem, chances, condition, next(rngs)):
                key = tuple(int(index) for index in row)
                if key not in seen:
                    seen[key], idle = None, 0
                    yield key


def _drawn(
    problem: Problem,
    chances: Mapping[str, npt.NDArray[np.float64]],
    condition: tuple[Priced, Limit] | None,
    rng: np.random.Generator,
) -> IntMatrix:
    if condition is not None:
        factored, limit = condition
        rows = factored.draw_within(chances, limit.at_most, rng, DRAWS).choices
    else:
        columns = [rng.choice(len(vector), size=DRAWS, p=vector) for vector in chances.values()]
        rows = problem.space.canonical(np.stack(columns, axis=1))
    return rows[problem.feasible(rows)]


def _chances(theta: Mapping[str, Tensor], flatness: float) -> dict[str, npt.NDArray[np.float64]]:
    return {path: torch.softmax(vector.detach() / flatness, 0).numpy() for path, vector in theta.items()}
