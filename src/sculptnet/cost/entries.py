"""What a table must hold to price every network of a space: each decided block at each input shape, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias

from sculptnet.arch import IMAGE_CHANNELS, Block, SearchSpace, TensorShape
from sculptnet.arch.choice import OneOf, Prefix, Same, children, join

Entry: TypeAlias = tuple[Block, TensorShape]
_Picks: TypeAlias = Mapping[str, int]
_State: TypeAlias = tuple[TensorShape, tuple[tuple[str, int], ...]]  # the next input, decisions later places follow


def entries_of(space: SearchSpace) -> tuple[Entry, ...]:
    """Every (decided block, input shape) that occurs in some network of `space`, in the order of the network.

    Walks the template once; what is remembered between places is the shape and the decisions that later places follow
    (`same`), so combinations that no network has are not listed.
    """
    template = space.architecture
    places = [("stem", template.stem), *((f"stages.{i}", stage) for i, stage in enumerate(template.stages))]
    places += [("head", template.head), ("classifier", template.classifier)]
    targets = {node.path for path, place in places for node in _ties(place)} | {
        node.path for node in _ties(template.resolution)
    }
    later = [set().union(*(_used(node, path, targets) for path, node in places[i:])) for i in range(len(places) + 1)]
    found: dict[Entry, None] = {}
    states = {
        (TensorShape(IMAGE_CHANNELS, side, side), _kept(picks, later[0]))
        for side, picks in _decided(space, template.resolution, "resolution", {})
    }
    for (path, node), wanted in zip(places, later[1:], strict=True):
        states = _through(space, node, path, sorted(states), targets, wanted, found)
    return tuple(found)


def _through(
    space: SearchSpace,
    node: Any,
    path: str,
    states: list[_State],
    targets: set[str],
    wanted: set[str],
    found: dict[Entry, None],
) -> set[_State]:
    """Adds the entries of one place (a block, or a stage of blocks) to `found`; returns the states behind it.

    `targets` are the decisions that some `same` follows, `wanted` those of them that matter behind the place.
    """
    if not isinstance(node, (tuple, Prefix)):
        result = set()
        for shape, kept in states:
            for block, picks in _decided(space, node, path, dict(kept)):
                found[block, shape] = None
                result.add((block.out_shape(shape), _kept(picks, wanted)))
        return result
    items = node.items if isinstance(node, Prefix) else node
    lengths = node.length.options if isinstance(node, Prefix) else (len(items),)
    ends: set[_State] = set()
    for position, item in enumerate(items):
        rest = (_used(node, join(path, str(i)), targets) for i, node in enumerate(items) if i > position)
        later = wanted.union(*rest)
        states = sorted(_through(space, item, join(path, str(position)), states, targets, later, found))
        if position + 1 in lengths:
            ends |= {(shape, _kept(dict(kept), wanted)) for shape, kept in states}
    return ends


def _decided(space: SearchSpace, node: Any, path: str, picks: _Picks) -> Iterator[tuple[Any, _Picks]]:
    """Every value that `node` may take given `picks`, with the picks that make it."""
    if isinstance(node, OneOf):
        for index in [picks[path]] if path in picks else range(len(node.options)):
            yield from _decided(space, node.options[index], f"{path}[{index}]", {**picks, path: index})
    elif isinstance(node, Same):
        yield from _decided(space, space.decisions[node.path], node.path, picks)
    elif is_dataclass(node) and not isinstance(node, type):
        yield from _fields(space, node, path, picks, [part.name for part in fields(node)])
    else:
        yield node, picks


def _fields(space: SearchSpace, node: Any, path: str, picks: _Picks, names: list[str]) -> Iterator[tuple[Any, _Picks]]:
    """`node` with the fields `names` decided in every way."""
    if not names:
        yield node, picks
        return
    for value, more in _decided(space, getattr(node, names[0]), join(path, names[0]), picks):
        changed = node if value is getattr(node, names[0]) else replace(node, **{names[0]: value})
        yield from _fields(space, changed, path, more, names[1:])


def _ties(node: Any) -> list[Same]:
    """Every `same` in `node`."""
    return [node] if isinstance(node, Same) else [tie for _, child in children(node, "") for tie in _ties(child)]


def _used(node: Any, path: str, targets: set[str]) -> set[str]:
    """The decisions among `targets` that `node`, the part of the template at `path`, makes or follows."""
    if isinstance(node, Same):
        return {node.path}
    own = {path} if isinstance(node, OneOf) and path in targets else set()
    return own.union(*(_used(child, child_path, targets) for child_path, child in children(node, path)))


def _kept(picks: _Picks, wanted: set[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, index) for name, index in picks.items() if name in wanted))
