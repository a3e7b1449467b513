"""What is searched for: a space, objectives and limits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sculptnet.arch import IntMatrix, SearchSpace
from sculptnet.cost import CostModel, Priced, TotalCost, factored
from sculptnet.errors import Infeasible, InvalidValue, collected

FIRST_SAMPLES = 1024
LOWEST_PASS_RATE, SPARE = 1 / 8, 0.7  # of proposals: bounds how many are asked for at once, a few more than needed


@dataclass(frozen=True)
class Objective:
    """A metric of evaluations that should be high, or low."""

    metric: str
    maximize: bool = True


@dataclass(frozen=True)
class Limit:
    """A budget: candidates cost at most `at_most`, in the unit of the cost.

    Raises:
        InvalidValue: `at_most` is not a number above 0.
    """

    cost: CostModel | TotalCost
    at_most: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.at_most) and self.at_most > 0):
            raise InvalidValue(f"the limit on {self.cost.name} must be a number above 0, got {self.at_most!r}")

    @property
    def metric(self) -> str:
        """The name under which a trial records this cost.

        What a table says about a device (`latency_ms@onnxruntime-1t`) is a prediction (`predicted_latency_ms`), unlike
        what is counted (`macs`).
        """
        name, _, device = self.cost.name.partition("@")
        return f"predicted_{name}" if device else name

    def __str__(self) -> str:
        return f"{self.cost.name} <= {self.at_most:g}"


@dataclass(frozen=True)
class Problem:
    """Find candidates of `space` that are best in the `objectives` and meet all `limits`.

    Raises:
        InvalidValue: no objective, or two objectives or limits of one name.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        problems = [] if self.objectives else ["needs at least one objective, got none"]
        for what, names in (
            ("objectives", [objective.metric for objective in self.objectives]),
            ("limits", [limit.metric for limit in self.limits]),
        ):
            problems += [f"two {what} have the name {name}" for name, count in Counter(names).items() if count > 1]
        if problems:
            raise InvalidValue(collected(problems, "Problem"))

    @cached_property
    def factored(self) -> tuple[Priced, ...]:
        """The cost of each limit over the whole space."""
        return tuple(factored(self.space, limit.cost) for limit in self.limits)

    def costs(self, choices: IntMatrix) -> dict[str, npt.NDArray[np.float64]]:
        """The limited costs of every row, by `Limit.metric`."""
        return {limit.metric: cost.of(choices) for limit, cost in zip(self.limits, self.factored, strict=True)}

    def feasible(self, choices: IntMatrix) -> npt.NDArray[np.bool_]:
        """Whether each row meets all limits."""
        result = np.ones(len(choices), dtype=bool)
        for limit, cost in zip(self.limits, self.factored, strict=True):
            result &= cost.of(choices) <= limit.at_most
        return result

    def draw(
        self, propose: Callable[[int], IntMatrix], count: int, tries: int = 200, pass_rate: float = 1.0
    ) -> IntMatrix:
        """The first `count` feasible rows that `propose` gives.

        Args:
            propose: gives as many canonical rows as it is asked for.
            count: rows wanted.
            tries: proposals looked at for each wanted row, on average, before giving up.
            pass_rate: the share that may be feasible; only how many are asked for at first depends on it.

        Raises:
            Infeasible: too few proposals were feasible; the message has the limits and the best values seen.
        """
        kept: list[IntMatrix] = []
        missing, left = count, count * tries
        lowest = dict.fromkeys((limit.metric for limit in self.limits), math.inf)
        while missing > 0 and left > 0:
            asked = min(left, math.ceil(missing / max(pass_rate, LOWEST_PASS_RATE)))
            rows = propose(asked)
            costs = self.costs(rows)
            lowest = {name: min(value, costs[name].min(initial=math.inf)) for name, value in lowest.items()}
            met = [costs[limit.metric] <= limit.at_most for limit in self.limits]
            kept.append(rows[np.all(met, axis=0)] if met else rows)
            left -= asked  # even if fewer came: loops end
            missing -= len(kept[-1])
            pass_rate = SPARE * (count - missing) / (count * tries - left)
        if missing > 0:
            raise Infeasible(self._complaint(f"{count - missing} of {count * tries - left} proposals", lowest))
        return np.concatenate(kept or [np.empty((0, len(self.space.decisions)), dtype=np.int64)])[:count]

    def _complaint(self, seen: str, lowest: Mapping[str, float]) -> str:
        limits = " and ".join(str(limit) for limit in self.limits)
        values = ", ".join(f"{name} {value:g}" for name, value in lowest.items())
        return f"{seen} meet {limits}; the lowest values seen are {values}: raise the limits or widen the space"

    def sample(self, rng: np.random.Generator, count: int) -> IntMatrix:
        """`count` independent feasible rows: every option of a decision is equally likely, given the limits.

        Plain draws are kept where enough of them are feasible; else draws are conditioned on the limit that fewest
        meet (`FactoredCost.draw_within`) and the other limits are met by rejection.

        Raises:
            Infeasible: a limit that no candidate meets (the message has the lowest cost), or limits that practically
                none meets together.
        """
        rows = self.space.sample(rng, max(FIRST_SAMPLES, 4 * count) if self.limits else count)
        feasible = self.feasible(rows)
        if feasible.sum() >= count:
            return rows[feasible][:count]
        passing = [
            (cost.of(rows) <= limit.at_most).mean() for limit, cost in zip(self.limits, self.factored, strict=True)
        ]
        tightest = int(np.argmin(passing))
        cost, at_most = self.factored[tightest], self.limits[tightest].at_most
        uniform = {path: np.full(len(n.options), 1 / len(n.options)) for path, n in self.space.decisions.items()}
        return self.draw(lambda wanted: cost.draw_within(uniform, at_most, rng, wanted).choices, count)
