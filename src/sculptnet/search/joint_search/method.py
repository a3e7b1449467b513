"""Architecture and recipe searched together (Dai et al., FBNetV3, CVPR 2021, arXiv 2006.02049)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.cost import CostModel
from sculptnet.errors import InvalidValue, collected
from sculptnet.search.joint_search.early_stop import correlations, shortest
from sculptnet.search.joint_search.fine_stage import FineStage, refine
from sculptnet.search.joint_search.history import History
from sculptnet.search.joint_search.learning import Learning, Vector
from sculptnet.search.joint_search.pool import sobol_pool
from sculptnet.search.joint_search.predictor import STATISTICS, JointPredictor, pretrain
from sculptnet.search.pareto import best_first
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.rows import distinct
from sculptnet.state import Checkpoint, Log, NoCheckpoint, no_log
from sculptnet.streams import stream, stream_seed

FEWEST = 3  # accuracies that the predictor learns from; before, candidates are picked at random
ROUNDS, BATCH, SMALLEST_BATCH = 5, 48, 4
NOTHING: Mapping[str, Any] = MappingProxyType({})


def settings_for(trials: int, given: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """How `joint` spends `trials` candidates: equal rounds of the coarse stage, and what remains for the fine stage.

    What is `given` of `batch`, `rounds` and `finalists` stays as it is. Where that asks for more, there are more.
    """
    batch = given.get("batch") or min(BATCH, max(SMALLEST_BATCH, trials // max(1, given.get("rounds", ROUNDS) + 1)))
    finalists = given.get("finalists")
    most = (trials - (batch if finalists is None else finalists)) // batch
    rounds = given.get("rounds") or max(1, min(most, ROUNDS if batch < BATCH else trials))
    if finalists is None:
        finalists = min(BATCH, max(1, trials - rounds * batch))
    return {"batch": batch, "rounds": rounds, "finalists": finalists}


def joint(
    problem: Problem,
    seed: int,
    *,
    pool: int = 20_000,
    rounds: int = 5,
    batch: int = 48,
    correlation: float = 0.92,
    finalists: int = 48,
    statistics: Sequence[CostModel] = STATISTICS,
    learning: Learning = Learning(),  # noqa: B008  # frozen
    fine: FineStage = FineStage(),  # noqa: B008  # frozen
    checkpoint: Checkpoint = NoCheckpoint(),  # noqa: B008  # has no state
    log: Log = no_log,
) -> Search:
    """Trains few candidates, and learns from them which of all others to train, recipes included.

    Decisions of the recipe are decisions of the space like those of the architecture. A predictor encodes the
    architecture; it has first learned what costs nothing, such as multiply-adds. In the coarse stage candidates come
    from a pool, quasi-random and within the limits: random ones in the first round, then those with the best
    predictions, the predictor learning anew from all that is known after every round. The fine stage is a genetic
    search on the predictor; what it likes best and was not trained in full is proposed last, then the search ends.

    Where evaluations log curves, the first round tells after how many epochs training ranks its candidates as its end
    does; later rounds are trained for so long. Finalists are trained in full. Candidates that failed teach nothing.

    The paper's code was never released and its text could not be checked; `docs/fbnetv3.md` tells what is known.
    Deliberate differences: a stopped training is a short one with its schedule completed, not the start of a long one,
    and the accuracy head is told which candidates were trained briefly; the predictor learns from the pre-trained state
    anew in each round; the statistics are of the whole space, so that it can be used with other limits.

    Args:
        problem: any space and limits; one objective.
        seed: of all draws, of the predictor's weights and of the order in which it learns.
        pool: candidates of the coarse stage (n). Paper, second-hand: 20,000.
        rounds: of the coarse stage (T). Paper, second-hand: 5 for architecture and recipe, 4 for the recipe alone.
        batch: candidates of a round (m); they may be evaluated side by side. Paper, second-hand: 48.
        correlation: Spearman's, from which a training counts as long enough. Paper: 0.92, of a rank correlation.
        finalists: proposed after the fine stage; 0 leaves it out. Ours.
        statistics: what the encoder learns first. The paper has multiply-adds and parameters; peak memory is ours.
        learning: how the predictor learns.
        fine: of the genetic search.
        checkpoint: gets the predictor after every round, for `load_joint_predictor` and `refine`; it is not read.
        log: is told a "search_pretrained" and, after each round, a "search_round".

    Raises:
        InvalidValue: an argument breaks its rule.
        Infeasible: no candidate meets the limits.
        NotMeasured: a statistic cannot be priced.
        TrainingDiverged: the predictor's loss stopped being a number.
    """
    whole = {"pool": (pool, 1), "rounds": (rounds, 1), "batch": (batch, 1), "finalists": (finalists, 0)}
    problems = [f"{name} must be at least {low}, got {value}" for name, (value, low) in whole.items() if value < low]
    if not (math.isfinite(correlation) and 0 < correlation <= 1):
        problems.append(f"correlation must lie above 0 and at most at 1, got {correlation}")
    if len(problem.objectives) > 1:
        names = ", ".join(objective.metric for objective in problem.objectives)
        problems.append(f"it takes one objective, got {names}; make what should be low a limit")
    if finalists > fine.kept:
        problems.append(f"finalists must be at most FineStage.kept ({fine.kept}), got {finalists}")
    if not statistics:
        problems.append("statistics must name at least one, got none; Learning(pretraining_epochs=0) learns none")
    if problems:
        raise InvalidValue(collected(problems, "joint"))

    def search() -> Search:
        candidates = sobol_pool(problem, seed, pool)
        untaught = pretrain(problem.space, problem.objectives[0], seed, learning, statistics)
        log({"event": "search_pretrained", "pool": len(candidates), "r2": {x.name: x.r2 for x in untaught.statistics}})
        history, epochs, ranks = History(untaught), None, dict[int, float]()
        for index in range(rounds + (finalists > 0)):
            last = index == rounds
            event: dict[str, Any] = {"event": "search_round", "stage": "fine" if last else "coarse", "round": index + 1}
            if last:
                rows = _finalists(problem, history, candidates, seed, fine, event)[:finalists]
            else:
                rows = _liked(history, history.unasked(candidates), seed, index)[:batch]
            if not len(rows):
                continue
            length = None if last else epochs
            results = yield Proposals(rows, length)
            values = history.add(results, brief=length is not None)
            log({**event, **_told(history.predictor, rows, values), "epochs": length})
            if not (last or ranks):  # the first round of which enough came out
                ranks = correlations(results, problem.objectives[0].metric)
                epochs = _stop(ranks, correlation, log)
            if sum(map(len, history.values)) >= FEWEST:
                order_seed = stream_seed(seed, "joint: learning", index)
                history.predictor = untaught.learned(*history.learned_from(), order_seed, learning)
                history.predictor.save(checkpoint)

    return search()


def _liked(history: History, rows: IntMatrix, seed: int, index: int) -> IntMatrix:
    """The rows, best prediction first; in random order as long as nothing is known."""
    if not len(history.predictor.values):
        return rows[stream(seed, "joint: random", index).permutation(len(rows))]
    values = history.predictor.of(rows)[:, None]
    return rows[best_first(values, [history.predictor.objective.maximize])]


def _finalists(
    problem: Problem,
    history: History,
    candidates: IntMatrix,
    seed: int,
    fine: FineStage,
    event: dict[str, Any],
) -> IntMatrix:
    """What was not trained in full, best prediction first: of the genetic search and of the pool; completes `event`."""
    if len(history.predictor.values):
        found = refine(problem, history.predictor, seed, number=fine.kept, fine=fine)
        event |= {"generations": found.generations, "predicted": float(found.predicted[0])}
        candidates = np.concatenate([found.choices, candidates])
    rows = candidates[distinct(candidates)]
    return _liked(history, history.unasked(rows, brief_again=True), seed, event["round"])


def _stop(found: dict[int, float], wanted: float, log: Log) -> int | None:
    """How long later rounds are trained; None where nothing shorter ranks candidates as whole trainings do."""
    epochs = shortest(found, wanted)
    if found:
        told = {str(epoch): value for epoch, value in found.items() if not math.isnan(value)}
        log({"event": "search_stop", "correlations": told, "wanted": wanted, "epochs": epochs})
    return epochs


def _told(predictor: JointPredictor, rows: IntMatrix, values: Vector) -> dict[str, Any]:
    """What is logged of a round: how it went, and what had been predicted before it."""
    known = ~np.isnan(values)
    told: dict[str, Any] = {"candidates": len(rows), "failed": int((~known).sum())}
    if known.any():
        best = values[known].max() if predictor.objective.maximize else values[known].min()
        told |= {"best": float(best), "mean": float(values[known].mean())}
        if len(predictor.values):
            told["pairs"] = np.stack([predictor.of(rows[known]), values[known]], axis=1).tolist()
    return told
