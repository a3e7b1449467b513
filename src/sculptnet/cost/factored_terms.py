"""A cost over a whole search space as a sum (or maximum) of small dense tables.

Costs are local (`arch.rules`): a block's cost depends on its own decisions, the decisions that set its input width, the
depth of its stage if it may be absent, and the resolution. Every combination is priced once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sculptnet.arch import IMAGE_CHANNELS, Block, OneOf, Prefix, Same, SearchSpace, TensorShape, first_open
from sculptnet.arch.choice import children, join
from sculptnet.cost.model import CostModel, Reduce
from sculptnet.errors import InvalidSpace, InvalidValue, NotMeasured

MAX_ENTRIES = 2**21  # of one table: 16 MiB, and less than a minute of pricing where blocks are known

Picks: TypeAlias = Mapping[str, int]
FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Term:
    """A part of a cost: a number for every joint choice of a few decisions.

    Attributes:
        decisions: paths, in the order of the space's columns.
        table: one axis per decision. Where the part is absent, 0 in a sum and minus infinity in a maximum.
    """

    decisions: tuple[str, ...]
    table: FloatArray

    def along(self, decisions: Sequence[str]) -> FloatArray:
        """The table with an axis for each of `decisions`, of length 1 where the term does not depend on it."""
        lengths = dict(zip(self.decisions, self.table.shape, strict=True))
        return self.table.reshape([lengths.get(path, 1) for path in decisions])


@dataclass(frozen=True)
class Place:
    """Where a block may stand. `needs`: the depth decision and its first index at which the block is there."""

    path: str
    slot: Any
    needs: tuple[str, int] | None


def terms_of(space: SearchSpace, cost: CostModel) -> tuple[Term, ...]:
    """The terms whose sum (or maximum) is the cost of every candidate without `cost.constant`, in network order.

    Raises:
        NotMeasured: combinations that the cost model cannot price; the message holds the first few.
        InvalidSpace: a block's output size or width depends on more than the rules of a space admit.
        InvalidValue: one block depends on too many decisions at once.
    """
    prices = _Prices(cost)
    resolutions = list(values(space, space.architecture.resolution, "resolution", {}))
    sizes = [(resolution, resolution) for _, resolution in resolutions]
    widths: list[tuple[Picks, int]] = [({}, IMAGE_CHANNELS)]
    terms = []
    for place in _places(space):
        after: list[set[tuple[int, int]]] = [set() for _ in sizes]
        for conditions, path, template in _variants(place.slot, place.path, {}):
            _check_size(space, place, (path, template), [*conditions, *_named(widths), *_named(resolutions)])
            entries: list[tuple[Picks, float]] = []
            for own, block in values(space, template, path, conditions):
                for _, picks, channels in _compatible(own, widths):
                    for index, all_picks, _ in _compatible(picks, resolutions):
                        shape = TensorShape(channels, *sizes[index])
                        price, size = prices.of(place.path, block, shape)
                        entries.append((all_picks, price))
                        after[index].add(size)
            terms.append(_dense(space, entries, place, _absent(cost.reduce)))
        sizes = [_single(place.path, found) for found in after]
        if place.needs is None:
            widths = _widths(space, place)
    prices.complain()
    return _simplified(terms, space, cost.reduce)


def joined(terms: Sequence[Term], space: SearchSpace, reduce: Reduce) -> Term:
    """One term for several."""
    decisions = _ordered(space, (path for term in terms for path in term.decisions))
    join_tables = np.add if reduce is Reduce.SUM else np.maximum
    table = terms[0].along(decisions)
    for term in terms[1:]:
        table = join_tables(table, term.along(decisions))
    sizes = [len(space.decisions[path].options) for path in decisions]
    return Term(decisions, np.array(np.broadcast_to(table, sizes), order="C"))


# ---------------------------------------------------------------------- what may stand where
def values(space: SearchSpace, node: Any, path: str, picks: Picks) -> Iterator[tuple[Picks, Any]]:
    """Every value that the part of a template at `path` may become, with `picks` and the choices that make it so."""
    if isinstance(node, OneOf):
        for index in (picks[path],) if path in picks else range(len(node.options)):
            yield from values(space, node.options[index], f"{path}[{index}]", {**picks, path: index})
    elif isinstance(node, Same):
        options = space.decisions[node.path].options
        for index in (picks[node.path],) if node.path in picks else range(len(options)):
            yield {**picks, node.path: index}, options[index]
    elif isinstance(node, Prefix):
        for found, length in values(space, node.length, join(path, "depth"), picks):
            yield from values(space, node.items[:length], path, found)
    elif first_open(node) is None:
        yield picks, node
    elif isinstance(node, tuple):
        yield from _joint(space, [(join(path, str(index)), item) for index, item in enumerate(node)], picks)
    else:
        assert is_dataclass(node)
        assert not isinstance(node, type)
        names = [part.name for part in fields(node)]
        parts = [(join(path, name), getattr(node, name)) for name in names]
        for found, contents in _joint(space, parts, picks):
            yield found, replace(node, **dict(zip(names, contents, strict=True)))


def _joint(
    space: SearchSpace, parts: Sequence[tuple[str, Any]], picks: Picks
) -> Iterator[tuple[Picks, tuple[Any, ...]]]:
    if not parts:
        yield picks, ()
        return
    (path, node), *rest = parts
    for found, value in values(space, node, path, picks):
        for all_found, others in _joint(space, rest, found):
            yield all_found, (value, *others)


def _variants(slot: Any, path: str, picks: Picks) -> Iterator[tuple[Picks, str, Any]]:
    """The blocks (fields may be open) of a slot: one term each, so that nested decisions never multiply each other."""
    if isinstance(slot, OneOf):
        for index, option in enumerate(slot.options):
            yield from _variants(option, f"{path}[{index}]", {**picks, path: index})
    else:
        yield picks, path, slot


def _places(space: SearchSpace) -> Iterator[Place]:
    depths: dict[str, tuple[str, int]] = {}
    for index, stage in enumerate(space.architecture.stages):
        if isinstance(stage, Prefix):
            for position in range(stage.length.options[0], len(stage.items)):
                first = next(i for i, length in enumerate(stage.length.options) if length > position)
                depths[f"stages.{index}.{position}"] = (f"stages.{index}.depth", first)
    for path, slot in space.architecture.named():
        yield Place(path, slot, depths.get(path))


def _compatible(own: Picks, others: Sequence[tuple[Picks, int]]) -> Iterator[tuple[int, Picks, int]]:
    """Of `others`, those that may go with the choices `own`: position, the choices of both, value."""
    for index, (picks, value) in enumerate(others):
        if all(own.get(path, choice) == choice for path, choice in picks.items()):
            yield index, {**own, **picks}, value


def _widths(space: SearchSpace, place: Place) -> list[tuple[Picks, int]]:
    """The widths that leave a place, by the decisions that really change them."""
    entries = [
        (picks, float(width))
        for conditions, path, template in _variants(place.slot, place.path, {})
        for picks, width in values(space, template.out_channels, join(path, "out_channels"), conditions)
    ]
    term = _without_idle_axes(_dense(space, entries, place, math.nan))
    return [
        (dict(zip(term.decisions, index, strict=True)), int(term.table[index]))
        for index in np.ndindex(term.table.shape)
    ]


# ---------------------------------------------------------------------- prices
class _Prices:
    """Prices each block once per place and input shape, with its output's size, and gathers what cannot be priced."""

    def __init__(self, cost: CostModel) -> None:
        self.cost = cost
        self.numbers: dict[tuple[Block, TensorShape], int] = {}  # blocks are slow to hash: once for each question
        self.sizes: list[tuple[int, int]] = []
        self.known: dict[tuple[str, int], float] = {}
        self.missing: dict[tuple[Block, TensorShape], str] = {}

    def of(self, path: str, block: Block, shape: TensorShape) -> tuple[float, tuple[int, int]]:
        number = self.numbers.setdefault((block, shape), len(self.sizes))
        if number == len(self.sizes):
            self.sizes.append(_size_after(path, block, shape))
        price = self.known.get((path, number))  # the same block may cost something else at another place
        if price is None:
            price = self.known[path, number] = self._priced(path, block, shape)
        return price, self.sizes[number]

    def _priced(self, path: str, block: Block, shape: TensorShape) -> float:
        try:
            price = float(self.cost.block(path, block, shape))
        except NotMeasured as error:
            self.missing[block, shape] = str(error)
            return math.nan
        if not math.isfinite(price):
            raise InvalidValue(f"{self.cost.name} of {block} at {path}, input {shape}, is {price}; it must be finite")
        return price

    def complain(self) -> None:
        if self.missing:
            texts = list(dict.fromkeys(self.missing.values()))
            more = f"\n  ... and {len(texts) - 3} more" if len(texts) > 3 else ""
            shown = "".join(f"\n  - {text}" for text in texts[:3])
            raise NotMeasured(
                f"{self.cost.name}: {len(self.missing)} of {len(self.sizes)} combinations of block and input shape "
                f"cannot be priced{shown}{more}"
            )


