"""Which settings mattered: what a small model of the trials loses when it no longer sees one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float64]
FOLDS, SHUFFLES = 5, 30
STRENGTHS = tuple(10.0**power for power in range(-2, 5))  # of the ridge, on standardised columns
LEAST_TRIALS = 3 * FOLDS


@final
@dataclass(frozen=True)
class Importances:
    """What trials say about settings.

    Attributes:
        trials: how many.
        explained: the share of the variance of the scores that the model explains in trials that it did not learn
            from; at most 1, below 0 if it is worse than their mean.
        lost: by name, how much of that share is lost when the values of a setting are swapped among trials.
    """

    trials: int
    explained: float
    lost: Mapping[str, float]


def importances(features: Mapping[str, Matrix], scores: npt.NDArray[np.float64]) -> Importances | None:
    """The permutation importance (Breiman 2001) of each setting in a ridge regression, over five folds of the trials.

    The model is a sum over settings with a square for each range, so that the best of a range may lie inside it; its
    strength is chosen by leave-one-out errors in each fold. What settings do together, it does not see. Equal arguments
    give equal results.

    Args:
        features: of each setting, `(trials, columns)`: one column from 0 to 1 for a range, one-hot for categories.
        scores: of the trials, such as accuracies.

    Returns:
        None where the trials are too few, or all the same.
    """
    if len(scores) < LEAST_TRIALS or np.ptp(scores) == 0:
        return None
    parts = {name: _with_squares(part) for name, part in features.items()}
    ends = np.cumsum([part.shape[1] for part in parts.values()])
    columns = {name: slice(end - part.shape[1], end) for (name, part), end in zip(parts.items(), ends, strict=True)}
    inputs, rng = np.concatenate(list(parts.values()), axis=1), np.random.default_rng(0)
    folds = rng.permutation(len(scores))
    error, swapped = 0.0, dict.fromkeys(parts, 0.0)
    for fold in range(FOLDS):
        held_out = np.sort(folds[fold::FOLDS])
        learned = np.setdiff1d(folds, held_out)
        predict = ridge(inputs[learned], scores[learned])
        error += float(((predict(inputs[held_out]) - scores[held_out]) ** 2).sum())
        for name, place in columns.items():
            for _ in range(SHUFFLES):
                changed = inputs[held_out]
                changed[:, place] = inputs[rng.integers(len(scores), size=len(held_out)), place]
                swapped[name] += float(((predict(changed) - scores[held_out]) ** 2).sum()) / SHUFFLES
    variance = float(((scores - scores.mean()) ** 2).sum())
    return Importances(
        len(scores), 1 - error / variance, {name: (value - error) / variance for name, value in swapped.items()}
    )


def _with_squares(part: Matrix) -> Matrix:
    ranges = part[:, ~np.isin(part, (0.0, 1.0)).all(axis=0)]
    return np.concatenate([part, ranges**2], axis=1)


def ridge(inputs: Matrix, scores: npt.NDArray[np.float64]) -> Callable[[Matrix], npt.NDArray[np.float64]]:
    """The ridge regression of `scores` on `inputs` `(trials, columns)`: a function of other inputs."""
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    spread[spread == 0] = 1.0
    left, values, right = np.linalg.svd((inputs - mean) / spread, full_matrices=False)
    targets = scores - scores.mean()
    projected = left.T @ targets

    def leave_one_out(strength: float) -> float:
        kept = values**2 / (values**2 + strength)
        leverage = np.minimum(left**2 @ kept + 1 / len(scores), 1 - 1e-9)
        return float((((targets - left @ (kept * projected)) / (1 - leverage)) ** 2).mean())

    strength = min(STRENGTHS, key=leave_one_out)
    weights = right.T @ (values / (values**2 + strength) * projected)
    return lambda others: np.asarray((others - mean) / spread @ weights + scores.mean(), dtype=np.float64)
