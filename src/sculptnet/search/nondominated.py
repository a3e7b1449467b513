"""NSGA-II (Deb, Pratap, Agarwal and Meyarivan, IEEE Transactions on Evolutionary Computation 6(2), 2002)."""

from __future__ import annotations

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.errors import InvalidValue, collected
from sculptnet.search.pareto import FloatMatrix
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.survival import objective_values, survivors
from sculptnet.streams import stream

CHILDREN_PASS = 0.5  # of children of parents near a limit, to begin with; where fewer do, more are drawn


def nsga2(
    problem: Problem,
    seed: int,
    *,
    population: int = 100,
    crossover_probability: float = 0.9,
    mutation_probability: float | None = None,
    generations: int = 250,
) -> Search:
    """Keeps as many candidates as it proposes, by Pareto front and crowding; parents win tournaments of two.

    For several objectives at once; with one it is an elitist genetic algorithm. The defaults are the paper's (section
    IV). Deliberate differences: crossing takes every decision from either parent, and mutation draws it anew, since
    options have no order; infeasible children are drawn again, since costs are known beforehand; and equal candidates
    count once, since they would be evaluated once only.

    Args:
        problem: space, objectives, limits.
        seed: of all draws.
        population: candidates proposed in each generation, and kept after it.
        crossover_probability: of a child to have two parents; else it is a mutant of one.
        mutation_probability: of each decision of a child to be drawn anew; None for 1 / number of decisions.
        generations: of children; before them comes a population that is drawn at random.

    Raises:
        Infeasible: no candidate meets the limits.
        InvalidValue: a setting is out of range.
    """
    space = problem.space
    mutated = 1 / len(space.decisions) if mutation_probability is None else mutation_probability
    _check(population, generations, crossover_probability, mutated)
    kept: IntMatrix = np.empty((0, len(space.decisions)), dtype=np.int64)
    values: FloatMatrix = np.empty((0, len(problem.objectives)))
    for generation in range(generations + 1):
        rng = stream(seed, "nsga2", generation)
        if len(kept):
            children = _children(problem, kept, rng, population, crossover_probability, mutated)
        else:
            children = problem.sample(rng, population)
        results = yield Proposals(children)
        rows = np.concatenate([kept, children])
        scored = np.concatenate([values, objective_values(problem, results)])
        kept, values = survivors(problem, rows, scored, population)


def _children(
    problem: Problem, kept: IntMatrix, rng: np.random.Generator, number: int, crossed: float, mutated: float
) -> IntMatrix:
    def winners(wanted: int) -> IntMatrix:
        """Of two rows each, the better one: `kept` is in the order of the crowded comparison (section III)."""
        rows: IntMatrix = kept[rng.integers(len(kept), size=(wanted, 2)).min(axis=1)]
        return rows

    def children(wanted: int) -> IntMatrix:
        left, right = winners(wanted), winners(wanted)
        crossings = problem.space.crossover(left, right, rng)
        rows: IntMatrix = np.where(rng.random((wanted, 1)) < crossed, crossings, left)
        return problem.space.mutate(rows, rng, mutated)

    return problem.draw(children, number, pass_rate=CHILDREN_PASS if problem.limits else 1.0)


def _check(population: int, generations: int, crossed: float, mutated: float) -> None:
    problems = [
        f"{name} must be at least {low}, got {value}"
        for name, value, low in (("population", population, 2), ("generations", generations, 1))
        if value < low
    ]
    problems += [
        f"{name} must lie in 0..1, got {value}"
        for name, value in (("crossover_probability", crossed), ("mutation_probability", mutated))
        if not 0 <= value <= 1
    ]
    if problems:
        raise InvalidValue(collected(problems, "nsga2"))
