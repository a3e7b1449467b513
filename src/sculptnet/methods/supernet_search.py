"""The networks of a trained supernet that are predicted to be best within the limits, found and measured in seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sculptnet.arch import IntMatrix, SearchSpace
from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.evaluate import FromPredictor
from sculptnet.job import FitJob
from sculptnet.learn import AccuracyPredictor
from sculptnet.methods.finalists import ROUNDS, chosen, measured_by, run_logged, until_one_fits
from sculptnet.methods.searching import Target
from sculptnet.methods.supernet_learning import Learned
from sculptnet.nets.elastic_range import largest, smallest
from sculptnet.pareto import front
from sculptnet.search import Evolution, Objective, Problem, Search, TrialRecord, drive
from sculptnet.search.protocol import Columns
from sculptnet.streams import stream_seed

PREDICTED = "predicted_top1"
FRONT_GENERATIONS = 100  # of evolution with two objectives


def find_specialised(job: FitJob, target: Target, found: Learned, draws: int, evolution: Evolution) -> TrialRecord:
    """Evolution on predictions; the best are measured whole; of those within the budget, the most accurate trial.

    Raises:
        Infeasible: nothing that was proposed runs within the budget.
    """
    problem, evaluate = target.problem, measured_by(job, target, 0, found.judge)
    job.say("Searching with predicted accuracies; the best networks are measured whole")
    seed = stream_seed(job.options.seed, "specialised")
    search = best_predicted(problem, seed, found.predictor, draws, evolution)
    return chosen(job, run_logged(job, search, problem, evaluate, ROUNDS * draws + len(ends_of(problem.space))))


def ends_of(space: SearchSpace) -> IntMatrix:
    """The rows of the smallest and the largest network of `space`."""
    return np.array([space.encode(smallest(space)), space.encode(largest(space))], dtype=np.int64)


def best_predicted(
    problem: Problem, seed: int, predictor: AccuracyPredictor, draws: int, evolution: Evolution
) -> Search:
    """Proposes the `draws` networks of the best predicted accuracy until one of them is within the budget.

    In the first round the smallest and the largest network of the space stand beside them, where they are within the
    limits: a supernet trains those two more than others (in every step of a sandwich), which a predictor that learned
    from random networks cannot know.

    Args:
        problem: its objectives play no part.
        seed: of the evolution.
        predictor: of accuracies.
        draws: networks a round.
        evolution: how.
    """

    def rows(number: int, narrowed: Problem) -> IntMatrix:
        predicted = replace(narrowed, objectives=(Objective(PREDICTED),))
        best = _evolved(predicted, stream_seed(seed, "round", number), predictor, draws, evolution)
        ends = ends_of(problem.space) if number == 1 else best[:0]
        return np.concatenate([best, ends[narrowed.feasible(ends)]])

    return until_one_fits(problem, rows)


def pareto_front(table: LatencyTable, predictor: AccuracyPredictor, seed: int) -> list[tuple[float, float]]:
    """Predicted latency (ms) and predicted accuracy of networks that no other one beats in both, the fastest first."""
    space, cost = predictor.space, FactoredCost(predictor.space, table)
    latency = "predicted_latency_ms"
    problem = Problem(space, (Objective(PREDICTED), Objective(latency, maximize=False)))

    def score(choices: IntMatrix) -> Columns:
        return {PREDICTED: predictor.of(choices), latency: cost.of(choices)}

    found = drive(Evolution(generations=FRONT_GENERATIONS).search(problem, seed), score)
    values = np.stack([found.column(PREDICTED), found.column(latency)], axis=1)
    best = values[front(values, [True, False])]
    return sorted({(float(ms), float(top1)) for top1, ms in best})


def _evolved(problem: Problem, seed: int, predictor: AccuracyPredictor, count: int, evolution: Evolution) -> IntMatrix:
    found = drive(evolution.search(problem, seed), FromPredictor(predictor, PREDICTED).score)
    order = np.argsort(-found.column(PREDICTED), kind="stable")[:count]
    return found.choices[order]
