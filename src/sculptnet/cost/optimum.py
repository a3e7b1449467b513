"""The best candidates of a space: least of one cost under limits on others, by a sweep that keeps what may still win.

Partial candidates (labels) are extended place by place. Of two that the rest of the network cannot tell apart, one that
is better in nothing goes. Where too many are left, costs are compared in bins, and of several in one bin the least
objective stays. Nothing is rounded: labels carry exact costs, so limits hold exactly; where no bin ever held two labels
that both could win the optimum is exact, otherwise it is exact to a slack that is stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from sculptnet.arch import Architecture, Block, Choices, IntMatrix, TensorShape
from sculptnet.cost.factored import FactoredCost
from sculptnet.cost.factored_sweep import Picked, as_rows
from sculptnet.cost.model import Reduce
from sculptnet.cost.optimum_sweep import Labels, Sweep
from sculptnet.errors import Infeasible, InvalidValue, collected

BINS = 4_000


class Bound(NamedTuple):
    """A cost over the same space, and the most it may be."""

    cost: FactoredCost
    at_most: float


class Optimum(NamedTuple):
    """A candidate of least objective.

    Attributes:
        choices: canonical.
        objective: of the candidate, exactly.
        costs: of each limit, exactly.
        slack: for each limit: no candidate that leaves this much of all of them unused has a lower objective. 0: none.
    """

    choices: Choices
    objective: float
    costs: tuple[float, ...]
    slack: tuple[float, ...]


def optimum(objective: FactoredCost, limits: Sequence[Bound], *, bins: int = BINS) -> Optimum:
    """The candidate of least `objective` within all `limits`.

    Args:
        objective: a cost that adds up.
        limits: one at least, over the same space; sums or maxima.
        bins: that the range of the first limit is divided into where labels are compared; others get a fortieth.

    Raises:
        Infeasible: no candidate is within the limits.
        InvalidValue: the costs are over different spaces, the objective is a maximum, there is no limit or no bin.
    """
    return front(objective, limits, bins=bins)[-1]


def front(objective: FactoredCost, limits: Sequence[Bound], *, bins: int = BINS) -> tuple[Optimum, ...]:
    """All candidates that nothing beats in both `objective` and the first limit's cost, within all `limits`.

    From the cheapest to the one of least objective: every budget up to the first limit is answered by the last entry
    within it. An infinite first limit gives all budgets. Arguments and errors: see `optimum`.
    """
    _check(objective, limits, bins)
    sweep = Sweep([objective, *(limit.cost for limit in limits)], [limit.at_most for limit in limits], bins)
    rows = _rows(objective, sweep.run())
    values = np.stack([cost.of(rows) for cost in (objective, *(limit.cost for limit in limits))], axis=1)
    within = (values[:, 1:] <= [limit.at_most for limit in limits]).all(axis=1) if len(rows) else np.zeros(0, bool)
    rows, values = rows[within], values[within]
    if not len(rows):
        least = ", ".join(f"{limit.cost.name} {limit.cost.extremes()[0].value:g}" for limit in limits)
        wanted = " and ".join(f"{limit.cost.name} <= {limit.at_most:g}" for limit in limits)
        raise Infeasible(
            f"no candidate has {wanted}: the least of each alone is {least}; raise a limit or widen the space"
        )
    found, best = [], math.inf
    for index in np.lexsort((values[:, 0], values[:, 1])):
        if values[index, 0] < best:
            best = values[index, 0]
            choices = tuple(int(choice) for choice in rows[index])
            costs = tuple(float(value) for value in values[index, 1:])
            found.append(Optimum(choices, float(best), costs, sweep.slack))
    return tuple(found)


def diverse(
    objective: FactoredCost, limits: Sequence[Bound], *, count: int, share: float = 0.2, bins: int = BINS
) -> tuple[Optimum, ...]:
    """The optimum, then one after the other the best candidates that differ from all before in a share of the places.

    Scores that were made without training rank close candidates poorly: a few that really differ are worth a short
    training each (Bercovich et al., Puzzle, ICML 2025).

    Args:
        objective, limits, bins: see `optimum`; each answer is exact in that sense.
        count: at most that many; fewer where the space has no more.
        share: of the places of the space where something is open, rounded up.

    Raises:
        Infeasible: not even one candidate is within the limits.
        InvalidValue: as `optimum`, or a share outside of 0..1 or a count below 1.
    """
    if not 0 <= share <= 1 or count < 1:
        raise InvalidValue(f"diverse: share must lie in 0..1 and count be at least 1, got {share} and {count}")
    space = objective.space
    opened = {".".join(path.split("[")[0].split(".")[:3]) for path in space.decisions if path.startswith("stages.")}
    opened |= {path.split(".")[0] for path in space.decisions if not path.startswith(("stages.", "recipe"))}
    least = math.ceil(share * len(opened))
    found: list[Optimum] = []
    more: list[Bound] = []
    while len(found) < count:
        try:
            best = optimum(objective, [*limits, *more], bins=bins)
        except Infeasible:
            if not found:
                raise
            break
        found.append(best._replace(costs=best.costs[: len(limits)], slack=best.slack[: len(limits)]))
        more.append(Bound(FactoredCost(space, Alike(space.decode(best.choices).architecture)), -float(least)))
    return tuple(found)


@final
@dataclass(frozen=True, eq=False)
class Alike:
    """Minus the number of blocks that differ from those of `architecture` at the same places.

    Attributes:
        architecture: decided.
    """

    architecture: Architecture
    name: str = "blocks_alike"
    constant: float = 0.0
    reduce: Reduce = Reduce.SUM

    @cached_property
    def _blocks(self) -> dict[str, Block]:
        return dict(self.architecture.named())

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """0 of the block that stands there, -1 of any other."""
        return 0.0 if self._blocks.get(path) == block else -1.0


def _check(objective: FactoredCost, limits: Sequence[Bound], bins: int) -> None:
    problems = []
    if objective.cost.reduce is not Reduce.SUM:
        problems.append(f"the objective must add up, {objective.name} is a maximum")
    if not limits:
        problems.append("there must be a limit; without any, FactoredCost.extremes has the answer")
    problems += [f"{limit.cost.name} is over another space" for limit in limits if limit.cost.space != objective.space]
    problems += [f"the limit of {limit.cost.name} is no number" for limit in limits if math.isnan(limit.at_most)]
    if bins < 1:
        problems.append(f"bins must be at least 1, got {bins}")
    if problems:
        raise InvalidValue(collected(problems, "optimum"))


def _rows(objective: FactoredCost, labels: Labels) -> IntMatrix:
    """Canonical rows of the labels at the end of a sweep."""
    picked: Picked = labels.picked()
    space = objective.space
    rows = as_rows(picked, space.column) if picked else np.zeros((len(labels), len(space.decisions)), dtype=np.int64)
    return space.canonical(rows)
