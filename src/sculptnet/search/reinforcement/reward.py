"""The reward: accuracy times a power of latency over its target (MnasNet, equations 2 and 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from sculptnet.errors import InvalidValue, collected

FloatVector: TypeAlias = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Reward:
    """ACC * (LAT / T) ** w, with w = alpha where LAT <= T, else beta.

    The soft setting, -0.07 twice, makes networks equally good whose accuracy is 5 % (relative) apart if one is twice as
    slow: 2 ** -0.07 = 0.953. It rewards speed below T too, and hardly punishes being above. The hard setting, 0 and -1,
    leaves accuracy alone up to T and punishes every excess.

    Raises:
        InvalidValue: alpha or beta is above 0, which would reward slowness, or no number.

    Reference: Tan et al., CVPR 2019, arXiv 1807.11626, section 3.
    """

    alpha: float = -0.07
    beta: float = -0.07

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be a number of at most 0, got {value!r}; above 0, being slow would be rewarded"
            for name, value in (("alpha", self.alpha), ("beta", self.beta))
            if not (math.isfinite(value) and value <= 0)
        ]
        if problems:
            raise InvalidValue(collected(problems, "Reward"))

    def factor(self, costs: npt.ArrayLike, at_most: float) -> FloatVector:
        """What accuracies are multiplied by, for each of `costs` with the target `at_most`, in the same unit.

        Raises:
            InvalidValue: a cost or the target is no number above 0.
        """
        values = np.asarray(costs, dtype=np.float64)
        problems = []
        if not (math.isfinite(at_most) and at_most > 0):
            problems.append(f"the target must be a number above 0, got {at_most!r}")
        wrong = values[~(np.isfinite(values) & (values > 0))]
        if wrong.size:
            problems.append(f"every cost must be a number above 0, got {wrong.flat[0]}")
        if problems:
            raise InvalidValue(collected(problems, "Reward"))
        ratios = values / at_most
        return np.asarray(ratios ** np.where(ratios <= 1, self.alpha, self.beta), dtype=np.float64)

    def of(self, accuracies: npt.ArrayLike, costs: Sequence[tuple[npt.ArrayLike, float]]) -> FloatVector:
        """The reward of each accuracy.

        Args:
            accuracies: above 0; fractions or percent, as long as all are the same.
            costs: the costs of the same candidates and their target, for each limit. The paper has one; the factors of
                several are multiplied, which is ours.

        Raises:
            InvalidValue: an accuracy, a cost or a target is no number above 0.
        """
        result = np.array(accuracies, dtype=np.float64)
        wrong = result[~(np.isfinite(result) & (result > 0))]
        if wrong.size:
            raise InvalidValue(
                f"Reward: every accuracy must be a number above 0, got {wrong.flat[0]}; the reward is a product, with "
                "0 it no longer tells fast from slow, below 0 it prefers slow"
            )
        for values, at_most in costs:
            result = result * self.factor(values, at_most)
        return result


SOFT = Reward(-0.07, -0.07)
HARD = Reward(0.0, -1.0)
