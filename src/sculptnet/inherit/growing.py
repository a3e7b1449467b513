"""Growth that changes no answer: a larger network that computes what the trained one does, and has room to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Bottleneck
from sculptnet.blocks.squeeze import SqueezeExciteModule
from sculptnet.errors import InvalidValue, collected
from sculptnet.inherit.anatomy import (
    Place,
    body_of,
    conv_of,
    hidden_width,
    inverted_form,
    norm_of,
    places_of,
    projection_of,
)
from sculptnet.inherit.channels import grown_channels
from sculptnet.inherit.derivable import can_be_left_out, why_not
from sculptnet.inherit.slices import Channels, take_bottleneck, take_inverted
from sculptnet.nets import Network, initialise


@torch.no_grad()
def grow(network: Network, architecture: Architecture, seed: int = 0) -> Network:
    """A network of `architecture` that computes what `network` does in evaluation mode, up to rounding.

    Larger kernels are padded with zeros, further hidden channels are copies whose weights in the next layer are zero,
    and where `network` has a `Skip` or nothing, a block with a shortcut starts with a last batch norm of zero
    (Fang et al., Fast Neural Network Adaptation, ICLR 2020; Net2Net, ICLR 2016). In training such weights move.

    Args:
        network: in evaluation mode; stays as it is.
        architecture: each block of `network`, or a larger one of its kind in its place; stages may be longer.
        seed: of the weights of added blocks.

    Raises:
        InvalidValue: with every block that is neither the same nor larger.
    """
    sources = {place.path: place for place in places_of(network)}
    problems = [
        f"{path}: the architecture has no such block" for path in sources if path not in dict(architecture.named())
    ]
    if architecture.resolution != network.architecture.resolution:
        problems.append(f"resolution must stay {network.architecture.resolution}, got {architecture.resolution}")
    for path, block, shape in architecture.blocks():
        reason = _why_not(sources.get(path), block, shape.channels)
        problems += [f"{path}: {block}: {reason}"] if reason is not None else []
    if problems:
        raise InvalidValue(collected(problems, "grow"))
    with torch.random.fork_rng(devices=[]):
        grown = Network(architecture)
    initialise(grown, seed)
    grown.to(next(network.parameters()).device).eval()
    for target in places_of(grown):
        source = sources.get(target.path)
        if source is not None and source.block == target.block:
            target.module.load_state_dict(source.module.state_dict())
        elif source is None or source.block.is_identity(source.in_channels):
            norm = norm_of(projection_of(target.module))
            norm.weight.zero_()
            norm.bias.zero_()
        else:
            _enlarge(source, target)
    return grown


def _why_not(source: Place | None, block: Block, in_channels: int) -> str | None:
    """What keeps `block` from growing out of what stands at its place."""
    if source is not None and source.in_channels != in_channels:
        return f"its input has {in_channels} channels, the trained block's {source.in_channels}"
    if source is not None and not source.block.is_identity(in_channels):
        return None if source.block == block else why_not(block, source.block, in_channels)
    if block.is_identity(in_channels):
        return None
    body = isinstance(block, Bottleneck) or inverted_form(block) is not None
    return None if body and can_be_left_out(block, in_channels) else "an added block needs a body and a shortcut"


def _enlarge(source: Place, target: Place) -> None:
    channels, again = _grown(source, target)
    form = inverted_form(target.block)
    if form is None:
        take_bottleneck(source.module, target.module, channels)
        conv_of(body_of(target.module).get_submodule("convolve")).weight[:, again["inner"]] = 0.0
    else:
        take_inverted(source.module, target.module, form, channels)
        _silence_squeeze(target.module, again)
    _silence(conv_of(projection_of(target.module)), again["hidden"])


def _grown(source: Place, target: Place) -> tuple[Channels, Channels]:
    """For each hidden channel of the target the one that it copies, and whether it is a second copy."""
    form, own = inverted_form(target.block), inverted_form(source.block)
    widths = [hidden_width(place.block, place.in_channels) for place in (source, target)]
    assert widths[0] is not None
    assert widths[1] is not None
    found = {"hidden": grown_channels(widths[0], widths[1], form.groups if form else 1)}
    if isinstance(target.block, Bottleneck):
        found["inner"] = grown_channels(widths[0], widths[1])
    if form is not None and own is not None and form.squeeze is not None and own.squeeze is not None:
        few, many = (
            squeeze.squeezed_channels(target.in_channels, width)
            for squeeze, width in ((own.squeeze, widths[0]), (form.squeeze, widths[1]))
        )
        found["squeezed"] = grown_channels(few, many)
    return {name: pair[0] for name, pair in found.items()}, {name: pair[1] for name, pair in found.items()}


def _silence_squeeze(module: nn.Module, again: Channels) -> None:
    """The squeeze does not count copied channels twice, the excitation not copied squeezed ones."""
    squeeze = getattr(body_of(module), "squeeze", None)
    if isinstance(squeeze, SqueezeExciteModule):
        squeeze.squeeze.weight[:, again["hidden"]] = 0.0
        squeeze.excite.weight[:, again["squeezed"]] = 0.0


def _silence(conv: nn.Conv2d, again: Tensor) -> None:
    """The projection gives copied channels no weight; in groups, each group has its own columns."""
    for weights, columns in zip(conv.weight.chunk(conv.groups), again.chunk(conv.groups), strict=True):
        weights[:, columns] = 0.0
