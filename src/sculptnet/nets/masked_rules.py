"""What a space must obey to be masked: narrower blocks are prefixes of the widest, strides have pixels to step over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

from sculptnet.arch import Block, OneOf, Prefix, SearchSpace, first_open, options_of
from sculptnet.blocks import Conv, InvertedResidual
from sculptnet.nets.masked_blocks import MASKABLE, OPEN_FIELDS, Widths, widths_of
from sculptnet.nets.masked_sizes import Picks, Sizes

Joint: TypeAlias = tuple[Picks, Block, int]  # choices, the decided block, its input's width
_NAMES = ", ".join(kind.__name__ for kind in MASKABLE)


def candidates_of(path: str, slot: Any) -> Iterator[tuple[str, Picks, Block]]:
    """Where each candidate is written, the choice that takes it, and its template."""
    if isinstance(slot, OneOf):
        yield from ((f"{path}[{index}]", {path: index}, option) for index, option in enumerate(slot.options))
    else:
        yield path, {}, slot


def widths_in(block: Block, channels: int) -> Widths:
    """The widths inside `block`; of a family that cannot be masked, the one that leaves it."""
    return widths_of(block, channels) if isinstance(block, MASKABLE) else Widths(block.out_channels)


def structure_problems(space: SearchSpace) -> list[str]:
    """What can be told without knowing any width."""
    template = space.architecture
    problems = [
        f"stages.{index} has open depth; let layers be skipped: choice(block, Skip(width))"
        for index, stage in enumerate(template.stages)
        if isinstance(stage, Prefix)
    ]
    problems += [f"{path} is open; decide it" for path in space.decisions if path.startswith("recipe.")]
    for path, slot in template.named():
        for where, _, block in candidates_of(path, slot):
            if isinstance(block, OneOf):
                problems.append(f"{where} is a choice within a choice; make it one choice")
                continue
            opened = [part.name for part in fields(block) if first_open(getattr(block, part.name)) is not None]  # type: ignore[arg-type]
            others = [name for name in opened if name not in OPEN_FIELDS]
            if others:
                problems.append(
                    f"{where}: {', '.join(others)} open; masks make widths alone (out_channels, expansion), list the "
                    "blocks that the others make as candidates: choice(block, block, ...)"
                )
            if opened and not isinstance(block, MASKABLE):
                problems.append(f"{where}: {type(block).__name__} of open widths; those that can be masked: {_NAMES}")
    return problems


def misfits_of(where: str, joint: Sequence[Joint]) -> list[str]:
    """What makes narrower forms of a candidate no prefix of its widest."""
    first, widths = joint[0][1], sorted({channels for _, _, channels in joint})
    if not isinstance(first, MASKABLE):
        several = len(widths) > 1
        name = type(first).__name__
        return (
            [f"{where}: {name} for {_listed(widths)} channels; those that can be masked: {_NAMES}"] if several else []
        )
    if isinstance(first, (Conv, InvertedResidual)) and first.groups > 1:
        return _group_problems(where, first.groups, joint)
    if isinstance(first, InvertedResidual) and not first.expand_at_1:
        same = {block.hidden_channels(channels) == channels for _, block, channels in joint}  # type: ignore[attr-defined]
        if len(same) > 1:
            return [f"{where}: some widths leave out the first convolution, others do not; set expand_at_1=True"]
    return []


def _group_problems(where: str, groups: int, joint: Sequence[Joint]) -> list[str]:
    used = {
        "input": {channels for _, _, channels in joint},
        "hidden": {widths_in(block, channels).hidden for _, block, channels in joint} - {0},
        "output": {block.out_channels for _, block, _ in joint},
    }
    problems = [
        f"{where}: {name} widths {_listed(wrong)} are no multiples of its {groups} groups"
        for name, widths in used.items()
        if (wrong := [width for width in sorted(widths) if width % groups])
    ]
    if not problems and any(len(widths) > 1 for widths in used.values()):
        problems = [f"{where}: open widths need groups=1, got {groups}; the first channels are no prefix of each group"]
    return problems


def residual_problems(where: str, block: Block, kept: Sizes | None) -> list[str]:
    """Why a candidate of a layer that follows another one in its stage does not always add its input."""
    if not isinstance(block, InvertedResidual) or (kept is not None and kept.table.min() == 1):
        return []
    return [
        f"{where} must add its input, but the widths or sizes of input and output differ in some choices "
        f"({block.label()}, stride {block.stride}); give the layers of a stage one width, "
        'out_channels=same("stages.I.0..."), or do without residuals=True'
    ]


def stride_problems(path: str, block: Block, maps: Sequence[int], space: SearchSpace) -> list[str]:
    """The resolutions at which a place strides over less than it steps."""
    resolutions = options_of(space.architecture.resolution)
    return [
        f"{path}: stride {block.stride} reduces a map of {size}x{size} below one pixel at resolution {resolution}; "
        "leave out resolutions so low, or some strides"
        for resolution, size in zip(resolutions, maps, strict=True)
        if size < block.stride
    ]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