def _size_after(path: str, block: Block, shape: TensorShape) -> tuple[int, int]:
    out = block.out_shape(shape)
    if out.channels != block.out_channels:
        raise InvalidSpace(
            f"{path}: {block} says out_channels {block.out_channels}, its out_shape has {out.channels} channels; "
            "costs are local only if a block's width is its out_channels"
        )
    return out.height, out.width


def _single(path: str, sizes: set[tuple[int, int]]) -> tuple[int, int]:
    if len(sizes) > 1:
        raise InvalidSpace(
            f"the blocks at {path} leave the sizes {sorted(sizes)} for one input; sizes depend on the resolution alone"
        )
    return next(iter(sizes))


# ---------------------------------------------------------------------- tables
def _absent(reduce: Reduce) -> float:
    return 0.0 if reduce is Reduce.SUM else -math.inf


def _ordered(space: SearchSpace, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(paths), key=space.column.__getitem__))


def _named(alternatives: Sequence[tuple[Picks, int]]) -> Iterator[str]:
    return (path for picks, _ in alternatives for path in picks)


def _check_size(space: SearchSpace, place: Place, part: tuple[str, Any], others: Sequence[str]) -> None:
    """Raises, before anything is priced, if a block's table would be too large."""
    decisions = _ordered(space, (*others, *_decisions_in(*part), *([place.needs[0]] if place.needs else [])))
    sizes = [len(space.decisions[path].options) for path in decisions]
    if math.prod(sizes) > MAX_ENTRIES:
        listed = ", ".join(f"{path} ({size} options)" for path, size in zip(decisions, sizes, strict=True))
        raise InvalidValue(
            f"the cost of {place.path} depends on {math.prod(sizes):,} joint choices of {listed}; "
            f"at most {MAX_ENTRIES:,} are priced, give some of these decisions fewer options"
        )


