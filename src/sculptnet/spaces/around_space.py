"""A space opened around one network: whatever its inverted residuals have, or less, down to small ones."""

from __future__ import annotations

from dataclasses import replace

from sculptnet.arch import Architecture, Block, SearchSpace, choice, prefix
from sculptnet.blocks import InvertedResidual
from sculptnet.errors import InvalidSpace, InvalidValue, collected

SMALLEST_KERNEL = 3


def around(
    architecture: Architecture,
    *,
    expansion_factors: tuple[float, ...] = (0.5, 0.75, 1.0),
    fewer_layers: int = 2,
    smaller_kernels: bool = True,
    resolutions: tuple[int, ...] = (),
) -> SearchSpace:
    """Kernels, expansions, depth and resolution from those of `architecture` downwards: it is the largest network.

    So a supernet of this space takes its weights as they are (`ElasticSupernet.load_full`). Widths stay, and so does
    what is no `InvertedResidual`, a block in groups, and an expansion of 1. This is Once-for-All's space around
    another network (Cai et al., ICLR 2020, section 3.2: kernels, expansions, depth and resolution are open).

    Args:
        architecture: decided; its resolution is the largest.
        expansion_factors: of each block's own expansion, 1 among them; what would not be above 1 is left out.
        fewer_layers: that a stage may lose at its end, where its layers share one width; one layer stays.
        smaller_kernels: every odd size from 3 to the block's own; False keeps its own.
        resolutions: open sizes in pixels, the largest of them the architecture's. Without any it is decided.

    Raises:
        InvalidValue: with everything that is wrong.
        InvalidSpace: nothing of the network can be smaller.
    """
    problems = []
    if not expansion_factors or max(expansion_factors) != 1 or min(expansion_factors) <= 0:
        problems.append(f"expansion_factors must lie above 0 and at most at 1, 1 among them, got {expansion_factors}")
    if fewer_layers < 0:
        problems.append(f"fewer_layers must be at least 0, got {fewer_layers}")
    if resolutions and max(resolutions) != architecture.resolution:
        problems.append(
            f"resolutions must have the network's {architecture.resolution} as the largest, got {resolutions}"
        )
    if problems:
        raise InvalidValue(collected(problems, "around"))
    stages = tuple(
        _stage(tuple(_opened(block, expansion_factors, smaller_kernels) for block in stage), fewer_layers)
        for stage in architecture.stages
    )
    resolution = choice(*sorted(resolutions)) if resolutions else architecture.resolution
    opened = replace(architecture, resolution=resolution, stages=stages)
    if opened == architecture:
        raise InvalidSpace(
            "around: nothing of this network can be smaller: it has no inverted residual with a kernel above 3 or an "
            "expansion above 1, and no stage of several layers; give resolutions, or another network"
        )
    return SearchSpace(opened)


def _opened(block: Block, factors: tuple[float, ...], smaller_kernels: bool) -> Block:
    if not isinstance(block, InvertedResidual):
        return block
    kernels = range(SMALLEST_KERNEL, block.kernel_size + 1, 2) if smaller_kernels else ()
    expansions = sorted({_whole(factor * block.expansion) for factor in factors if factor * block.expansion > 1})
    if block.groups == 1 and block.expansion > 1:
        block = replace(block, expansion=choice(*expansions))
    return replace(block, kernel_size=choice(*kernels)) if len(kernels) > 1 else block


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _stage(layers: tuple[Block, ...], fewer: int) -> tuple[Block, ...]:
    one_width = len({layer.out_channels for layer in layers}) == 1
    least = max(1, len(layers) - fewer)
    return prefix(layers, *range(least, len(layers) + 1)) if one_width and least < len(layers) else layers
