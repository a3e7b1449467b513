"""Reinforcement learning of a controller that draws networks (Tan et al., MnasNet, CVPR 2019, arXiv 1807.11626)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch

from sculptnet.arch import IntMatrix
from sculptnet.cost import FactoredCost
from sculptnet.errors import Infeasible, InvalidValue, collected
from sculptnet.records import Log, no_log
from sculptnet.records.search_events import SearchBatch
from sculptnet.rules import above, at_least, between, require
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Proposals, Search
from sculptnet.search.reinforcement.controller import Controller
from sculptnet.search.reinforcement.feedback import Feedback, feedback
from sculptnet.search.reinforcement.ppo import Learner, Ppo
from sculptnet.search.reinforcement.reward import Reward
from sculptnet.streams import stream

PAPER_UPDATES, PAPER_RATE, PAPER_BATCH = 400, 3.5e-4, 20  # about 8,000 candidates in MnasNet; the rest is NASNet's
FEWEST_UPDATES, SMALLEST_BATCH = 10, 4
HIGHEST_RATE = 0.01  # above, a controller is sure before it has seen much


@dataclass(frozen=True, kw_only=True)
class Reinforce:
    """Reinforcement learning of a controller: batches of candidates, of which the rewarded become likelier.

    The reward of a candidate is ACC * (LAT / T) ** w, with w = `alpha` where LAT <= T, else `beta`: ACC is the
    objective, LAT the cost of the limit and T its `at_most` (equations 2 and 3). Limits weigh on the reward and are not
    enforced: as in the paper, candidates beyond them are proposed too; whoever picks one looks at its cost. The default
    is the paper's soft reward; `alpha=0, beta=-1` is its hard one. With several limits their factors are multiplied,
    without any the reward is the objective: both are ours.

    The controller is an LSTM over the decisions of the space, in an order in which what a decision switches off comes
    later; what is switched off is not drawn and learns nothing. After each batch it is updated by PPO with the
    advantage reward minus a moving average of the rewards before. Candidates that failed are left out: an error says
    nothing of an accuracy, and rewards of 0 among rewards that differ by hundredths would outweigh all others.

    The paper says of the controller that it is NASNet's and that PPO trains it. Constants marked NASNet are from the
    appendix of Zoph et al., CVPR 2018, arXiv 1707.07012; those marked ours are published nowhere.

    Attributes:
        alpha, beta: of the reward; at most 0.
        batches: updates, after which the search ends. None is left open: 400 here, about 8,000 candidates as in the
            paper; `planned` chooses for fewer.
        batch: candidates drawn at a time; they may be evaluated side by side. Each is drawn independently, so that some
            come again, above all late; a driver evaluates those once. None is left open: 20 here, NASNet.
        hidden: units of the LSTM, one layer. NASNet.
        learning_rate: of Adam; None is left open: 3.5e-4 here, NASNet; too low for tens of candidates.
        ppo_epochs: steps on each batch, every one on all of it. Ours.
        clip: how far PPO lets a decision's probability move in one update, relatively. Ours; Schulman et al.'s.
        entropy_weight: of the entropy of a candidate's decisions, summed, in nats. NASNet.
        baseline_decay: what remains of the baseline after each batch; at first it is the mean of the first batch.
            NASNet; that it is once a batch is ours.
        cost_metric: a metric of the evaluations that stands for the cost of the first limit in the reward, such as
            `measured_latency_ms`: the paper measures every candidate. None: what the limit's cost model predicts.

    Raises:
        InvalidValue: with every setting that is out of range.
    """

    alpha: float = -0.07
    beta: float = -0.07
    batches: int | None = None
    batch: int | None = None
    hidden: int = 100
    learning_rate: float | None = None
    ppo_epochs: int = 4
    clip: float = 0.2
    entropy_weight: float = 1e-5
    baseline_decay: float = 0.95
    cost_metric: str | None = None

    def __post_init__(self) -> None:
        problems = at_least(self, 1, "batches", "batch", "hidden", "ppo_epochs")
        problems += above(self, 0, "learning_rate") + at_least(self, 0, "entropy_weight")
        problems += between(self, 0, 1, "clip", without_low=True, without_high=True)
        problems += between(self, 0, 1, "baseline_decay", without_high=True)
        try:
            Reward(self.alpha, self.beta)
        except InvalidValue as error:
            problems.append(str(error))
        require(problems, "Reinforce")

    def planned(self, trials: int) -> Self:
        """The same for `trials` candidates: small batches, and a rate that makes up for fewer updates, where open.

        The number of updates times the rate is that of the paper, up to a rate of 0.01. On a made-up accuracy over
        MnasNet's space, what 100 candidates teach at the paper's rate cannot be told from nothing.
        """
        batch = self.batch
        if batch is None:
            few = min(PAPER_BATCH, max(SMALLEST_BATCH, trials // FEWEST_UPDATES))
            batch = few if self.batches is None else PAPER_BATCH
        batches = max(1, trials // batch) if self.batches is None else self.batches
        rate = min(HIGHEST_RATE, PAPER_RATE * max(1.0, PAPER_UPDATES * batch / trials))
        rate = rate if self.learning_rate is None else self.learning_rate
        return replace(self, batch=batch, batches=batches, learning_rate=rate)

    def trials(self) -> int | None:
        """How many candidates the settings ask for; None where the number of batches is open."""
        return None if self.batches is None else self.batches * (self.batch or PAPER_BATCH)

    def search(self, problem: Problem, seed: int, *, log: Log = no_log) -> Search:
        """Batches of proposals.

        Args:
            problem: any space; one objective above 0, to be maximised; any limits.
            seed: of all draws and of the controller's weights.
            log: is told a `SearchBatch` after each.

        Raises:
            InvalidValue: the objective is to be minimised; later, an objective below 0, or of 0 throughout a batch.
            Infeasible: the least cost in the space is above a limit.
            TrainingDiverged: the controller's loss stopped being a number.
        """
        require(_problem_problems(problem, self.cost_metric), "Reinforce")
        _require_possible(problem)
        return self._search(problem, seed, log)

    def _search(self, problem: Problem, seed: int, log: Log) -> Search:
        reward, batch = Reward(self.alpha, self.beta), self.batch or PAPER_BATCH
        ppo = Ppo(self.learning_rate or PAPER_RATE, self.ppo_epochs, self.clip, self.entropy_weight)
        learner = Learner(Controller(problem.space, self.hidden, seed), ppo)
        baseline = math.nan
        for index in range(self.batches or PAPER_UPDATES):
            uniform = stream(seed, "reinforce/draws", index).random((batch, len(problem.space.decisions)))
            rows = learner.controller.draw(uniform)
            entropy = entropy_of(learner.controller, rows)
            results = yield Proposals(rows)
            told = feedback(problem, reward, results, self.cost_metric)
            log(
                _event(
                    problem,
                    told,
                    SearchBatch(index + 1, (index + 1) * batch, int((~told.known).sum()), entropy),
                    baseline,
                )
            )
            if told.known.any():
                mean = float(told.rewards.mean())
                baseline = mean if math.isnan(baseline) else baseline
                learner.learn(rows[told.known], told.rewards - baseline)
                baseline = self.baseline_decay * baseline + (1 - self.baseline_decay) * mean


def entropy_of(controller: Controller, rows: IntMatrix) -> float:
    """The entropy of a decision that matters, nats, averaged over the decisions of candidates that it drew."""
    with torch.no_grad():
        judged = controller.judge(rows)
    return float(judged.entropies.sum() / judged.alive.sum())


def _event(problem: Problem, told: Feedback, event: SearchBatch, baseline: float) -> SearchBatch:
    """A batch with what is known of it."""
    if not math.isnan(baseline):
        event = replace(event, baseline=baseline)
    if not told.known.any():
        return event
    rewards = told.rewards
    event = replace(
        event, reward=float(rewards.mean()), best_reward=float(rewards.max()), value=float(told.values.mean())
    )
    if not problem.limits:
        return event
    first, costs = problem.limits[0], tuple(told.costs[:, 0].tolist())
    within = float(told.within.mean())
    return replace(event, within=within, cost=first.cost.name, at_most=first.at_most, costs=costs)


def _problem_problems(problem: Problem, cost_metric: str | None) -> list[str]:
    problems = []
    if len(problem.objectives) > 1 or not problem.objectives[0].maximize:
        shown = ", ".join(f"{'high' if one.maximize else 'low'} {one.metric}" for one in problem.objectives)
        problems.append(f"the reward takes one objective, to be high, got {shown}; make what should be low a limit")
    if cost_metric is not None and not problem.limits:
        problems.append(f"cost_metric {cost_metric!r} stands for the cost of the first limit, but there is no limit")
    return problems


def _require_possible(problem: Problem) -> None:
    """No reward leads to what does not exist."""
    problems = []
    for limit, cost in zip(problem.limits, problem.factored, strict=True):
        parts = (cost,) if isinstance(cost, FactoredCost) else cost.parts
        least = sum(part.extremes()[0].value for part in parts)
        if least > limit.at_most:
            problems.append(f"{limit} cannot be met, the least in the space is {least:g}")
    if problems:
        raise Infeasible(collected(problems, "reinforce") + "; raise the limit or widen the space")
