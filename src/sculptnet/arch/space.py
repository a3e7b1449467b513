"""The search space: templates, the decisions in them, and integer matrices of choices.

A decision has a name (its path in the template) and options; a candidate is a row of option indices, one per decision
in the order of `SearchSpace.decisions`. Rows are canonical: a decision that another one switches off is 0, so equal
rows and equal candidates are the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sculptnet.arch.architecture import Architecture
from sculptnet.arch.choice import OneOf, Prefix, Same, join
from sculptnet.arch.recipe import Recipe
from sculptnet.arch.rules import Decision, find_decisions, problems_of, space_size
from sculptnet.errors import InvalidSpace, InvalidValue, NotInSpace, collected

IntMatrix: TypeAlias = npt.NDArray[np.int64]
Choices: TypeAlias = tuple[int, ...]
_Vector: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """A decided architecture with a decided recipe."""

    architecture: Architecture
    recipe: Recipe


@dataclass(frozen=True)
class SearchSpace:
    """All architectures (and recipes) that two templates admit.

    Raises:
        InvalidSpace: nothing is open, or the template breaks a rule that keeps costs local (`arch.rules`); the message
            names every place.
    """

    architecture: Architecture
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        problems = problems_of(self.architecture, self.recipe)
        if problems:
            raise InvalidSpace(collected(problems, "SearchSpace"))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the templates, not what was derived from them."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @cached_property
    def _found(self) -> tuple[Decision, ...]:
        return find_decisions(self.architecture, self.recipe)

    @cached_property
    def decisions(self) -> Mapping[str, OneOf]:
        """The open decisions by path, in the order of the columns of an `IntMatrix`."""
        return MappingProxyType({decision.path: decision.node for decision in self._found})

    @cached_property
    def column(self) -> Mapping[str, int]:
        """The column of each decision."""
        return MappingProxyType({path: index for index, path in enumerate(self.decisions)})

    @cached_property
    def num_options(self) -> npt.NDArray[np.int64]:
        """The number of options of each decision, shape `(decisions,)`."""
        return np.array([len(node.options) for node in self.decisions.values()], dtype=np.int64)

    def uniform(self) -> dict[str, npt.NDArray[np.float64]]:
        """For every decision a vector that gives each option the same probability."""
        return {path: np.full(len(node.options), 1 / len(node.options)) for path, node in self.decisions.items()}

    def size(self) -> int:
        """The number of different candidates, exactly."""
        return space_size(self.architecture, self.recipe)

    # ------------------------------------------------------------------ rows
    def canonical(self, choices: npt.ArrayLike) -> IntMatrix:
        """`choices`, shape `(n, decisions)`, with every decision that is switched off set to 0.

        Raises:
            InvalidValue: wrong number of columns, or an index out of range.
        """
        return self._canonical(self.checked(choices))

    def _canonical(self, matrix: IntMatrix) -> IntMatrix:
        result = matrix.copy()
        for affected, switches, kept in self._switches:
            result[:, affected] *= kept[matrix[:, switches], np.arange(kept.shape[1])]
        for index, decision in enumerate(self._found):
            if len(decision.alive_when) == 1:
                continue  # among the switches
            alive = np.zeros(len(matrix), dtype=bool)
            for conditions in decision.alive_when:
                met = np.ones(len(matrix), dtype=bool)
                for path, allowed in conditions:
                    met &= np.isin(matrix[:, self.column[path]], allowed)
                alive |= met
            result[~alive, index] = 0
        return result

    @cached_property
    def _switches(self) -> tuple[tuple[_Vector, _Vector, IntMatrix], ...]:
        """Columns that one other column each may switch off, those columns, and 1 or 0 for each option of them.

        A decision that lives under several conditions at once is there several times.
        """
        alone = [(i, found.alive_when[0]) for i, found in enumerate(self._found) if len(found.alive_when) == 1]
        switches = []
        for place in range(max((len(conditions) for _, conditions in alone), default=0)):
            needs = [(index, *conditions[place]) for index, conditions in alone if len(conditions) > place]
            kept = np.zeros((self.num_options.max(), len(needs)), dtype=np.int64)
            for number, (_, _, allowed) in enumerate(needs):
                kept[list(allowed), number] = 1
            affected = np.array([index for index, _, _ in needs])
            switches.append((affected, np.array([self.column[path] for _, path, _ in needs]), kept))
        return tuple(switches)

    def checked(self, choices: npt.ArrayLike) -> IntMatrix:
        """`choices` as a matrix, shape `(n, decisions)`, as they are.

        Raises:
            InvalidValue: wrong number of columns, or an index out of range.
        """
        matrix = np.atleast_2d(np.asarray(choices, dtype=np.int64))
        if matrix.ndim != 2 or matrix.shape[1] != len(self.decisions):
            raise InvalidValue(f"choices need {len(self.decisions)} columns, one per decision, got {matrix.shape}")
        wrong = (matrix < 0) | (matrix >= self.num_options)
        if wrong.any():
            row, index = np.argwhere(wrong)[0]
            path, count = list(self.decisions)[index], self.num_options[index]
            raise InvalidValue(f"row {row}: {path} must lie in 0..{count - 1}, got {matrix[row, index]}")
        return matrix

    def sample(self, rng: np.random.Generator, count: int) -> IntMatrix:
        """`count` canonical rows; every option of a decision is equally likely."""
        return self._canonical(rng.integers(self.num_options, size=(count, len(self.decisions))))

    def mutate(self, choices: IntMatrix, rng: np.random.Generator, probability: float) -> IntMatrix:
        """Every decision is drawn anew with `probability` (it may stay the same)."""
        drawn = np.flatnonzero(rng.random(choices.shape) < probability)
        result = choices.copy()
        result.reshape(-1)[drawn] = rng.integers(self.num_options[drawn % len(self.num_options)])
        return self._canonical(result)

    def crossover(self, left: IntMatrix, right: IntMatrix, rng: np.random.Generator) -> IntMatrix:
        """Every decision comes from `left` or `right`, rows in pairs, with equal probability."""
        return self._canonical(np.where(rng.random(left.shape) < 0.5, left, right))

    def features(self, choices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """What predictors see: one-hot columns for categories, one min-max scaled column for each range.

        A decision that is switched off reads as its first option, as in its canonical row.
        """
        matrix = self.checked(choices)
        ordered, steps, starts, width = self._feature_layout
        result = np.zeros((len(matrix), width))
        result[np.arange(len(matrix))[:, None], (starts + matrix)[:, ~ordered]] = 1.0
        result[:, starts[ordered]] = steps[np.arange(len(steps)), matrix[:, ordered]]
        return result

    @cached_property
    def _feature_layout(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], _Vector, int]:
        """Which decisions are ranges, their options scaled, where the features of each decision start, how many."""
        nodes = list(self.decisions.values())
        ordered = np.array([node.ordered for node in nodes])
        steps = np.zeros((int(ordered.sum()), int(self.num_options.max())))
        for row, node in zip(steps, (node for node in nodes if node.ordered), strict=True):
            options = np.array(node.options, dtype=np.float64)
            row[: len(options)] = (options - options[0]) / (options[-1] - options[0])
        widths = np.where(ordered, 1, self.num_options)
        return ordered, steps, np.concatenate([[0], widths.cumsum()[:-1]]), int(widths.sum())

    # ------------------------------------------------------------------ values
    def decode(self, choices: Sequence[int] | npt.NDArray[np.int64]) -> Candidate:
        """The candidate of one row."""
        row = self.checked(choices)[0]
        picks = dict(zip(self.decisions, (int(index) for index in row), strict=True))
        return Candidate(self.fill(self.architecture, "", picks), self.fill(self.recipe, "recipe", picks))

    def fill(self, node: Any, path: str, picks: Mapping[str, int]) -> Any:
        """`node`, the part of a template at `path`, with the decisions in it made as `picks` says."""
        if isinstance(node, OneOf):
            index = picks[path]
            return self.fill(node.options[index], f"{path}[{index}]", picks)
        if isinstance(node, Same):
            return self.decisions[node.path].options[picks[node.path]]
        if isinstance(node, Prefix):
            length = node.length.options[picks[join(path, "depth")]]
            return tuple(self.fill(item, join(path, str(i)), picks) for i, item in enumerate(node.items[:length]))
        if isinstance(node, tuple):
            return tuple(self.fill(item, join(path, str(i)), picks) for i, item in enumerate(node))
        if is_dataclass(node) and not isinstance(node, type):
            names = (part.name for part in fields(node))
            return replace(node, **{name: self.fill(getattr(node, name), join(path, name), picks) for name in names})
        return node

    def encode(self, candidate: Candidate | Architecture) -> Choices:
        """The canonical row of `candidate`; the inverse of `decode`. An architecture alone takes the space's recipe.

        Raises:
            NotInSpace: the candidate is none of this space; the message names the first place that differs.
        """
        if isinstance(candidate, Architecture):
            candidate = Candidate(candidate, self.fill(self.recipe, "recipe", dict.fromkeys(self.decisions, 0)))
        match = _Match(self.decisions)
        picks = match.of(self.architecture, candidate.architecture, "", {})
        picks = match.of(self.recipe, candidate.recipe, "recipe", picks) if picks is not None else None
        if picks is None:
            path, template, value = match.failed
            raise NotInSpace(
                f"not in the space: {path} is {value!r}, the template there is {template!r}; take what that has, or "
                "use a wider space"
            )
        return tuple(picks.get(path, 0) for path in self.decisions)


class _Match:
    """Matches values with templates and remembers where it failed last: after all options of a place, the place."""

    def __init__(self, decisions: Mapping[str, OneOf]) -> None:
        self.decisions = decisions
        self.failed: tuple[str, Any, Any] = ("", None, None)

    def of(self, node: Any, value: Any, path: str, picks: dict[str, int]) -> dict[str, int] | None:
        if isinstance(node, (OneOf, Same)):
            return self._option(node, value, path, picks)
        if isinstance(node, Prefix):
            if not isinstance(value, tuple) or len(value) not in node.length.options:
                return self._fail(path, node, value)
            index = node.length.options.index(len(value))
            return self._all(node.items[: len(value)], value, path, picks | {join(path, "depth"): index})
        if isinstance(node, tuple):
            same_length = isinstance(value, tuple) and len(node) == len(value)
            return self._all(node, value, path, picks) if same_length else self._fail(path, node, value)
        if is_dataclass(node) and not isinstance(node, type):
            if type(node) is not type(value):
                return self._fail(path, node, value)
            result: dict[str, int] | None = picks
            for part in fields(node):
                if result is not None:
                    pair = (getattr(node, part.name), getattr(value, part.name))
                    result = self.of(*pair, join(path, part.name), result)
            return result
        return picks if node == value and type(node) is type(value) else self._fail(path, node, value)

    def _option(self, node: OneOf | Same, value: Any, path: str, picks: dict[str, int]) -> dict[str, int] | None:
        name = node.path if isinstance(node, Same) else path
        options = self.decisions[name].options
        for index in [picks[name]] if name in picks else range(len(options)):
            result = self.of(options[index], value, f"{name}[{index}]", picks | {name: index})
            if result is not None:
                return result
        return self._fail(path, node, value)

    def _all(
        self, nodes: Iterable[Any], values: Iterable[Any], path: str, picks: dict[str, int]
    ) -> dict[str, int] | None:
        result: dict[str, int] | None = picks
        for index, (node, value) in enumerate(zip(nodes, values, strict=True)):
            if result is not None:
                result = self.of(node, value, join(path, str(index)), result)
        return result

    def _fail(self, path: str, template: Any, value: Any) -> dict[str, int] | None:
        self.failed = (path, template, value)
        return None
