"""One part of the training of a supernet, as a value: which of its networks are trained, and from what they learn."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from sculptnet.arch import Architecture, IntMatrix, OneOf, Recipe, SearchSpace
from sculptnet.errors import InvalidValue, collected
from sculptnet.nets.elastic_range import architecture_decisions, by_size

Options: TypeAlias = tuple[tuple[int, ...], ...]  # of each decision of a space, the open options, the smallest first


class Rule(Enum):
    """Which networks a step trains, and what they learn from.

    `SAMPLED`: random ones at one random resolution; the labels, and a frozen full network's soft labels. `SANDWICH`:
    the largest, which learns the labels, the smallest and random ones, which learn the largest one's soft labels of
    the same step; only the largest has dropout.
    """

    SAMPLED = "sampled"
    SANDWICH = "sandwich"


class Kind(Enum):
    """What a decision is about, as far as the order of opening goes."""

    RESOLUTION = "resolution"
    KERNEL = "kernel"
    DEPTH = "depth"
    WIDTH = "width"


@dataclass(frozen=True)
class Phase:
    """One part of the training of a supernet.

    Attributes:
        name: of the phase, in logs and random streams.
        recipe: epochs, optimiser and so on. Augmentation and batch size are the batches' part, mixup apart;
            `recipe.distillation` is not read.
        options: of each decision, the indices of the open options, the smallest option first.
        subnets: random networks a step. The gradients of all networks are added, not averaged.
        distillation: weight of the frozen full network's soft labels beside the labels' 1; not read under `SANDWICH`.
        supported: the options that were open before: inner channels are sorted, within the widths of these, before
            the phase begins. None: they stay.
    """

    name: str
    recipe: Recipe
    options: Options
    rule: Rule = Rule.SAMPLED
    subnets: int = 1
    distillation: float = 0.0
    supported: Options | None = None

    def __post_init__(self) -> None:
        least = 1 if self.rule is Rule.SAMPLED else 0
        problems = [] if self.subnets >= least else [f"subnets must be at least {least}, got {self.subnets}"]
        if self.distillation < 0:
            problems.append(f"distillation must be at least 0, got {self.distillation}")
        if problems:
            raise InvalidValue(collected(problems, f"Phase {self.name!r}"))

    @property
    def needs_teacher(self) -> bool:
        """Whether networks learn from the frozen full network."""
        return self.rule is Rule.SAMPLED and self.distillation > 0

    def draw(self, space: SearchSpace, rng: np.random.Generator, count: int) -> list[Architecture]:
        """Random networks; every open option of a decision is equally likely."""
        picks = rng.integers([len(places) for places in self.options], size=(count, len(self.options)))
        return _decoded(space, np.array([[o[i] for o, i in zip(self.options, row, strict=True)] for row in picks]))

    def extreme(self, space: SearchSpace, small: Collection[Kind]) -> Architecture:
        """The network whose decisions of the kinds in `small` are the smallest open option, all others the largest."""
        kinds = [kind_of(path, node) for path, node in space.decisions.items()]
        row = [places[0 if kind in small else -1] for kind, places in zip(kinds, self.options, strict=True)]
        return _decoded(space, np.array([row]))[0]


def kind_of(path: str, node: OneOf) -> Kind:
    """Depth is also whether a layer is there (True or False); what is neither kernel nor depth is width."""
    field = _field(path)
    if field == "resolution":
        return Kind.RESOLUTION
    if field == "kernel_size":
        return Kind.KERNEL
    depth = field == "depth" or all(isinstance(option, bool) for option in node.options)
    return Kind.DEPTH if depth else Kind.WIDTH


def opened(space: SearchSpace, left_out: Mapping[Kind, int | None]) -> Options:
    """The open options of each decision.

    Args:
        space: the decisions of its recipe, which a supernet does not have, take their first option.
        left_out: for each kind how many of the smallest options stay closed; None closes all but the largest. Kinds
            that are absent are open.
    """
    nodes, result = architecture_decisions(space), []
    for path, node in space.decisions.items():
        sizes = by_size(node) if path in nodes else [0]
        closed = left_out.get(kind_of(path, node), 0)
        result.append(tuple(sizes[-1:] if closed is None else sizes[min(closed, len(sizes) - 1) :]))
    return tuple(result)


def widths_of(space: SearchSpace, options: Options) -> list[Architecture]:
    """Networks in which every layer has every width that `options` admit, each with all its other inner widths.

    Decisions of one field (such as `expansion`) take their first open option together, then their second and so on;
    different fields are combined.
    """
    decisions = list(zip(space.decisions.items(), options, strict=True))
    counts: dict[str, int] = {}
    for (path, node), places in decisions:
        if kind_of(path, node) is Kind.WIDTH:
            counts[_field(path)] = max(counts.get(_field(path), 1), len(places))
    rows = []
    for picks in itertools.product(*(range(count) for count in counts.values())):
        at = dict(zip(counts, picks, strict=True))
        wide = [kind_of(path, node) is Kind.WIDTH for (path, node), _ in decisions]
        rows.append(
            [
                places[min(at[_field(path)], len(places) - 1) if is_width else -1]
                for ((path, _), places), is_width in zip(decisions, wide, strict=True)
            ]
        )
    return _decoded(space, np.array(rows))


def _field(path: str) -> str:
    return path.rpartition(".")[2]


def _decoded(space: SearchSpace, rows: IntMatrix) -> list[Architecture]:
    return [space.decode(row).architecture for row in space.canonical(rows)] if len(rows) else []
