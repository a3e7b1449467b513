"""The fine stage: a genetic search that asks the predictor alone, so that it takes seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.errors import Infeasible, InvalidValue, collected
from sculptnet.pareto import FloatMatrix
from sculptnet.search.genetic import children_of
from sculptnet.search.joint_search.predictor import JointPredictor
from sculptnet.search.problem import Problem
from sculptnet.search.survival import survivors
from sculptnet.streams import stream


@final
@dataclass(frozen=True)
class FineStage:
    """The numbers of the genetic search. Only its structure and `gain` are known of the paper, the rest is ours.

    Attributes:
        best: candidates of the coarse stage in the first population, those with the best predictions (p).
        random: random candidates beside them (q).
        kept: of parents and children together (K).
        children: in a generation, half of them mutants and half crossings.
        mutation_probability: of each decision of a mutant to be drawn anew, at first.
        gain: of the best prediction, in its unit; a generation that brings no more has brought nothing. Paper,
            second-hand: 1e-6.
        patience: generations in a row that bring nothing, after which the search ends. After each of them mutants
            change half as much, down to one decision: that is what is adaptive here.
        generations: at most.

    Raises:
        InvalidValue: with everything that is out of range.
    """

    best: int = 48
    random: int = 48
    kept: int = 96
    children: int = 960
    mutation_probability: float = 0.1
    gain: float = 1e-6
    patience: int = 3
    generations: int = 200

    def __post_init__(self) -> None:
        lowest = {"best": 0, "random": 1, "kept": 1, "children": 2, "patience": 1, "generations": 1}
        problems = [
            f"{name} must be at least {low}, got {getattr(self, name)}"
            for name, low in lowest.items()
            if getattr(self, name) < low
        ]
        if not 0 < self.mutation_probability <= 1:
            problems.append(f"mutation_probability must lie above 0 and at most at 1, got {self.mutation_probability}")
        if not 0 <= self.gain < math.inf:
            problems.append(f"gain must be a number, at least 0, got {self.gain}")
        if problems:
            raise InvalidValue(collected(problems, "FineStage"))


class Refined(NamedTuple):
    """Candidates within the limits, best prediction first, their predictions, and after how many generations."""

    choices: IntMatrix
    predicted: FloatMatrix
    generations: int


def refine(
    problem: Problem,
    predictor: JointPredictor,
    seed: int,
    *,
    number: int = 48,
    fine: FineStage = FineStage(),  # frozen
) -> Refined:
    """The candidates that `predictor` likes best within the limits of `problem`, found without training anything.

    It is the fine stage of `search.Joint`, and what is run again, in seconds, for another budget or device: give the
    predictor that a joint search saved, and a problem of the same space and objective with other limits. The first
    population is what the predictor learned from and is within these limits, as far as it likes it, and random ones.

    Args:
        problem: of the predictor's space and objective; any limits.
        predictor: has learned from some candidates.
        seed: of all draws.
        number: candidates wanted, at most `fine.kept`; fewer come where the space has no more.
        fine: of the genetic search.

    Raises:
        Infeasible: no candidate meets the limits.
        InvalidValue: `number` is out of range; or the predictor is for another space or objective, or has learned from
            no candidate.
    """
    problems = [] if 1 <= number <= fine.kept else [f"number must lie in 1..{fine.kept} (`kept`), got {number}"]
    if predictor.space != problem.space:
        problems.append("the predictor was learned for another space than the problem's; search that one with `joint`")
    if problem.objectives != (predictor.objective,):
        wanted = ", ".join(str(objective) for objective in problem.objectives)
        problems.append(f"the predictor tells {predictor.objective}, the problem has {wanted}")
    if problems:
        raise InvalidValue(collected(problems, "refine"))
    learned = predictor.rows
    liked = _survivors(problem, predictor, learned[problem.feasible(learned)], fine.best)[0]
    drawn = _drawn(problem, seed, fine.random, needed=not len(liked))
    parents, values = _survivors(problem, predictor, np.concatenate([liked, drawn]), fine.kept)
    fruitless, probability, generation = 0, fine.mutation_probability, 0
    while fruitless < fine.patience and generation < fine.generations:
        generation += 1
        rng = stream(seed, "joint: generation", generation)
        children, before = _children(problem, parents, rng, fine.children, probability), values[0, 0]
        parents, values = _survivors(problem, predictor, np.concatenate([parents, children]), fine.kept)
        if abs(values[0, 0] - before) > fine.gain:
            fruitless = 0
        else:
            fruitless += 1
            probability = max(probability / 2, min(probability, 1 / parents.shape[1]))
    return Refined(parents[:number], values[:number, 0], generation)


def _drawn(problem: Problem, seed: int, number: int, *, needed: bool) -> IntMatrix:
    """Random candidates; none where limits that only few meet together let none be drawn, and some are known."""
    try:
        return problem.sample(stream(seed, "joint: first population"), number)
    except Infeasible:
        if needed:
            raise
        return np.empty((0, len(problem.space.decisions)), dtype=np.int64)


def _children(
    problem: Problem, parents: IntMatrix, rng: np.random.Generator, number: int, probability: float
) -> IntMatrix:
    """Mutants and crossings; none where hardly any is within the limits: later mutants, which change less, may be."""
    try:
        return children_of(problem, parents, rng, number // 2, number - number // 2, probability)
    except Infeasible:
        return parents[:0]


def _survivors(
    problem: Problem, predictor: JointPredictor, rows: IntMatrix, number: int
) -> tuple[IntMatrix, FloatMatrix]:
    return survivors(problem, rows, predictor.of(rows)[:, None], number)
