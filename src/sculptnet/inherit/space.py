"""The space of everything that can be carved out of one network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sculptnet.arch import Architecture, Block, SearchSpace, choice
from sculptnet.blocks import Bottleneck, MBPool, PooledConv, Skip
from sculptnet.errors import InvalidSpace, InvalidValue, collected
from sculptnet.inherit.anatomy import inverted_form
from sculptnet.inherit.derivable import CLOSED_FORMS, can_be_left_out, has_closed_form, narrower_widths, why_not

SMALLEST_KERNEL = 3
WIDTHS = (0.25, 0.375, 0.5, 0.625, 0.75, 1.0)
HEAD_WIDTHS = (0.25, 0.5, 0.75, 1.0)


def carve_space(
    architecture: Architecture,
    *,
    width_factors: tuple[float, ...] = WIDTHS,
    head_factors: tuple[float, ...] = HEAD_WIDTHS,
    channel_step: int = 8,
    smaller_kernels: bool = True,
    leave_out: bool = True,
) -> SearchSpace:
    """Every block of `architecture` as it is or smaller: it is the largest network of the space.

    Kernels go from a block's own down to 3, hidden widths are multiples of `channel_step`, and a `Skip` may stand where
    a shortcut hands the input on. A MnasNet layer of another width than its operations have becomes the
    `InvertedResidual` of the same body. Widths between blocks, strides and the resolution stay.

    Args:
        architecture: decided.
        width_factors: of each block's own hidden width, 1 among them.
        head_factors: the same of the head's width.
        channel_step: hidden widths below the block's own are multiples of it: odd widths are slow on most devices.
        smaller_kernels: False keeps each block's own.
        leave_out: False keeps every block.

    Raises:
        InvalidValue: with everything that is wrong.
        InvalidSpace: nothing of the network can be smaller.
    """
    problems = [
        f"{name} must lie above 0 and at most at 1, 1 among them, got {factors}"
        for name, factors in (("width_factors", width_factors), ("head_factors", head_factors))
        if not factors or max(factors) != 1 or min(factors) <= 0
    ]
    if channel_step < 1:
        problems.append(f"channel_step must be at least 1, got {channel_step}")
    if problems:
        raise InvalidValue(collected(problems, "carve_space"))
    opened: dict[str, Block] = {}
    for path, block, shape in architecture.blocks():
        if isinstance(block, (PooledConv, MBPool)):
            opened[path] = _head(block, head_factors, channel_step)
            continue
        options = list(_opened(block, shape.channels, width_factors, channel_step, smaller_kernels))
        if leave_out and can_be_left_out(block, shape.channels):
            options.append(Skip(block.out_channels))
        opened[path] = choice(*options)
    stages = tuple(
        tuple(opened[f"stages.{i}.{j}"] for j in range(len(stage))) for i, stage in enumerate(architecture.stages)
    )
    template = replace(architecture, stages=stages, head=opened["head"])
    if template == architecture:
        raise InvalidSpace(f"carve_space: nothing of this network can be smaller: {CLOSED_FORMS}")
    return SearchSpace(template)


def kept_whole(architecture: Architecture) -> Mapping[str, str]:
    """Blocks that carving keeps as they are, by path, and why."""
    reasons = {"stem": "the stem is kept", "classifier": "it has a logit for every class"}
    for path, block, shape in architecture.blocks():
        if path not in reasons and not has_closed_form(block):
            rest = "; it may be left out" if can_be_left_out(block, shape.channels) else ""
            reasons[path] = f"{type(block).__name__} has no closed form{rest}"
    return reasons


def _opened(
    block: Block, in_channels: int, factors: tuple[float, ...], step: int, smaller_kernels: bool
) -> Iterator[Block]:
    """The block with open kernel and width; a MnasNet layer's narrower forms are blocks of another class."""
    form = block if isinstance(block, Bottleneck) else inverted_form(block)
    if form is None:
        yield block
        return
    sizes = range(min(SMALLEST_KERNEL, form.kernel_size), form.kernel_size + 1, 2)
    kernels: int = choice(*sizes) if smaller_kernels else form.kernel_size
    over = form.out_channels if isinstance(form, Bottleneck) else in_channels
    narrower = [
        expansion
        for width in narrower_widths(block, in_channels, factors, step)
        for expansion in [_whole(width / over)]
        if why_not(block, replace(form, expansion=expansion), in_channels) is None
    ]
    if form == block:
        yield replace(form, kernel_size=kernels, expansion=choice(*narrower, form.expansion))
        return
    yield replace(block, kernel_size=kernels)  # type: ignore[type-var]
    if narrower:
        yield replace(form, kernel_size=kernels, expansion=choice(*narrower))


def _head(block: PooledConv | MBPool, factors: tuple[float, ...], step: int) -> Block:
    widths = {max(step, round(factor * block.out_channels / step) * step) for factor in factors}
    narrower = sorted(width for width in widths if width < block.out_channels)
    return replace(block, out_channels=choice(*narrower, block.out_channels))


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
