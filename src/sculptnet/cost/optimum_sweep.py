"""The sweep behind `cost.optimum`: partial candidates with their exact costs, pruned place by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sculptnet.cost.factored import FactoredCost
from sculptnet.cost.factored_sweep import Picked, Step, costs_to_go, steps_of
from sculptnet.cost.factored_terms import FloatArray
from sculptnet.cost.model import Reduce
from sculptnet.errors import InvalidValue

OTHER_BINS = 40  # bins of the first limit for each bin of another one
MAX_LABELS = 2**24  # at once, about 1 GiB
ROUNDING = 1e-12  # of a limit: sums of floating-point numbers depend on their order

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Labels:
    """Partial candidates after a step.

    Attributes:
        states: of the front, `(n,)`.
        values: objective, then the cost of each limit so far, `(n, 1 + limits)`.
        parents, choices: which label of the step before, and which joint choice of the step's new decisions.
        step, before: the step, and its labels' predecessors; None at the start.
    """

    states: Indices
    values: FloatArray
    parents: Indices
    choices: Indices
    step: Step | None = None
    before: Labels | None = None

    def __len__(self) -> int:
        return len(self.states)

    def picked(self) -> Picked:
        """The option of each decision that was made, by path."""
        found: Picked = {}
        labels, index = self, np.arange(len(self))
        while labels.step is not None and labels.before is not None:
            found |= labels.step.decided(labels.choices[index])
            labels, index = labels.before, labels.parents[index]
        return found


class Sweep:
    """One sweep over the terms of an objective and of limits, in network order.

    Args:
        costs: the objective, then what is limited, over one space.
        at_most: of each limit.
        bins: of the first limit's range.

    Attributes:
        slack: after `run`, of each limit: by how much labels that were dropped may have been cheaper.
    """

    def __init__(self, costs: Sequence[FactoredCost], at_most: Sequence[float], bins: int) -> None:
        space = costs[0].space
        self._sums = [cost.cost.reduce is Reduce.SUM for cost in costs]
        self._start = np.array(
            [[cost.cost.constant if sums else -np.inf for cost, sums in zip(costs, self._sums, strict=True)]]
        )
        self._at_most = np.array(
            [
                limit - (0.0 if cost.cost.reduce is Reduce.SUM else cost.cost.constant)
                for limit, cost in zip(at_most, costs[1:], strict=True)
            ]
        )
        terms = [(which, term) for which, cost in enumerate(costs) for term in cost.terms]
        terms.sort(key=lambda pair: max((space.column[path] for path in pair[1].decisions), default=-1))
        self._which = [which for which, _ in terms]
        self._steps = steps_of(
            [term for _, term in terms], {path: len(node.options) for path, node in space.decisions.items()}
        )
        self._least = [self._to_go(which, dearest=False) for which in range(1, len(costs))]
        self._most = [self._to_go(which, dearest=True) for which in range(1, len(costs))]
        self._widths = self._bin_widths(bins)
        self.slack = (0.0,) * len(at_most)

    def _to_go(self, which: int, *, dearest: bool) -> list[FloatArray]:
        """The least or greatest that the rest adds to one cost, for each step's front and the end."""
        nothing = 0.0 if self._sums[which] else -np.inf
        own = [
            step if whose == which else Step(step.new, step.sizes, np.full_like(step.cost, nothing), step.following)
            for step, whose in zip(self._steps, self._which, strict=True)
        ]
        return costs_to_go(own, Reduce.SUM if self._sums[which] else Reduce.MAX, dearest=dearest)

    def _bin_widths(self, bins: int) -> FloatArray:
        spans = []
        for index, (least, most) in enumerate(zip(self._least, self._most, strict=True)):
            start = float(self._start[0, 1 + index])
            low, high = (max(start, rest) if np.isneginf(start) else start + rest for rest in (least[0][0], most[0][0]))
            spans.append(
                max(min(float(high), float(self._at_most[index])) - float(low), 0.0)
                / max(1, bins if index == 0 else bins // OTHER_BINS)
            )
        return np.array(spans)

    def run(self) -> Labels:
        """The labels of whole candidates; none where nothing is within the limits."""
        zeros = np.zeros(1, dtype=np.int64)
        labels = Labels(zeros, self._start.copy(), zeros, zeros)
        slack = np.zeros(len(self._at_most))
        for index in range(len(self._steps)):
            labels = self._extended(labels, index)
            kept, merged = self._pruned(labels)
            slack += merged * self._widths
            labels = Labels(
                labels.states[kept],
                labels.values[kept],
                labels.parents[kept],
                labels.choices[kept],
                labels.step,
                labels.before,
            )
        self.slack = tuple(float(value) for value in slack)
        return labels

    def _extended(self, labels: Labels, index: int) -> Labels:
        """All labels with all choices of a step that may still meet the limits."""
        step, which = self._steps[index], self._which[index]
        options = step.cost.shape[1]
        if len(labels) * options > MAX_LABELS:
            raise InvalidValue(
                f"{len(labels) * options:,} partial candidates must be compared at once, at most {MAX_LABELS:,} can "
                "be; use fewer limits or bins"
            )
        parents, choices = np.repeat(np.arange(len(labels)), options), np.tile(np.arange(options), len(labels))
        values = labels.values[parents]
        cost = step.cost[labels.states].reshape(-1)
        values[:, which] = values[:, which] + cost if self._sums[which] else np.maximum(values[:, which], cost)
        states = step.following[labels.states].reshape(-1)
        alive = np.isfinite(values[:, 0])
        for limit, at_most in enumerate(self._at_most):
            column = 1 + limit
            join = np.add if self._sums[column] else np.maximum
            alive &= join(values[:, column], self._least[limit][index + 1][states]) <= at_most + ROUNDING * abs(at_most)
            if (
                limit > 0
            ):  # what can no longer be missed needs no comparison; the first limit's cost is wanted in fronts
                safe = join(values[:, column], self._most[limit][index + 1][states]) <= at_most
                values[safe, column] = -np.inf
        return Labels(states[alive], values[alive], parents[alive], choices[alive], step, labels)

    def _pruned(self, labels: Labels) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """Which labels stay, and for each limit whether labels fell that might have been cheaper in it."""
        merged = np.zeros(len(self._at_most), dtype=bool)
        if not len(labels):
            return np.zeros(0, dtype=np.int64), merged
        keys = [labels.states]
        for limit in range(1, len(self._at_most)):
            column = labels.values[:, 1 + limit]
            bins = self._binned(column, limit)
            keys.append(bins)
        groups = (
            np.unique(np.stack(keys), axis=1, return_inverse=True)[1].reshape(-1) if len(keys) > 1 else labels.states
        )
        for limit in range(1, len(self._at_most)):
            merged[limit] = _differ_within(groups, labels.values[:, 1 + limit])
        order = np.lexsort((labels.values[:, 0], labels.values[:, 1], groups))
        order = order[_lower_than_all_before(groups[order], labels.values[order, 0])]
        bins = self._binned(labels.values[order, 1], 0)
        last = np.append((groups[order][1:] != groups[order][:-1]) | (bins[1:] != bins[:-1]), True)
        merged[0] = not last.all()
        return order[last], merged

    def _binned(self, values: FloatArray, limit: int) -> Indices:
        """The bin of each value; exact values where bins have no width."""
        if self._widths[limit] == 0.0:
            return np.unique(values, return_inverse=True)[1].reshape(-1)
        finite = np.where(np.isfinite(values), values, 0.0)
        return np.where(np.isfinite(values), np.floor(finite / self._widths[limit]), np.iinfo(np.int64).min).astype(
            np.int64
        )


def _differ_within(groups: Indices, values: FloatArray) -> bool:
    """Whether some group holds different values."""
    order = np.lexsort((values, groups))
    same = groups[order][1:] == groups[order][:-1]
    return bool((same & (values[order][1:] != values[order][:-1])).any())


def _lower_than_all_before(groups: Indices, values: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a value is below every earlier one of its group; groups follow one another."""
    ranks = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    number = np.cumsum(np.append(0, groups[1:] != groups[:-1]))
    shifted = ranks - number * (len(values) + 1)  # each group lies below all before it
    running = np.minimum.accumulate(shifted)
    return np.append(True, (shifted[1:] < running[:-1]) | (number[1:] != number[:-1]))
