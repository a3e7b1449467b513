"""A cost over a whole search space at once: priced in bulk, in expectation, and drawn from under a budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sculptnet.arch import Choices, IntMatrix, SearchSpace
from sculptnet.cost.factored_draws import Budget, conditional_draws
from sculptnet.cost.factored_sweep import Picked, Step, as_rows, extreme, steps_of
from sculptnet.cost.factored_terms import FloatArray, Term, joined, terms_of
from sculptnet.cost.model import CostModel, Reduce
from sculptnet.errors import Infeasible, InvalidValue, collected, suggestion

GROUP_ENTRIES = 2**13  # terms are looked up together while their table stays within 64 KiB, the first caches of a core
ROWS = 2**11  # looked up at once, so that the work stays in the second cache
PROBABILITY_TOLERANCE = 1e-5  # single precision admits no less


class Draws(NamedTuple):
    """Candidates within a budget. `pass_rate`: the probability that an unconditioned draw is within it."""

    choices: IntMatrix
    pass_rate: float


class Extreme(NamedTuple):
    """A candidate, as canonical choices, and its cost."""

    choices: Choices
    value: float


class _Lookup(NamedTuple):
    """Tables `entries`, one behind the other from `starts`; `radices @ row` is the place of a row in each of them."""

    radices: FloatArray
    starts: IntMatrix
    entries: FloatArray


@dataclass(frozen=True, eq=False)
class FactoredCost:
    """`cost` over `space`, priced once for every block, input shape and presence that can occur.

    Raises:
        NotMeasured: the cost model cannot price something that can occur.
        InvalidSpace: a block breaks the rules that keep costs local.
    """

    space: SearchSpace
    cost: CostModel

    def __post_init__(self) -> None:
        self.terms  # noqa: B018  # priced now, so that what is missing shows here

    @property
    def name(self) -> str:
        """The cost model's name, with the unit in it."""
        return self.cost.name

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Tables whose sum (or maximum), plus the constant, is the cost; in network order."""
        return terms_of(self.space, self.cost)

    @cached_property
    def decisions(self) -> tuple[str, ...]:
        """The decisions that the cost depends on, in the order of the space's columns."""
        used = {path for term in self.terms for path in term.decisions}
        return tuple(path for path in self.space.decisions if path in used)

    # ------------------------------------------------------------------ many candidates
    def of(self, choices: npt.ArrayLike) -> FloatArray:
        """The cost of each row, shape `(n,)`; `choices`: `(n, decisions)` or one row.

        Raises:
            InvalidValue: wrong number of columns, or an index out of range.
        """
        matrix = np.atleast_2d(np.asarray(choices))
        if matrix.ndim != 2 or matrix.shape[1] != len(self.space.decisions) or matrix.dtype.kind not in "iu":
            raise InvalidValue(
                f"choices must be whole numbers, {len(self.space.decisions)} columns, one per decision, "
                f"got {matrix.dtype} {matrix.shape}"
            )
        result = np.empty(len(matrix))
        for start in range(0, len(matrix), ROWS):
            result[start : start + ROWS] = self._of_few(matrix[start : start + ROWS])
        return result

    def _of_few(self, matrix: IntMatrix) -> FloatArray:
        columns = np.ascontiguousarray(matrix.T, dtype=np.float64)  # whose products are fast, and exact below 2**53
        if columns.min() < 0 or (columns.max(axis=1) >= self.space.num_options).any():
            self.space.canonical(matrix)  # raises and says where
        index = (self._lookup.radices @ columns).astype(np.int64)
        index += self._lookup.starts
        parts = self._lookup.entries.take(index, mode="clip")  # all in range; clipping spares another check
        total: FloatArray = parts.sum(axis=0) if self.cost.reduce is Reduce.SUM else parts.max(axis=0)
        return total + self.cost.constant

    @cached_property
    def _lookup(self) -> _Lookup:
        """Neighbouring terms joined while their table stays small, all tables behind each other."""
        groups: list[list[Term]] = []
        for term in self.terms:
            if groups and self._num_entries([*groups[-1], term]) <= GROUP_ENTRIES:
                groups[-1].append(term)
            else:
                groups.append([term])
        tables = [joined(group, self.space, self.cost.reduce) for group in groups]
        radices = np.zeros((len(tables), len(self.space.decisions)))
        for row, table in zip(radices, tables, strict=True):
            radix = 1
            for path, size in zip(reversed(table.decisions), reversed(table.table.shape), strict=True):
                row[self.space.column[path]], radix = radix, radix * size
        ends = np.cumsum([table.table.size for table in tables])
        starts = np.concatenate([[0], ends[:-1]])[:, None]
        return _Lookup(radices, starts, np.concatenate([table.table.reshape(-1) for table in tables]))

    def _num_entries(self, terms: Sequence[Term]) -> int:
        used = {path for term in terms for path in term.decisions}
        return int(np.prod([len(self.space.decisions[path].options) for path in used], dtype=np.float64))

    # ------------------------------------------------------------------ expectation
    def expected(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The expected cost if every decision is drawn independently; exact, differentiable, a scalar.

        Args:
            weights: for each decision that the cost depends on, the probabilities of its options, shape `(options,)`.
                The result has their type, at least float32, and device.

        Raises:
            InvalidValue: the cost is a maximum, whose expectation is no sum; or weights are missing or misshapen.
        """
        if self.cost.reduce is not Reduce.SUM:
            raise InvalidValue(
                f"{self.name} is a maximum over blocks, its expectation is not a sum of small tables; use a limit, "
                "which conditions draws on it, or a cost that adds up"
            )
        self._check({path: tuple(weight.shape) for path, weight in weights.items()}, "weights", self.decisions)
        some = next(iter(weights.values()), torch.zeros(()))
        dtype = torch.promote_types(some.dtype, torch.float32)
        total = torch.full((), self.cost.constant, dtype=dtype, device=some.device)
        for term in self.terms:
            part = torch.as_tensor(term.table, dtype=dtype, device=some.device)
            for path in reversed(term.decisions):
                part = part @ weights[path].to(dtype)
            total = total + part
        return total

    def _check(self, shapes: Mapping[str, tuple[int, ...]], what: str, needed: Iterable[str]) -> None:
        known = self.space.decisions
        problems = [f"{path} is no decision; {suggestion(path, known)}" for path in shapes if path not in known]
        problems += [f"{path} is missing" for path in needed if path not in shapes]
        problems += [
            f"{path} has the shape {shape}, but {len(known[path].options)} options"
            for path, shape in shapes.items()
            if path in known and shape != (len(known[path].options),)
        ]
        if problems:
            raise InvalidValue(collected(problems, what))

    # ------------------------------------------------------------------ sweeps
    @cached_property
    def _steps(self) -> tuple[Step, ...]:
        return steps_of(self.terms, {path: len(node.options) for path, node in self.space.decisions.items()})

    def extremes(self) -> tuple[Extreme, Extreme]:
        """A cheapest and a dearest candidate of the space, exactly."""
        return self._extreme(self._steps), self._extreme(self._steps, dearest=True)

    def _extreme(self, steps: Sequence[Step], *, dearest: bool = False) -> Extreme:
        picks = extreme(steps, self.cost.reduce, dearest=dearest)
        row = self.space.canonical([[picks.get(path, 0) for path in self.space.decisions]])
        return Extreme(tuple(int(index) for index in row[0]), float(self.of(row)[0]))

    def draw_within(
        self, probabilities: Mapping[str, npt.ArrayLike], at_most: float, rng: np.random.Generator, count: int
    ) -> Draws:
        """`count` independent draws from `probabilities` conditioned on a cost of at most `at_most`; exact.

        Args:
            probabilities: of the options of every decision of the space, each drawn independently.
            at_most: the budget, in the unit of the cost, the constant included.
            rng: what to draw from.
            count: how many rows; they are canonical.

        Raises:
            Infeasible: no candidate of positive probability is within the budget; the message has the lowest cost.
            InvalidValue: probabilities that are missing, misshapen, negative or do not sum to 1.
        """
        chances = self._chances(probabilities)
        weights = [step.weights(chances) for step in self._steps]
        steps = [
            Step(step.new, step.sizes, np.where(weight > 0, step.cost, np.inf), step.following)
            for step, weight in zip(self._steps, weights, strict=True)
        ]
        lowest = self._extreme(steps).value
        if not lowest <= at_most:
            raise Infeasible(
                f"no candidate has {self.name} <= {at_most:g}: the lowest is {lowest:g}; raise the limit or widen "
                "the space"
            )
        column = self.space.column

        def within(picked: Picked) -> npt.NDArray[np.bool_]:
            return self.of(as_rows(picked, column)) <= at_most

        room = at_most - (lowest if self.cost.reduce is Reduce.SUM else self.cost.constant)
        budget = Budget(steps, weights, self.cost.reduce, room, within)
        picked, pass_rate = conditional_draws(budget, rng, count) if self.decisions else ({}, 1.0)
        free = {path: rng.choice(len(chances[path]), count, p=chances[path]) for path in chances if path not in picked}
        rows = as_rows({**picked, **free}, column)
        return Draws(self.space.canonical(rows), pass_rate)

    def _chances(self, probabilities: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
        chances = {path: np.asarray(values, dtype=np.float64) for path, values in probabilities.items()}
        self._check({path: values.shape for path, values in chances.items()}, "probabilities", self.space.decisions)
        problems = [
            f"{path} must be at least 0 and sum to 1, got {np.array2string(values, precision=4)}"
            for path, values in chances.items()
            if not (values.min() >= 0 and abs(values.sum() - 1) <= PROBABILITY_TOLERANCE)
        ]
        if problems:
            raise InvalidValue(collected(problems, "probabilities"))
        return {path: chances[path] / chances[path].sum() for path in self.space.decisions}
