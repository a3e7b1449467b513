"""What a masked supernet holds at each place: blocks at their widest, and tables of what may be less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sculptnet.arch import IMAGE_CHANNELS, Block, OneOf, SearchSpace, TensorShape, options_of
from sculptnet.cost.factored_terms import values
from sculptnet.errors import InvalidSpace, collected
from sculptnet.nets.masked_blocks import OPEN_FIELDS, Widths
from sculptnet.nets.masked_rules import (
    Joint,
    candidates_of,
    misfits_of,
    residual_problems,
    stride_problems,
    structure_problems,
    widths_in,
)
from sculptnet.nets.masked_sizes import Found, Picks, Sizes


@dataclass(frozen=True, eq=False)
class MaskedBlock:
    """One candidate of a place.

    Attributes:
        block: at its widest, for `in_channels` inputs.
        masked: whether any of its widths, or whether it keeps its input, is open; if not, its module says it all.
        features: see `Widths`; likewise `hidden` and `squeezed`, None where the width is not open, and `kept`, None
            where the input is never kept.
    """

    block: Block
    in_channels: int
    masked: bool
    features: Sizes
    hidden: Sizes | None
    squeezed: Sizes | None
    kept: Sizes | None


@dataclass(frozen=True, eq=False)
class Place:
    """A place of the network.

    Attributes:
        path: of the block.
        chosen: whether the block is a decision, whose options the `candidates` are.
        out_channels: the widest output.
        map_sizes: height and width of its input, for every resolution of the space.
    """

    path: str
    chosen: bool
    candidates: tuple[MaskedBlock, ...]
    out_channels: int
    map_sizes: tuple[int, ...]


def places_of(space: SearchSpace, *, residuals: bool) -> tuple[Place, ...]:
    """The places of `space` in order.

    Raises:
        InvalidSpace: as `MaskedSupernet` does.
    """
    problems = structure_problems(space)
    if problems:
        raise InvalidSpace(collected(problems, "MaskedSupernet"))
    found, result = Found(space), list[Place]()
    widths: list[tuple[Picks, int]] = [({}, IMAGE_CHANNELS)]
    maps = tuple(options_of(space.architecture.resolution))
    for path, slot in space.architecture.named():
        candidates, leaving = [], list[tuple[Picks, int]]()
        for where, conditions, template in candidates_of(path, slot):
            own = [(picks, block) for picks, block in values(space, template, where, conditions)]
            joint = [
                ({**picks, **before}, block, channels)
                for picks, block in own
                for before, channels in widths
                if all(picks.get(name, index) == index for name, index in before.items())
            ]
            problems += misfits_of(where, joint)
            leaving += [(picks, block.out_channels) for picks, block in own]
            if not problems:
                candidates.append(_masked(found, path, [block for _, block in own], joint))
                demanded = residuals and path.startswith("stages.") and not path.endswith(".0")
                problems += residual_problems(where, candidates[-1].block, candidates[-1].kept) if demanded else []
        _, block, channels = joint[0]
        problems += stride_problems(path, block, maps, space)
        outputs = found.sizes(leaving)
        result.append(Place(path, isinstance(slot, OneOf), tuple(candidates), outputs.largest, maps))
        widths, maps = outputs.alternatives(), _behind(block, channels, maps)
    if problems:
        raise InvalidSpace(collected(problems, "MaskedSupernet"))
    return tuple(result)


def _masked(found: Found, path: str, own: Sequence[Block], joint: Sequence[Joint]) -> MaskedBlock:
    """The candidate at its widest, with a table for each of its widths."""
    rows = [
        ({name: index for name, index in picks.items() if name != path}, widths_in(block, channels))
        for picks, block, channels in joint
    ]
    features, hidden, squeezed, kept = (
        found.sizes([(picks, widths[part]) for picks, widths in rows]) for part in range(len(Widths._fields))
    )
    largest: dict[str, Any] = {
        name: max(getattr(block, name) for block in own) for name in OPEN_FIELDS if hasattr(own[0], name)
    }
    in_channels = {channels for _, _, channels in joint}
    return MaskedBlock(
        replace(own[0], **largest),  # type: ignore[type-var]  # blocks are dataclasses
        max(in_channels),
        len(in_channels) > 1 or any(sizes.decisions for sizes in (features, hidden, squeezed, kept)),
        features,
        hidden if hidden.decisions else None,
        squeezed if squeezed.decisions else None,
        kept if kept.largest > 0 else None,
    )


def _behind(block: Block, channels: int, maps: Sequence[int]) -> tuple[int, ...]:
    """The map sizes behind a place, which are the same for all its candidates."""
    return tuple(block.out_shape(TensorShape(channels, size, size)).height for size in maps)
