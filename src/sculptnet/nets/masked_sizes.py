"""Widths of a space as tables over its decisions, and masks: the expectation of a prefix under soft weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from sculptnet.arch import IntMatrix, SearchSpace

Picks: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Sizes:
    """A whole number for every joint choice of a few decisions.

    Attributes:
        decisions: paths, in the order of the space's columns.
        table: one axis per decision; none if the number never changes.
    """

    decisions: tuple[str, ...]
    table: IntMatrix

    @property
    def largest(self) -> int:
        """The largest number."""
        return int(self.table.max())

    def alternatives(self) -> list[tuple[Picks, int]]:
        """Every joint choice with its number."""
        return [
            (dict(zip(self.decisions, index, strict=True)), int(self.table[index]))
            for index in np.ndindex(self.table.shape)
        ]

    def joint(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The weight of every joint choice, float64, flat: the product of the decisions' own."""
        product = torch.ones(1, dtype=torch.float64)
        for path in self.decisions:
            product = torch.outer(product.to(weights[path].device), weights[path].double()).reshape(-1)
        return product

    def mask(self, weights: Mapping[str, Tensor], width: int) -> Tensor:
        """The masks 1...10...0 of all numbers, weighted and summed, float64 `(width,)`.

        Entry c is the weight of all numbers above c: with weights of sum 1, the probability that channel c is there.
        """
        joint = self.joint(weights)
        numbers = torch.from_numpy(self.table.reshape(-1)).to(joint.device)
        of_number = joint.new_zeros(width + 1).index_add(0, numbers, joint)
        return of_number.flip(0).cumsum(0).flip(0)[1:]

    def mean(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The expected number, float64 `(1,)`."""
        joint = self.joint(weights)
        numbers = torch.from_numpy(self.table.reshape(-1)).to(joint)
        return (joint * numbers).sum(0, keepdim=True)


class Found:
    """Makes `Sizes`, equal ones once: what several candidates share is computed once in a step."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._known: dict[tuple[tuple[str, ...], bytes], Sizes] = {}

    def sizes(self, entries: Sequence[tuple[Picks, int]]) -> Sizes:
        """One table of `entries`, without decisions that change nothing; one that an entry does not name is free."""
        used = {path for picks, _ in entries for path in picks}
        decisions = tuple(sorted(used, key=self.space.column.__getitem__))
        table = np.zeros([len(self.space.decisions[path].options) for path in decisions], dtype=np.int64)
        for picks, number in entries:
            table[tuple(picks.get(path, slice(None)) for path in decisions)] = number
        for axis in reversed(range(table.ndim)):
            first = np.asarray(table.take(0, axis))
            if (table == np.expand_dims(first, axis)).all():
                decisions, table = decisions[:axis] + decisions[axis + 1 :], first
        return self._known.setdefault((decisions, table.tobytes()), Sizes(decisions, table))
