"""Costs that are neither a sum over blocks nor a maximum, but several such together: the memory of weights and maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from sculptnet.arch import SearchSpace
from sculptnet.cost.factored import Draws, FactoredCost
from sculptnet.cost.factored_terms import FloatArray
from sculptnet.cost.model import CostModel
from sculptnet.errors import Infeasible, InvalidValue

BATCHES = 64  # of draws that meet the first part's limit, before none is taken to meet the total


@final
@dataclass(frozen=True)
class TotalCost:
    """The sum of several costs, each with its own way to join blocks.

    Attributes:
        name: with the unit in it.
        parts: all in that unit.

    Raises:
        InvalidValue: there are fewer than two parts.
    """

    name: str
    parts: tuple[CostModel, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise InvalidValue(f"{self.name} must be a total of two costs at least, got {len(self.parts)}")


@final
@dataclass(frozen=True, eq=False)
class FactoredTotal:
    """A `TotalCost` over `space`: priced in bulk, and drawn from under a budget. It has no expectation in closed form.

    Raises:
        NotMeasured, InvalidSpace: as `FactoredCost`.
    """

    space: SearchSpace
    cost: TotalCost

    def __post_init__(self) -> None:
        self.parts  # noqa: B018  # priced now, so that what is missing shows here

    @property
    def name(self) -> str:
        """The cost's name, with the unit in it."""
        return self.cost.name

    @cached_property
    def parts(self) -> tuple[FactoredCost, ...]:
        """Each cost over the space."""
        return tuple(FactoredCost(self.space, part) for part in self.cost.parts)

    def of(self, choices: npt.ArrayLike) -> FloatArray:
        """The cost of each row, shape `(n,)`; as `FactoredCost.of`."""
        first, *others = (part.of(choices) for part in self.parts)
        for other in others:
            first += other
        return first

    def draw_within(
        self, probabilities: Mapping[str, npt.ArrayLike], at_most: float, rng: np.random.Generator, count: int
    ) -> Draws:
        """`count` independent draws from `probabilities` conditioned on a total of at most `at_most`.

        The first part is conditioned on what the least of the others leaves it, the total by rejection: exact.

        Raises:
            Infeasible: practically no candidate of positive probability is within the budget.
            InvalidValue: see `FactoredCost.draw_within`.
        """
        first = self.parts[0]
        left, *taken = (part.extremes()[0].value for part in self.parts)
        room = at_most - sum(taken)
        if room < left:
            raise Infeasible(
                f"no candidate has {self.name} <= {at_most:g}: the least of its parts make {left + sum(taken):g}; "
                "raise the limit or widen the space"
            )
        kept, drawn, lowest, pass_rate = [], 0, np.inf, 1.0
        for _ in range(BATCHES):
            rows, pass_rate = first.draw_within(probabilities, room, rng, count)
            totals = self.of(rows)
            kept.append(rows[totals <= at_most])
            drawn, lowest = drawn + count, min(lowest, float(totals.min(initial=np.inf)))
            if sum(map(len, kept)) >= count:
                rows = np.concatenate(kept)
                return Draws(rows[:count], pass_rate * len(rows) / drawn)
        raise Infeasible(
            f"{sum(map(len, kept))} of {drawn} draws have {self.name} <= {at_most:g}, {count} are needed; the lowest "
            f"seen is {lowest:g}: raise the limit or widen the space"
        )


Priced: TypeAlias = FactoredCost | FactoredTotal


def factored(space: SearchSpace, cost: CostModel | TotalCost) -> Priced:
    """`cost` over `space`."""
    return FactoredTotal(space, cost) if isinstance(cost, TotalCost) else FactoredCost(space, cost)
