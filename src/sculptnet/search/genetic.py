"""Evolution with mutation and crossover (Once-for-All: Cai et al., ICLR 2020, arXiv 1908.09791)."""

from __future__ import annotations

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.errors import InvalidValue, collected
from sculptnet.search.pareto import FloatMatrix
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.survival import objective_values, survivors
from sculptnet.streams import stream

MUTANTS_PASS, CROSSINGS_PASS = 0.3, 0.55  # of children of parents near a limit; where fewer do, more are drawn


def evolution(
    problem: Problem,
    seed: int,
    *,
    population: int = 100,
    parent_ratio: float = 0.25,
    mutation_ratio: float = 0.5,
    mutation_probability: float = 0.1,
    generations: int = 500,
) -> Search:
    """Keeps the best candidates and proposes mutants and crossings of them.

    Infeasible children are drawn again. With several objectives, parents are chosen by Pareto front and crowding.
    The defaults are those of Once-for-All's published code. Deliberate differences: every decision is redrawn by itself
    with one probability (there, kernel and expansion of a layer together, the resolution with 0.5), and equal
    candidates count once among the parents, since here they would be evaluated once only.

    Args:
        problem: space, objectives, limits.
        seed: of all draws.
        population: candidates proposed in each generation.
        parent_ratio: the best of all parents and children so far that become parents, over `population`.
        mutation_ratio: children that are mutants of one parent, the others being crossings of two, over `population`.
        mutation_probability: of each decision of a mutant to be drawn anew.
        generations: of children; before them comes a population that is drawn at random.

    Raises:
        Infeasible: no candidate meets the limits.
        InvalidValue: a setting is out of range.
    """
    _check(population, generations, parent_ratio, mutation_ratio, mutation_probability)
    space = problem.space
    num_parents, num_mutants = max(1, round(population * parent_ratio)), round(population * mutation_ratio)
    parents: IntMatrix = np.empty((0, len(space.decisions)), dtype=np.int64)
    values: FloatMatrix = np.empty((0, len(problem.objectives)))
    for generation in range(generations + 1):
        rng = stream(seed, "evolution", generation)
        if len(parents):
            num_crossings = population - num_mutants
            children = children_of(problem, parents, rng, num_mutants, num_crossings, mutation_probability)
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


def _check(
    population: int, generations: int, parent_ratio: float, mutation_ratio: float, mutation_probability: float
) -> None:
    problems = [
        f"{name} must be at least 1, got {value}"
        for name, value in (("population", population), ("generations", generations))
        if value < 1
    ]
    problems += [
        f"{name} must lie {'above 0' if above else 'at least at 0'} and at most at 1, got {value}"
        for name, value, above in (
            ("parent_ratio", parent_ratio, True),
            ("mutation_ratio", mutation_ratio, False),
            ("mutation_probability", mutation_probability, False),
        )
        if not 0 <= value <= 1 or (above and value == 0)
    ]
    if problems:
        raise InvalidValue(collected(problems, "evolution"))
