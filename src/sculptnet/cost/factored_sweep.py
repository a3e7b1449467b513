"""Sweeps over the terms of a cost by dynamic programming: exact extremes here, draws in `factored_draws`.

The terms are visited in network order. What has been decided and still matters later is the *front*: nothing in FBNet's
space, a width in a space of open widths, the resolution all along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sculptnet.arch import IntMatrix
from sculptnet.cost.factored_terms import FloatArray, Term
from sculptnet.cost.model import Reduce
from sculptnet.errors import InvalidValue

MAX_STATES = 2**24  # joint choices of one step
Picked: TypeAlias = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Step:
    """One term in a sweep.

    Attributes:
        new: the decisions that are made here, `sizes` their numbers of options.
        cost: of the term, shape `(states of the front, joint choices of new)`.
        following: the state of the next step's front, same shape.
    """

    new: tuple[str, ...]
    sizes: tuple[int, ...]
    cost: FloatArray
    following: npt.NDArray[np.int64]

    def weights(self, probabilities: Mapping[str, FloatArray]) -> FloatArray:
        """The probability of each joint choice of `new`."""
        result = np.ones(1)
        for path in self.new:
            result = np.multiply.outer(result, probabilities[path]).reshape(-1)
        return result

    def decided(self, choice: npt.NDArray[np.int64]) -> Picked:
        """The index of each decision of `new`, from indices of joint choices."""
        return dict(zip(self.new, np.unravel_index(choice, self.sizes), strict=True)) if self.new else {}


def steps_of(terms: Sequence[Term], num_options: Mapping[str, int]) -> tuple[Step, ...]:
    """The sweep over `terms`.

    Raises:
        InvalidValue: too many decisions are shared by distant parts of the network.
    """
    last = {path: index for index, term in enumerate(terms) for path in term.decisions}
    front: tuple[str, ...] = ()
    steps = []
    for index, term in enumerate(terms):
        new = tuple(path for path in term.decisions if path not in front)
        after = tuple(path for path in (*front, *new) if last[path] > index)
        front_sizes = [num_options[path] for path in front]
        sizes = tuple(num_options[path] for path in new)
        shape = (int(np.prod(front_sizes, dtype=np.int64)), int(np.prod(sizes, dtype=np.int64)))
        if shape[0] * shape[1] > MAX_STATES:
            raise InvalidValue(
                f"{shape[0] * shape[1]:,} joint choices of {', '.join((*front, *new))} matter at once; "
                f"at most {MAX_STATES:,} can be swept, share fewer decisions between distant places"
            )
        axes = (*front, *new)
        full = [*front_sizes, *sizes]
        order = sorted(axes, key=lambda path: term.decisions.index(path) if path in term.decisions else -1)
        table = term.along(order).transpose([order.index(path) for path in axes])
        steps.append(
            Step(
                new,
                sizes,
                np.ascontiguousarray(np.broadcast_to(table, full)).reshape(shape),
                _following(axes, full, after).reshape(shape),
            )
        )
        front = after
    return tuple(steps)


def _following(axes: Sequence[str], sizes: Sequence[int], after: Sequence[str]) -> npt.NDArray[np.int64]:
    lengths = dict(zip(axes, sizes, strict=True))
    result = np.zeros(sizes, dtype=np.int64)
    stride = 1
    for path in reversed(after):
        shape = [lengths[path] if axis == path else 1 for axis in axes]
        result += stride * np.arange(lengths[path]).reshape(shape)
        stride *= lengths[path]
    return result


# ---------------------------------------------------------------------- extremes
def costs_to_go(steps: Sequence[Step], reduce: Reduce, *, dearest: bool = False) -> list[FloatArray]:
    """For each step and state of its front, the least (or greatest) cost of the rest; one entry more, for the end."""
    empty = 0.0 if reduce is Reduce.SUM else -np.inf
    to_go = [np.full(1, empty)]
    for step in reversed(steps):
        totals = _totals(step, to_go[0], reduce)
        to_go.insert(0, totals.max(axis=1) if dearest else totals.min(axis=1))
    return to_go


def extreme(steps: Sequence[Step], reduce: Reduce, *, dearest: bool = False) -> dict[str, int]:
    """The choices of one candidate of least (or greatest) cost."""
    to_go = costs_to_go(steps, reduce, dearest=dearest)
    state, picks = 0, dict[str, int]()
    for step, rest in zip(steps, to_go[1:], strict=True):
        totals = _totals(step, rest, reduce)[state]
        choice = int(totals.argmax() if dearest else totals.argmin())
        picks.update({path: int(index) for path, index in step.decided(np.array(choice)).items()})
        state = int(step.following[state, choice])
    return picks


def _totals(step: Step, rest: FloatArray, reduce: Reduce) -> FloatArray:
    following = rest[step.following]
    return step.cost + following if reduce is Reduce.SUM else np.maximum(step.cost, following)


def as_rows(picked: Picked, column: Mapping[str, int]) -> IntMatrix:
    """Rows of choices; decisions that were not picked are 0."""
    count = max((len(indices) for indices in picked.values()), default=0)
    rows = np.zeros((count, len(column)), dtype=np.int64)
    for path, indices in picked.items():
        rows[:, column[path]] = indices
    return rows
