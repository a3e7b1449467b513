"""Exact draws of candidates within a budget, by dynamic programming over a grid and rejection of the rest.

Costs are rounded down to the grid, a backward sweep computes how likely every partial candidate is to stay within the
budget, and candidates are drawn forward from that. The few whose exact cost is over the budget are rejected, which
leaves exactly the distribution conditioned on the budget. The grid is made finer while many are rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sculptnet.cost.factored_sweep import Picked, Step, costs_to_go
from sculptnet.cost.factored_terms import FloatArray
from sculptnet.cost.model import Reduce
from sculptnet.errors import Infeasible

CHUNK = 2**20  # numbers worked on at once
FIRST_WORK, MAX_WORK = 2**23, 2**29  # numbers that a sweep handles: states times choices times cells
MIN_CELLS, FIRST_CELLS, MAX_CELLS = 2**7, 2**11, 2**16  # of the grid
REFINEMENT = 4
ENOUGH_ACCEPTED = 0.2  # of the draws; below, a finer grid is tried
MIN_DRAWS = 1024  # at once
ROUNDS = 1000  # of draws, before giving up
ROUNDING = 1e-14  # of the largest cost: what a sum of floating-point numbers may be off by

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Budget:
    """Which draws are wanted.

    Attributes:
        steps: the sweep; joint choices of probability 0 cost infinity.
        weights: for each step, the probability of each joint choice of its new decisions.
        reduce: how the costs of steps join.
        room: what may be spent: in a sum above the least cost, at least 0; in a maximum the limit itself.
        within: whether the exact cost of each draw is within the limit.
    """

    steps: Sequence[Step]
    weights: Sequence[FloatArray]
    reduce: Reduce
    room: float
    within: Callable[[Picked], npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Tables:
    """One backward sweep.

    Attributes:
        cells: of the grid: the quantised budget.
        spent: for each step `(states, choices)`: quantised cost, `cells + 1` where it is over any budget.
        log_weight: for each step, the log probability of each joint choice of its new decisions.
        log_pass: for each step and for the end, `(states, 2 * cells + 2)`: the log probability that the rest fits into
            what is left of the budget, for what is left from `-cells - 1` to `cells`.
    """

    cells: int
    spent: Sequence[IntArray]
    log_weight: Sequence[FloatArray]
    log_pass: Sequence[FloatArray]

    @property
    def pass_rate(self) -> float:
        """The probability that the quantised cost of an unconditioned draw is within the budget."""
        return float(np.exp(self.log_pass[0][0, -1]))


def conditional_draws(budget: Budget, rng: np.random.Generator, count: int) -> tuple[Picked, float]:
    """`count` independent draws within a budget that can be met, and the pass rate of unconditioned draws.

    Raises:
        Infeasible: all but a vanishing part of the probability lies on candidates over the limit by less than the
            finest grid can tell.
    """
    tables, picked, passed = _fine_enough(budget, rng, max(MIN_DRAWS, count + count // 4))
    kept, tried = [_only(picked, passed)], len(passed)
    missing = count - int(passed.sum())
    for _ in range(ROUNDS):
        if missing <= 0:
            break
        picked = draw(budget.steps, tables, rng, max(MIN_DRAWS, 2 * missing))
        passed = budget.within(picked)
        kept.append(_only(picked, passed))
        tried, missing = tried + len(passed), missing - int(passed.sum())
    if missing > 0:
        raise Infeasible(
            f"only {count - missing} of {tried} draws are within the limit, all others are over it by a hair: nearly "
            "all the probability lies just above the limit; raise the limit a little"
        )
    found = {path: np.concatenate([part[path] for part in kept])[:count] for path in kept[0]}
    return found, tables.pass_rate * (count - missing) / tried


def _only(picked: Picked, passed: npt.NDArray[np.bool_]) -> Picked:
    return {path: indices[passed] for path, indices in picked.items()}


def _fine_enough(budget: Budget, rng: np.random.Generator, count: int) -> tuple[Tables, Picked, npt.NDArray[np.bool_]]:
    """A sweep whose draws are mostly within the exact budget, and its first draws."""
    states = sum(step.cost.size for step in budget.steps)
    cells = int(np.clip(FIRST_WORK // states, MIN_CELLS, FIRST_CELLS)) if budget.reduce is Reduce.SUM else 0
    while True:
        tables = backward(budget, cells)
        picked = draw(budget.steps, tables, rng, count)
        passed = budget.within(picked)
        cells *= REFINEMENT
        finest = cells == 0 or cells > MAX_CELLS or cells * states > MAX_WORK
        if finest or passed.mean() >= ENOUGH_ACCEPTED:
            return tables, picked, passed


# ---------------------------------------------------------------------- the grid
def quantised(budget: Budget, cells: int) -> list[IntArray]:
    """The cost of every step in cells, rounded down; `cells + 1` for what no budget admits.

    A sum is counted as excess: what each choice adds to the least possible total. It is at least 0, and 0 all along a
    cheapest path, so the grid divides the room above the least total and is fine exactly where the budget is tight.
    """
    if budget.reduce is Reduce.MAX:
        return [np.where(step.cost <= budget.room, 0, 1) for step in budget.steps]
    excesses = excess_costs(budget.steps)
    largest = [float(step.cost[np.isfinite(step.cost)].__abs__().max(initial=0.0)) for step in budget.steps]
    most = sum(float(excess[np.isfinite(excess)].max(initial=0.0)) for excess in excesses)
    rounding = ROUNDING * sum(largest)
    cell = max(min(budget.room, most), rounding) / cells or 1.0
    down = [np.floor(np.maximum(excess - rounding, 0.0) / cell) for excess in excesses]  # // makes NaN of infinity
    return [np.minimum(spent, cells + 1).astype(np.int64) for spent in down]


def excess_costs(steps: Sequence[Step]) -> list[FloatArray]:
    """Costs of a sum as what each choice adds to the least possible total; what costs infinity stays infinite.

    Along a whole path the excesses add up to the cost minus the least total.
    """
    to_go = costs_to_go(steps, Reduce.SUM)
    result = []
    for step, here, rest in zip(steps, to_go[:-1], to_go[1:], strict=True):
        reachable = np.where(np.isfinite(here), here, 0.0)[:, None]
        result.append(np.maximum(step.cost + rest[step.following] - reachable, 0.0))
    return result


# ---------------------------------------------------------------------- backward and forward
def backward(budget: Budget, cells: int) -> Tables:
    """How likely it is, from every state with every rest of the budget, that a draw stays within it."""
    spent = quantised(budget, cells)
    with np.errstate(divide="ignore"):
        log_weight = [np.log(weight) for weight in budget.weights]
    log_pass = [_padded(np.zeros((1, cells + 1)))]
    for step, costs, log_p in zip(reversed(budget.steps), reversed(spent), reversed(log_weight), strict=True):
        log_pass.insert(0, _padded(_folded(step.following, costs, log_p, log_pass[0])))
    return Tables(cells, spent, log_weight, log_pass)


def _padded(values: FloatArray) -> FloatArray:
    """Minus infinity in front, where the budget is overdrawn."""
    return np.concatenate([np.full_like(values, -np.inf), values], axis=1)


def _folded(following: IntArray, spent: IntArray, log_weight: FloatArray, rest: FloatArray) -> FloatArray:
    """log of the sum over choices of weight times probability that the rest fits, `(states, cells + 1)`."""
    width = rest.shape[1]
    start = following * width + width // 2 - spent
    left = np.arange(width // 2)
    result = np.empty((len(spent), width // 2))
    rows = max(1, CHUNK // (spent.shape[1] * (width // 2)))
    for row in range(0, len(spent), rows):
        part = rest.take(start[row : row + rows, :, None] + left) + log_weight[None, :, None]
        peak = part.max(axis=1)
        peak[np.isneginf(peak)] = 0.0
        with np.errstate(divide="ignore"):
            result[row : row + rows] = peak + np.log(np.exp(part - peak[:, None]).sum(axis=1))
    return result


def draw(steps: Sequence[Step], tables: Tables, rng: np.random.Generator, count: int) -> Picked:
    """`count` independent draws within the quantised budget: option indices per decision."""
    state, left = np.zeros(count, dtype=np.int64), np.full(count, tables.cells, dtype=np.int64)
    picked: Picked = {}
    for step, spent, log_weight, rest in zip(steps, tables.spent, tables.log_weight, tables.log_pass[1:], strict=True):
        uniform = rng.random(count)
        choice = np.empty(count, dtype=np.int64)
        rows = max(1, CHUNK // step.cost.shape[1])
        for row in range(0, count, rows):
            part = slice(row, row + rows)
            start = left[part, None] + rest.shape[1] // 2 - spent[state[part]]
            log_p = rest.take(step.following[state[part]] * rest.shape[1] + start) + log_weight
            choice[part] = _categorical(log_p, uniform[part])
        picked.update(step.decided(choice))
        left -= spent[state, choice]
        state = step.following[state, choice]
    return picked


def _categorical(log_p: FloatArray, uniform: FloatArray) -> IntArray:
    """One index per row of unnormalised log probabilities."""
    mass = np.exp(log_p - log_p.max(axis=1, keepdims=True)).cumsum(axis=1)
    total = mass[:, -1:]
    index: IntArray = (mass <= uniform[:, None] * total).sum(axis=1)
    last: IntArray = (mass < total).sum(axis=1)
    return np.minimum(index, last)  # rounding may carry uniform * total up to total
