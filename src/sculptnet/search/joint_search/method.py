"""Architecture and recipe searched together (Dai et al., FBNetV3, CVPR 2021, arXiv 2006.02049)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from sculptnet.arch import IntMatrix
from sculptnet.cost import CostModel
from sculptnet.errors import InvalidValue
from sculptnet.pareto import best_first
from sculptnet.records import Log, no_log
from sculptnet.records.search_events import SearchPretrained, SearchRound, SearchStop
from sculptnet.rules import at_least, between, require
from sculptnet.search.joint_search.early_stop import correlations, shortest
from sculptnet.search.joint_search.fine_stage import FineStage, Refined, refine
from sculptnet.search.joint_search.history import History
from sculptnet.search.joint_search.learning import Learning, Vector
from sculptnet.search.joint_search.pool import sobol_pool
from sculptnet.search.joint_search.predictor import STATISTICS, JointPredictor, pretrain
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.rows import distinct
from sculptnet.state import Checkpoint, NoCheckpoint
from sculptnet.streams import stream, stream_seed

FEWEST = 3  # accuracies that the predictor learns from; before, candidates are picked at random
ROUNDS, BATCH, SMALLEST_BATCH = 5, 48, 4


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Joint search: few candidates are trained, and teach which of all others to train, recipes included.

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

    Attributes:
        pool: candidates of the coarse stage (n). Paper, second-hand: 20,000.
        rounds: of the coarse stage (T). Paper, second-hand: 5 for architecture and recipe, 4 for the recipe alone. None
            is left open: 5 here; `planned` chooses for fewer candidates.
        batch: candidates of a round (m); they may be evaluated side by side. Paper, second-hand: 48. None is left open:
            48 here.
        correlation: Spearman's, from which a training counts as long enough. Paper: 0.92, of a rank correlation.
        finalists: proposed after the fine stage; 0 leaves it out. Ours. None is left open: 48 here.
        statistics: what the encoder learns first. The paper has multiply-adds and parameters; peak memory is ours.
        learning: how the predictor learns.
        fine: of the genetic search.

    Raises:
        InvalidValue: with every setting that breaks its rule.
    """

    pool: int = 20_000
    rounds: int | None = None
    batch: int | None = None
    correlation: float = 0.92
    finalists: int | None = None
    statistics: Sequence[CostModel] = STATISTICS
    learning: Learning = Learning()  # noqa: RUF009  # frozen
    fine: FineStage = FineStage()  # noqa: RUF009  # frozen

    def __post_init__(self) -> None:
        problems = at_least(self, 1, "pool", "rounds", "batch") + at_least(self, 0, "finalists")
        problems += between(self, 0, 1, "correlation", without_low=True)
        if self.finalists is not None and self.finalists > self.fine.kept:
            problems.append(f"finalists must be at most FineStage.kept ({self.fine.kept}), got {self.finalists}")
        if not self.statistics:
            problems.append("statistics must name at least one, got none; Learning(pretraining_epochs=0) learns none")
        require(problems, "Joint")

    def planned(self, trials: int) -> Self:
        """The same for `trials` candidates: equal rounds of the coarse stage, and what remains for the fine stage.

        What is decided stays as it is; where that asks for more candidates, there are more.
        """
        batch = self.batch
        if batch is None:
            wanted = (ROUNDS if self.rounds is None else self.rounds) + 1  # the last one is the fine stage's
            batch = min(BATCH, max(SMALLEST_BATCH, trials // wanted))
        finalists = self.finalists
        rounds = self.rounds
        if rounds is None:
            affordable = (trials - (batch if finalists is None else finalists)) // batch
            rounds = max(1, min(affordable, ROUNDS) if batch < BATCH else affordable)
        if finalists is None:
            finalists = min(BATCH, max(1, trials - rounds * batch))
        return replace(self, batch=batch, rounds=rounds, finalists=finalists)

    def trials(self) -> int | None:
        """How many candidates the settings ask for; None where rounds or their size are open."""
        if self.rounds is None or self.batch is None:
            return None
        return self.rounds * self.batch + (self.batch if self.finalists is None else self.finalists)

    def search(
        self,
        problem: Problem,
        seed: int,
        *,
        checkpoint: Checkpoint = NoCheckpoint(),  # noqa: B008  # has no state
        log: Log = no_log,
    ) -> Search:
        """Rounds of proposals, then finalists.

        Args:
            problem: any space and limits; one objective.
            seed: of all draws, of the predictor's weights and of the order in which it learns.
            checkpoint: gets the predictor after every round, for `load_joint_predictor` and `refine`; it is not read.
            log: is told a `SearchPretrained`, after each round a `SearchRound`, and once a `SearchStop`.

        Raises:
            InvalidValue: there are several objectives.
            Infeasible: no candidate meets the limits.
            NotMeasured: a statistic cannot be priced.
            TrainingDiverged: the predictor's loss stopped being a number.
        """
        if len(problem.objectives) > 1:
            names = ", ".join(objective.metric for objective in problem.objectives)
            raise InvalidValue(f"Joint: it takes one objective, got {names}; make what should be low a limit")
        return self._search(problem, seed, checkpoint, log)

    def _search(self, problem: Problem, seed: int, checkpoint: Checkpoint, log: Log) -> Search:
        rounds, batch = self.rounds or ROUNDS, self.batch or BATCH
        finalists = BATCH if self.finalists is None else self.finalists
        candidates = sobol_pool(problem, seed, self.pool)
        untaught = pretrain(problem.space, problem.objectives[0], seed, self.learning, self.statistics)
        log(SearchPretrained(len(candidates), {x.name: x.r2 for x in untaught.statistics}))
        history, epochs, ranks = History(untaught), None, dict[int, float]()
        for index in range(rounds + (finalists > 0)):
            last = index == rounds
            bred: Refined | None = None
            if last:
                if len(history.predictor.values):
                    bred = refine(problem, history.predictor, seed, number=self.fine.kept, fine=self.fine)
                rows = _finalists(history, candidates, bred, seed, index)[:finalists]
            else:
                rows = _liked(history, history.unasked(candidates), seed, index)[:batch]
            if not len(rows):
                continue
            length = None if last else epochs
            results = yield Proposals(rows, length)
            values = history.add(results, brief=length is not None)
            event = SearchRound("fine" if last else "coarse", index + 1, len(rows), int(np.isnan(values).sum()), length)
            log(_told(event, history.predictor, rows, values, bred))
            if not (last or ranks):  # the first round of which enough came out
                ranks = correlations(results, problem.objectives[0].metric)
                epochs = _stop(ranks, self.correlation, log)
            if sum(map(len, history.values)) >= FEWEST:
                order_seed = stream_seed(seed, "joint: learning", index)
                history.predictor = untaught.learned(*history.learned_from(), order_seed, self.learning)
                history.predictor.save(checkpoint)


def _liked(history: History, rows: IntMatrix, seed: int, index: int) -> IntMatrix:
    """The rows, best prediction first; in random order as long as nothing is known."""
    if not len(history.predictor.values):
        return rows[stream(seed, "joint: random", index).permutation(len(rows))]
    values = history.predictor.of(rows)[:, None]
    return rows[best_first(values, [history.predictor.objective.maximize])]


def _finalists(history: History, candidates: IntMatrix, bred: Refined | None, seed: int, index: int) -> IntMatrix:
    """What was not trained in full, best prediction first: of the genetic search and of the pool."""
    if bred is not None:
        candidates = np.concatenate([bred.choices, candidates])
    rows = candidates[distinct(candidates)]
    return _liked(history, history.unasked(rows, brief_again=True), seed, index + 1)


def _stop(found: dict[int, float], wanted: float, log: Log) -> int | None:
    """How long later rounds are trained; None where nothing shorter ranks candidates as whole trainings do."""
    epochs = shortest(found, wanted)
    if found:
        told = {str(epoch): value for epoch, value in found.items() if not math.isnan(value)}
        log(SearchStop(told, wanted, epochs))
    return epochs


def _told(
    event: SearchRound, predictor: JointPredictor, rows: IntMatrix, values: Vector, bred: Refined | None
) -> SearchRound:
    """A round with what came out, what had been predicted before it, and what the genetic search said."""
    known = ~np.isnan(values)
    if bred is not None:
        event = replace(event, generations=bred.generations, predicted=float(bred.predicted[0]))
    if not known.any():
        return event
    best = values[known].max() if predictor.objective.maximize else values[known].min()
    event = replace(event, best=float(best), mean=float(values[known].mean()))
    if not len(predictor.values):
        return event
    pairs = zip(predictor.of(rows[known]).tolist(), values[known].tolist(), strict=True)
    return replace(event, pairs=tuple(pairs))
