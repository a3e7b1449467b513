"""What a template must obey to be a search space, and how many candidates it holds.

Costs are local: strides are never open and equal among the options of a place, layers under open depth share one width
and have stride 1. Then the cost of a block depends on its own decisions, its predecessor's width, its depth and the
resolution, and the cost of a network is a sum of small tensors (`cost.factored`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from sculptnet.arch.architecture import Architecture
from sculptnet.arch.block import Block
from sculptnet.arch.choice import OneOf, Prefix, Same, children, first_open, join
from sculptnet.arch.recipe import Recipe

Conditions: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Decision:
    """An open decision: it matters where all conditions (path, option indices) of one alternative hold."""

    path: str
    node: OneOf
    alive_when: tuple[Conditions, ...]


def find_decisions(architecture: Architecture, recipe: Recipe) -> tuple[Decision, ...]:
    """Every decision of the two templates, in depth-first order."""
    places: dict[str, OneOf] = {}
    alive: dict[str, list[Conditions]] = {}
    for path, node, conditions in [*_walk(architecture, "", ()), *_walk(recipe, "recipe", ())]:
        if isinstance(node, Same):
            alive.setdefault(node.path, []).append(conditions)
        else:
            places[path] = node
            alive.setdefault(path, []).append(conditions)
    return tuple(Decision(path, node, tuple(dict.fromkeys(alive[path]))) for path, node in places.items())


def _walk(node: Any, path: str, conditions: Conditions) -> Iterator[tuple[str, OneOf | Same, Conditions]]:
    if isinstance(node, Same):
        yield path, node, conditions
    elif isinstance(node, OneOf):
        yield path, node, conditions
        for index, option in enumerate(node.options):
            yield from _walk(option, f"{path}[{index}]", (*conditions, (path, (index,))))
    elif isinstance(node, Prefix):
        depth = join(path, "depth")
        yield depth, node.length, conditions
        for position, item in enumerate(node.items):
            reached = tuple(index for index, length in enumerate(node.length.options) if length > position)
            more = conditions if len(reached) == len(node.length.options) else (*conditions, (depth, reached))
            yield from _walk(item, join(path, str(position)), more)
    else:
        for child_path, child in children(node, path):
            yield from _walk(child, child_path, conditions)


# ---------------------------------------------------------------------- rules
def problems_of(architecture: Architecture, recipe: Recipe) -> list[str]:
    """Every rule that the templates break, with the place; empty if they make a search space."""
    places = {decision.path: decision.node for decision in find_decisions(architecture, recipe)}
    if not places:
        return [
            "nothing is open in the templates; put choice(...), between(...) or prefix(...) where values may differ"
        ]
    ties = [
        (path, node.path)
        for path, node, _ in [*_walk(architecture, "", ()), *_walk(recipe, "recipe", ())]
        if isinstance(node, Same)
    ]
    problems = []
    for path, target in ties:
        if target not in places:
            problems.append(f"{path} is same({target!r}), but no decision has that path; paths: {', '.join(places)}")
        elif first_open(places[target].options) is not None:
            problems.append(f"{path} is same({target!r}), whose options are open themselves; tie decided options")
    for path, node in places.items():
        problems += _overlaps(path, node)
    for path, slot in architecture.named():
        problems += _stride_problems(path, slot)
    for index, stage in enumerate(architecture.stages):
        if isinstance(stage, Prefix):
            problems += _depth_problems(f"stages.{index}", stage)
    return problems


def variants(slot: Any, path: str) -> list[tuple[str, Block]]:
    """The blocks that may stand at a place (fields may be open), each with its path."""
    if isinstance(slot, OneOf):
        return [found for i, option in enumerate(slot.options) for found in variants(option, f"{path}[{i}]")]
    return [(path, slot)]


def _stride_problems(path: str, slot: Any) -> list[str]:
    blocks = variants(slot, path)
    strange = [
        f"{place} is {block!r}, not a block"
        + ("; tie fields of blocks, such as kernel_size, one by one" if isinstance(block, Same) else "")
        for place, block in blocks
        if not isinstance(block, Block)
    ]
    if strange:
        return strange
    still_open = [
        f"{place}.{name} is open; strides and padding must be decided, sizes depend on the resolution alone"
        for place, block in blocks
        for name in ("stride", "padding")
        if isinstance(getattr(block, name, 1), (OneOf, Same))
    ]
    if still_open:
        return still_open
    strides = {block.stride for _, block in blocks}
    if len(strides) > 1:
        return [f"the options at {path} have the strides {sorted(strides)}; all options of a place need the same"]
    return []


def _depth_problems(path: str, stage: Prefix) -> list[str]:
    """Layers that depth may remove: stride 1, and one width with the layer before them."""
    shortest = stage.length.options[0]
    problems = []
    for position, item in enumerate(stage.items[shortest:], start=shortest):
        strides = {block.stride for _, block in variants(item, join(path, str(position)))}
        if strides not in ({1}, set()):
            problems.append(f"{path}.{position} may be left out and has stride {max(strides)}; it needs stride 1")
    widths = {
        width
        for position, item in enumerate(stage.items[shortest - 1 :], start=shortest - 1)
        for place, block in variants(item, join(path, str(position)))
        for width in [width_of(block, place)]
    }
    if len(widths) > 1:
        problems.append(
            f"{path} has open depth and the widths {', '.join(sorted(map(str, widths)))}; layers under "
            f"open depth share one width (same({join(path, f'{shortest - 1}.out_channels')!r}))"
        )
    return problems


def width_of(block: Block, path: str) -> int | str:
    """The width of a block: a number, or the path of the decision that sets it."""
    width: Any = block.out_channels
    if isinstance(width, Same):
        return width.path
    return join(path, "out_channels") if isinstance(width, OneOf) else int(width)


def _overlaps(path: str, node: OneOf) -> list[str]:
    """Pairs of options that can turn out to be the same value: then two rows would mean one candidate."""
    opened = [(index, option) for index, option in enumerate(node.options) if first_open(option) is not None]
    return [
        f"options {min(i, j)} and {max(i, j)} at {path} can become the same value; make them one with open fields"
        for i, left in opened
        for j, right in enumerate(node.options)
        if i != j and not (j < i and first_open(right) is not None) and _can_equal(left, right)
    ]


def _can_equal(left: Any, right: Any) -> bool:
    if isinstance(left, (Same, Prefix)) or isinstance(right, (Same, Prefix)):
        return True
    if isinstance(left, OneOf):
        return any(_can_equal(option, right) for option in left.options)
    if isinstance(right, OneOf):
        return _can_equal(right, left)
    if is_dataclass(left) and type(left) is type(right):
        return all(_can_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
        return all(map(_can_equal, left, right))
    return bool(left == right)


# ---------------------------------------------------------------------- size
_Counts: TypeAlias = dict[frozenset[str], int]


@dataclass(frozen=True)
class _Tied:
    """A decision that `same` ties: the number of its options, and every place that takes its value."""

    options: int
    places: tuple[str, ...]

    def within(self, path: str) -> bool:
        """Whether all its places are parts of the one at `path`."""
        return all(place.startswith((f"{path}.", f"{path}[")) for place in self.places)


def space_size(architecture: Architecture, recipe: Recipe) -> int:
    """The number of different candidates. Decisions that `same` ties are counted once wherever any of them is alive."""
    walked = [*_walk(architecture, "", ()), *_walk(recipe, "recipe", ())]
    uses: dict[str, list[str]] = {}
    for path, node, _ in walked:
        if isinstance(node, Same):
            uses.setdefault(node.path, []).append(path)
    tied = {
        path: _Tied(len(node.options), (path, *uses[path]))
        for path, node, _ in walked
        if isinstance(node, OneOf) and path in uses
    }
    both = _times(_count(architecture, "", tied), _count(recipe, "recipe", tied))
    return sum(count * math.prod(tied[name].options for name in names) for names, count in both.items())


def _count(node: Any, path: str, tied: Mapping[str, _Tied]) -> _Counts:
    """How many candidates use each set of tied decisions; these count once, where all their places are counted."""
    counts = _count_parts(node, path, tied)
    inner = {name for names in counts for name in names if path and tied[name].within(path)}
    if not inner:
        return counts
    result: Counter[frozenset[str]] = Counter()
    for names, count in counts.items():
        result[names - inner] += count * math.prod(tied[name].options for name in names & inner)
    return dict(result)


def _count_parts(node: Any, path: str, tied: Mapping[str, _Tied]) -> _Counts:
    if isinstance(node, Same):
        return {frozenset([node.path]): 1}
    if isinstance(node, OneOf):
        if path in tied:
            return {frozenset([path]): 1}
        return _plus([_count(option, f"{path}[{i}]", tied) for i, option in enumerate(node.options)])
    if isinstance(node, Prefix):
        items = [_count(item, join(path, str(i)), tied) for i, item in enumerate(node.items)]
        return _plus([_product(items[:length]) for length in node.length.options])
    return _product([_count(child, child_path, tied) for child_path, child in children(node, path)])


def _plus(parts: list[_Counts]) -> _Counts:
    total: Counter[frozenset[str]] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _product(parts: list[_Counts]) -> _Counts:
    result: _Counts = {frozenset(): 1}
    for part in parts:
        result = _times(result, part)
    return result


def _times(left: _Counts, right: _Counts) -> _Counts:
    return _plus([{names | more: count * times} for names, count in left.items() for more, times in right.items()])
