"""What a batch of results says to the controller: which candidates count, and what their reward is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from sculptnet.errors import InvalidValue
from sculptnet.search.problem import Problem
from sculptnet.search.protocol import Results
from sculptnet.search.reinforcement.reward import FloatVector, Reward


@final
@dataclass(frozen=True, eq=False)
class Feedback:
    """The candidates that were evaluated, one number each.

    Attributes:
        known: which of the results they are.
        rewards: of those.
        values: their objective.
        costs: `(candidates, limits)`, what the reward takes for the cost of each limit.
        within: whether all limits are met.
    """

    known: npt.NDArray[np.bool_]
    rewards: FloatVector
    values: FloatVector
    costs: npt.NDArray[np.float64]
    within: npt.NDArray[np.bool_]


def feedback(problem: Problem, reward: Reward, results: Results, cost_metric: str | None) -> Feedback:
    """The rewards of `results`. What has no value, because it failed, and what has the value 0 is left out.

    Args:
        problem: one objective; limits, whose `at_most` are the targets.
        reward: of values and costs.
        results: of canonical rows.
        cost_metric: the metric that stands for the cost of the first limit; None takes what its cost model says.

    Raises:
        InvalidValue: a value is negative; or none is above 0.
    """
    metric = problem.objectives[0].metric
    values = results.column(metric)
    if (values < 0).any():
        raise InvalidValue(
            f"reinforce: {metric} is {np.nanmin(values):g}; rewards are products, so it must never be negative: "
            "give an accuracy, or something else that is above 0"
        )
    if (values == 0).any() and not (values > 0).any():
        raise InvalidValue(
            f"reinforce: {metric} is 0 for every candidate of a batch, so all rewards are 0; train longer, or give an "
            "evaluation that tells candidates apart"
        )
    columns = list(problem.costs(results.choices).values())
    if columns and cost_metric is not None:
        columns[0] = results.column(cost_metric)
    costs = np.stack(columns, axis=1) if columns else np.empty((len(values), 0))
    known = (values > 0) & np.isfinite(np.column_stack([values, costs])).all(axis=1)
    targets = [limit.at_most for limit in problem.limits]
    rewards = reward.of(values[known], list(zip(costs[known].T, targets, strict=True)))
    within = np.asarray((costs[known] <= targets).all(axis=1))
    return Feedback(known, rewards, values[known], costs[known], within)
