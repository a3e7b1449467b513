"""NSGA-II (Deb, Pratap, Agarwal and Meyarivan, IEEE Transactions on Evolutionary Computation 6(2), 2002)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.pareto import FloatMatrix
from sculptnet.rules import at_least, between, require
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.survival import objective_values, survivors
from sculptnet.streams import stream

CHILDREN_PASS = 0.5  # of children of parents near a limit, to begin with; where fewer do, more are drawn


@dataclass(frozen=True, kw_only=True)
class Nsga2:
    """NSGA-II: keeps as many candidates as it proposes, by Pareto front and crowding; tournaments of two for parents.

    For several objectives at once; with one it is an elitist genetic algorithm. The defaults are the paper's (section
    IV). Deliberate differences: crossing takes every decision from either parent, and mutation draws it anew, since
    options have no order; infeasible children are drawn again, since costs are known beforehand; and equal candidates
    count once, since they would be evaluated once only.

    Attributes:
        population: candidates proposed in each generation, and kept after it.
        crossover_probability: of a child to have two parents; else it is a mutant of one.
        mutation_probability: of each decision of a child to be drawn anew; None for 1 / number of decisions.
        generations: of children; before them comes a population that is drawn at random.

    Raises:
        InvalidValue: with every setting that is out of range.
    """

    population: int = 100
    crossover_probability: float = 0.9
    mutation_probability: float | None = None
    generations: int = 250

    def __post_init__(self) -> None:
        problems = at_least(self, 2, "population") + at_least(self, 1, "generations")
        require(problems + between(self, 0, 1, "crossover_probability", "mutation_probability"), "Nsga2")

    def search(self, problem: Problem, seed: int) -> Search:
        """Generations of proposals within the limits of `problem`; `seed` is that of all draws.

        Raises:
            Infeasible: no candidate meets the limits.
        """
        space, population, crossed = problem.space, self.population, self.crossover_probability
        mutated = 1 / len(space.decisions) if self.mutation_probability is None else self.mutation_probability
        kept: IntMatrix = np.empty((0, len(space.decisions)), dtype=np.int64)
        values: FloatMatrix = np.empty((0, len(problem.objectives)))
        for generation in range(self.generations + 1):
            rng = stream(seed, "nsga2", generation)
            if len(kept):
                children = _children(problem, kept, rng, population, crossed, mutated)
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
