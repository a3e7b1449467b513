"""What an elastic supernet can hold: decisions with a largest option, and blocks that are parts of the largest one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from sculptnet.arch import Architecture, Block, OneOf, SearchSpace
from sculptnet.blocks import InvertedResidual
from sculptnet.errors import InvalidSpace, collected


def architecture_decisions(space: SearchSpace) -> Mapping[str, OneOf]:
    """The decisions of `space` that change the network, by path; the recipe's do not."""
    return {path: node for path, node in space.decisions.items() if not path.startswith("recipe.")}


def largest(space: SearchSpace) -> Architecture:
    """The architecture whose every decision is the largest of its options; True is larger than False.

    Raises:
        InvalidSpace: options that are no numbers; the message names the decisions.
    """
    return _extreme(space, -1)


def smallest(space: SearchSpace) -> Architecture:
    """The architecture whose every decision is the smallest of its options.

    Raises:
        InvalidSpace: as `largest`.
    """
    return _extreme(space, 0)


def by_size(node: OneOf) -> list[int]:
    """The indices of the options, the smallest option first."""
    return sorted(range(len(node.options)), key=lambda index: float(node.options[index]))


def _extreme(space: SearchSpace, position: int) -> Architecture:
    decisions = architecture_decisions(space)
    problems = [
        f"{path} has the options {', '.join(map(repr, node.options))}, which are not numbers and share no weights"
        for path, node in decisions.items()
        if not all(isinstance(option, (int, float)) for option in node.options)
    ]
    if problems:
        rule = "slices of one weight need options of a size (kernels, widths, depth); MixedSupernet holds whole blocks"
        raise InvalidSpace(collected(problems, rule))
    picks = {path: by_size(node)[position] for path, node in decisions.items()}
    return space.decode([picks.get(path, 0) for path in space.decisions]).architecture


def one_step_down(space: SearchSpace) -> Iterator[Architecture]:
    """The architectures that differ from the largest in one decision, the resolution aside."""
    decisions = architecture_decisions(space)
    top = {path: by_size(node)[-1] for path, node in decisions.items()}
    for path, node in decisions.items():
        for index in range(len(node.options)):
            if path != "resolution" and index != top[path]:
                picks = top | {path: index}
                row = space.canonical([[picks.get(name, 0) for name in space.decisions]])[0]
                yield space.decode(row).architecture


def misfits(part: nn.Module, whole: nn.Module, block: Block) -> list[str]:
    """Why `part`, the module of `block`, cannot be cut out of `whole`; empty if it can."""
    shapes = {name: tensor.shape for name, tensor in whole.state_dict().items()}
    problems = []
    for name, tensor in part.state_dict().items():
        if name not in shapes:
            problems.append(f"has {name}, which the largest block lacks")
        elif tensor.dim() != len(shapes[name]) or any(map(int.__gt__, tensor.shape, shapes[name])):
            problems.append(
                f"needs {name} of shape {tuple(tensor.shape)}, the largest block's is {tuple(shapes[name])}"
            )
    problems += _grouped(part, whole)
    if isinstance(block, InvertedResidual) and "body.expand.conv.weight" in shapes.keys() - part.state_dict().keys():
        problems.append(
            f"of expansion {block.expansion:g} leaves out the first convolution, whose outputs the largest block's "
            "other weights belong to; set expand_at_1=True"
        )
    return problems


def _grouped(part: nn.Module, whole: nn.Module) -> list[str]:
    """Convolutions in groups: a prefix of all channels is no prefix of each group."""
    wholes = {name: conv for name, conv in whole.named_modules() if isinstance(conv, nn.Conv2d)}
    return [
        f"has {name} in {conv.groups} groups at another width than the largest block; open widths need groups=1"
        for name, conv in part.named_modules()
        if isinstance(conv, nn.Conv2d) and name in wholes and _cuts_groups(conv, wholes[name])
    ]


def _cuts_groups(part: nn.Conv2d, whole: nn.Conv2d) -> bool:
    both = (part, whole)
    if all(conv.groups == 1 for conv in both) or all(conv.groups == conv.in_channels for conv in both):
        return False
    widths = [(conv.in_channels, conv.out_channels, conv.groups) for conv in both]
    return widths[0] != widths[1]


def on_meta(block: Block, in_channels: int) -> nn.Module:
    """The module of `block` without memory."""
    with torch.device("meta"):
        return block.build(in_channels)
