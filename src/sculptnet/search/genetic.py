"""Evolution with mutation and crossover (Once-for-All: Cai et al., ICLR 2020, arXiv 1908.09791)."""

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

MUTANTS_PASS, CROSSINGS_PASS = 0.3, 0.55  # of children of parents near a limit; where fewer do, more are drawn


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """Evolution: keeps the best candidates and proposes mutants and crossings of them.

    Infeasible children are drawn again. With several objectives, parents are chosen by Pareto front and crowding.
    The defaults are those of Once-for-All's published code. Deliberate differences: every decision is redrawn by itself
    with one probability (there, kernel and expansion of a layer together, the resolution with 0.5), and equal
    candidates count once among the parents, since here they would be evaluated once only.

    Attributes:
        population: candidates proposed in each generation.
        parent_ratio: the best of all parents and children so far that become parents, over `population`.
        mutation_ratio: children that are mutants of one parent, the others being crossings of two, over `population`.
        mutation_probability: of each decision of a mutant to be drawn anew.
        generations: of children; before them comes a population that is drawn at random.

    Raises:
        InvalidValue: with every setting that is out of range.
    """

    population: int = 100
    parent_ratio: float = 0.25
    mutation_ratio: float = 0.5
    mutation_probability: float = 0.1
    generations: int = 500

    def __post_init__(self) -> None:
        problems = at_least(self, 1, "population", "generations")
        problems += between(self, 0, 1, "parent_ratio", without_low=True)
        problems += between(self, 0, 1, "mutation_ratio", "mutation_probability")
        require(problems, "Evolution")

    def search(self, problem: Problem, seed: int) -> Search:
        """Generations of proposals within the limits of `problem`; `seed` is that of all draws.

        Raises:
            Infeasible: no candidate meets the limits.
        """
        space, population = problem.space, self.population
        num_parents = max(1, round(population * self.parent_ratio))
        num_mutants = round(population * self.mutation_ratio)
        parents: IntMatrix = np.empty((0, len(space.decisions)), dtype=np.int64)
        values: FloatMatrix = np.empty((0, len(problem.objectives)))
        for generation in range(self.generations + 1):
            rng = stream(seed, "evolution", generation)
            if len(parents):
                num_crossings = population - num_mutants
                children = children_of(problem, parents, rng, num_mutants, num_crossings, self.mutation_probability)
            else:
                children = problem.sample(rng, population)
            results = yield Proposals(children)
            rows = np.concatenate([parents, children])
            scored = np.concatenate([values, objective_values(problem, results)])
            parents, values = survivors(problem, rows, scored, num_parents)


def children_of(
    problem: Problem,
    parents: IntMatrix,
    rng: np.random.Generator,
    num_mutants: int,
    num_crossings: int,
    probability: float,
) -> IntMatrix:
    """Mutants of random `parents`, each decision drawn anew with `probability`, then crossings of two; all feasible.

    Raises:
        Infeasible: hardly any child meets the limits.
    """

    def any_parents(number: int) -> IntMatrix:
        return parents[rng.integers(len(parents), size=number)]

    def mutants(number: int) -> IntMatrix:
        return problem.space.mutate(any_parents(number), rng, probability)

    def crossings(number: int) -> IntMatrix:
        return problem.space.crossover(any_parents(number), any_parents(number), rng)

    rates = (MUTANTS_PASS, CROSSINGS_PASS) if problem.limits else (1.0, 1.0)
    drawn = [problem.draw(mutants, num_mutants, pass_rate=rates[0])]
    return np.concatenate([*drawn, problem.draw(crossings, num_crossings, pass_rate=rates[1])])
