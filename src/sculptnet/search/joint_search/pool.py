"""A pool of candidates within the limits, spread evenly over the space."""

from __future__ import annotations

import math

import numpy as np

from sculptnet.arch import IntMatrix, SearchSpace
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.search.problem import Problem
from sculptnet.search.rows import distinct
from sculptnet.streams import stream

BLOCKS = 8  # of points, before what is missing is drawn at random
MOST_DECISIONS = 21_201  # for which direction numbers of Sobol's sequence are known


def sobol_pool(problem: Problem, seed: int, number: int) -> IntMatrix:
    """Different candidates within the limits, at most `number`, quasi-random: points of a scrambled Sobol sequence.

    Where hardly any point is within the limits, what is missing is drawn at random from what is within them; where that
    cannot be done, because only few candidates meet several limits together, the pool is those points.

    Args:
        problem: any space and limits.
        seed: of the scrambling.
        number: wanted; there are fewer in a small space, since equal points count once.

    Raises:
        Infeasible: no candidate meets the limits.
        InvalidValue: the space has more decisions than the sequence has dimensions.
    """
    from scipy.stats.qmc import Sobol  # two seconds to import, which few processes need

    space, rng = problem.space, stream(seed, "joint: pool")
    if len(space.decisions) > MOST_DECISIONS:
        raise InvalidValue(f"joint: Sobol's sequence has {MOST_DECISIONS} dimensions, the space {len(space.decisions)}")
    points = Sobol(len(space.decisions), rng=rng)
    block = 2 ** math.ceil(math.log2(max(number, 2)))  # powers of two are balanced
    kept: list[IntMatrix] = []
    for _ in range(BLOCKS if problem.limits else 1):
        rows = _options(space, points.random(block))
        kept.append(rows[problem.feasible(rows)])
        if sum(map(len, kept)) >= number:
            break
    rows = np.concatenate(kept)[:number]
    if len(rows) < number:
        try:
            rows = np.concatenate([rows, problem.sample(rng, number - len(rows))])
        except Infeasible:
            if not len(rows):
                raise
    return rows[distinct(rows)]


def _options(space: SearchSpace, points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> IntMatrix:
    """The options that points of the unit cube stand for, equally wide each."""
    return space.canonical(np.minimum((points * space.num_options).astype(np.int64), space.num_options - 1))