def _decisions_in(path: str, node: Any) -> Iterator[str]:
    if isinstance(node, Same):
        yield node.path
    elif isinstance(node, OneOf):
        yield path
    for child_path, child in children(node, path):
        yield from _decisions_in(child_path, child)


def _dense(space: SearchSpace, entries: Sequence[tuple[Picks, float]], place: Place, absent: float) -> Term:
    """One table; a decision that an entry does not name leaves it as it is."""
    depth = [place.needs[0]] if place.needs else []
    decisions = _ordered(space, (path for picks, _ in entries for path in (*picks, *depth)))
    sizes = [len(space.decisions[path].options) for path in decisions]
    table = np.full(sizes, absent)
    for picks, value in entries:
        where: list[int | slice] = [picks[path] if path in picks else slice(None) for path in decisions]
        if place.needs:
            where[decisions.index(place.needs[0])] = slice(place.needs[1], None)
        table[tuple(where)] = value
    return Term(decisions, table)


def _without_idle_axes(term: Term) -> Term:
    """The term without the decisions that change nothing in it."""
    decisions, table = term.decisions, term.table
    for axis in reversed(range(table.ndim)):
        first: FloatArray = np.asarray(table.take(0, axis))
        if (table == np.expand_dims(first, axis)).all():
            decisions, table = decisions[:axis] + decisions[axis + 1 :], first
    return Term(decisions, table)


def _simplified(terms: Sequence[Term], space: SearchSpace, reduce: Reduce) -> tuple[Term, ...]:
    """Terms over decisions that another term has as well become part of that one."""
    left: dict[int, Term] = {index: _without_idle_axes(term) for index, term in enumerate(terms)}
    for index in range(len(terms)):
        own = set(left[index].decisions)
        for other, host in left.items():
            if own < set(host.decisions) or (own == set(host.decisions) and other < index):
                left[other] = joined([host, left.pop(index)], space, reduce)
                break
    return tuple(_without_idle_axes(term) for term in left.values())
