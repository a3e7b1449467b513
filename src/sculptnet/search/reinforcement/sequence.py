"""The decisions of a space as a sequence: what a controller decides one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from sculptnet.arch import IntMatrix, SearchSpace
from sculptnet.arch.rules import Decision, find_decisions

Mask: TypeAlias = npt.NDArray[np.bool_]
Condition: TypeAlias = tuple[int, Mask]  # a step, and which of its options meet the condition


@final
@dataclass(frozen=True)
class Sequence:
    """The decisions of `space` in an order in which each comes after those that can switch it off.

    So a controller knows at every step whether the decision matters. One that does not is 0, as in canonical rows, and
    nothing is drawn: then the probabilities of all candidates sum to 1.
    """

    space: SearchSpace

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """The column of each step: the space's own order, except where that is too early."""
        waiting = dict(enumerate(self._decisions))
        placed: dict[str, int] = {}
        while waiting:
            column = next(index for index, decision in waiting.items() if self._needs(decision) <= placed.keys())
            placed[waiting.pop(column).path] = column
        return tuple(placed.values())

    @cached_property
    def num_options(self) -> tuple[int, ...]:
        """The number of options at each step."""
        return tuple(int(self.space.num_options[column]) for column in self.columns)

    def alive(self, step: int, steps: IntMatrix) -> Mask:
        """Whether the decision at `step` matters, for each row of `steps`, which is decided up to there."""
        alternatives = self._alternatives[step]
        result = np.zeros(len(steps), dtype=bool)
        for conditions in alternatives:
            met = np.ones(len(steps), dtype=bool)
            for earlier, allowed in conditions:
                met &= allowed[steps[:, earlier]]
            result |= met
        return result

    def all_alive(self, steps: IntMatrix) -> Mask:
        """Whether each decision matters, `(rows, steps)`."""
        return np.stack([self.alive(step, steps) for step in range(len(self.columns))], axis=1)

    def steps(self, rows: IntMatrix) -> IntMatrix:
        """Rows of the space, columns in the order of the steps."""
        return np.ascontiguousarray(rows[:, list(self.columns)])

    def rows(self, steps: IntMatrix) -> IntMatrix:
        """The inverse of `steps`."""
        result = np.empty_like(steps)
        result[:, list(self.columns)] = steps
        return result

    @cached_property
    def _decisions(self) -> tuple[Decision, ...]:
        return find_decisions(self.space.architecture, self.space.recipe)

    def _needs(self, decision: Decision) -> set[str]:
        """The decisions that can switch this one off."""
        always = () in decision.alive_when
        return set() if always else {path for conditions in decision.alive_when for path, _ in conditions}

    @cached_property
    def _alternatives(self) -> tuple[tuple[tuple[Condition, ...], ...], ...]:
        step_of = {self._decisions[column].path: step for step, column in enumerate(self.columns)}
        return tuple(
            tuple(
                tuple((step_of[path], self._allowed(path, options)) for path, options in conditions)
                for conditions in (((),) if () in found.alive_when else found.alive_when)
            )
            for found in (self._decisions[column] for column in self.columns)
        )

    def _allowed(self, path: str, options: tuple[int, ...]) -> Mask:
        result = np.zeros(len(self.space.decisions[path].options), dtype=bool)
        result[list(options)] = True
        return result
