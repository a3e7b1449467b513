"""Small spaces of open widths, and the reference of masked supernets: one branch per choice, from the same weights."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sculptnet.arch import Architecture, Block, OneOf, Same, SearchSpace, between, choice, options_of, same
from sculptnet.blocks import (
    Activation,
    Classifier,
    Conv,
    InvertedResidual,
    MBPool,
    PooledConv,
    Skip,
    SqueezeExcite,
)
from sculptnet.nets import MaskedSupernet, initialise, subsampled
from sculptnet.streams import stream

Weights = Mapping[str, Tensor]
Option = tuple[Tensor, Any]  # the weight of an option, and the option
CLASSES = 5


# ---------------------------------------------------------------------- spaces
def slot(path: str, widths: tuple[int, int, int], stride: int = 1) -> Any:
    """Two blocks and a skip that share the decisions of width and expansion."""
    width, expansion = same(f"{path}[0].out_channels"), same(f"{path}[0].expansion")
    squeeze = SqueezeExcite(0.25, divisor=2)
    return choice(
        InvertedResidual(between(*widths), 3, between(1, 2, 0.5), stride, squeeze=squeeze),
        InvertedResidual(width, 5, expansion, stride, activation=Activation.HARD_SWISH),
        Skip(width, stride),
    )


def masked_space(*, resolution: Any = None, head: Block | None = None) -> SearchSpace:
    """Open stem, a block without its first convolution, layers whose widths agree in some choices."""
    first = InvertedResidual(between(4, 8, 2), 3, 1, expand_at_1=False)
    second = (
        slot("stages.1.0", (6, 12, 3), 2),
        slot("stages.1.1", (6, 12, 3)),
        slot("stages.1.2", (6, 12, 6)),
    )
    stem = Conv(between(4, 8, 2), 3, 2, activation=Activation.HARD_SWISH)
    size = between(8, 16, 4) if resolution is None else resolution
    return SearchSpace(Architecture(size, stem, ((first,), second), head or PooledConv(12), Classifier(CLASSES)))


def soft_weights(space: SearchSpace, seed: int) -> dict[str, Tensor]:
    """A random distribution over the options of every decision, float64."""
    rng = stream(seed, "test/weights")
    return {path: torch.tensor(rng.dirichlet([1.0] * len(node.options))) for path, node in space.decisions.items()}


def supernet_of(space: SearchSpace, **settings: Any) -> MaskedSupernet:
    """In eval mode, with batch-norm statistics that are not the initial ones."""
    supernet = MaskedSupernet(space, **settings)
    initialise(supernet, 0)
    size = max(options_of(space.architecture.resolution))
    with torch.no_grad():
        for seed in range(3):
            images = torch.randn(8, 3, size, size, generator=torch.Generator().manual_seed(seed))
            supernet(images, soft_weights(space, seed))
    return supernet.eval()


# ---------------------------------------------------------------------- one branch per choice


def naive_forward(supernet: MaskedSupernet, images: Tensor, weights: Weights) -> Tensor:
    """Every width is a branch, cut out and padded with zeros; every resolution is a branch, spread among zeros."""
    space = supernet.space
    resolutions = options_of(space.architecture.resolution)
    shares = weights["resolution"].to(images) if "resolution" in weights else torch.ones(1)
    sizes, widths, x = list(resolutions), [(torch.ones(()), 3)], images
    for (path, slot), (_, module) in zip(space.architecture.named(), supernet.slots(), strict=True):
        step = next(iter(options_of(slot)))
        after = [1 if path in {"head", "classifier"} else -(-size // step.stride) for size in sizes]
        total: Tensor | None = None
        for share, size, size_after in zip(shares, sizes, after, strict=True):
            y = _slot(space, path, slot, module, subsampled(x, size), widths, weights)
            spread = _spread(share * y, size_after, max(after))
            total = spread if total is None else total + spread
        assert total is not None
        x, sizes, widths = total, after, _width_options(space, path, slot, weights)
    return x


def _spread(x: Tensor, size: int, full: int) -> Tensor:
    if x.dim() == 2:  # logits
        return x
    result = x.new_zeros(*x.shape[:2], full, full)
    for i, j in itertools.product(range(size), repeat=2):
        result[:, :, i * full // size, j * full // size] = x[:, :, i, j]
    return result


def _slot(
    space: SearchSpace, path: str, slot: Any, module: nn.Module, x: Tensor, widths: Sequence[Option], weights: Weights
) -> Tensor:
    if not isinstance(slot, OneOf):
        return _block(space, path, slot, module, x, widths, weights)
    assert isinstance(module, nn.ModuleList)
    branches = [
        _block(space, f"{path}[{k}]", block, module[k], x, widths, weights) for k, block in enumerate(slot.options)
    ]
    return torch.stack([w.to(x) * y for w, y in zip(weights[path], branches, strict=True)]).sum(0)


def _block(
    space: SearchSpace,
    where: str,
    block: Block,
    module: nn.Module,
    x: Tensor,
    widths: Sequence[Option],
    weights: Weights,
) -> Tensor:
    outputs = _options(space, f"{where}.out_channels", block.out_channels, weights)
    width = max(size for _, size in outputs)
    agree = sum((p * q for (p, a), (q, b) in itertools.product(widths, outputs) if a == b), torch.zeros(()))
    kept = _cut(x, width) * agree.to(x)
    if isinstance(block, Skip) and block.stride == 1:
        if isinstance(module, nn.Identity):
            return x
        branches = [(p * q, 0 if a == b else b) for (p, a), (q, b) in itertools.product(widths, outputs)]
        return kept + _branches(module(x), branches)
    if isinstance(block, InvertedResidual):
        y = _branches(_inverted(space, where, block, module, x, widths, weights), outputs)
        return y + kept if block.stride == 1 else y
    if isinstance(block, MBPool):
        hidden = [(p, a * block.expansion) for p, a in widths]
        y = _branches(module.get_submodule("expand")(x), hidden).mean((2, 3), keepdim=True)
        logits: Tensor = module.get_submodule("act")(module.get_submodule("conv")(y))
        return logits
    y = module(x)
    return _branches(y, outputs) if y.dim() == 4 else y


def _inverted(
    space: SearchSpace,
    where: str,
    block: InvertedResidual,
    module: nn.Module,
    x: Tensor,
    widths: Sequence[Option],
    weights: Weights,
) -> Tensor:
    """The hidden features, one branch per pair of input width and expansion, then the shared projection."""
    expansions = _options(space, f"{where}.expansion", block.expansion, weights)
    hidden, squeezed = [], []
    for (p, channels), (q, expansion) in itertools.product(widths, expansions):
        decided = replace(block, out_channels=1, expansion=expansion)
        count = decided.hidden_channels(channels)
        hidden.append((p * q, count))
        if block.squeeze is not None:
            squeezed.append((p * q, block.squeeze.squeezed_channels(channels, count)))
    body: Any = module.body
    y = body.expand(x) if hasattr(body, "expand") else x
    y = _branches(body.depthwise(y), hidden)
    if block.squeeze is not None:
        gate = _branches(body.squeeze.act(body.squeeze.squeeze(y.mean((2, 3), keepdim=True))), squeezed)
        y = y * body.squeeze.gate(body.squeeze.excite(gate))
    projected: Tensor = body.project(y)
    return projected


def _branches(x: Tensor, options: Sequence[Option]) -> Tensor:
    """A branch for each width: its channels, padded with zeros, weighted; then their sum."""
    return torch.stack([weight.to(x) * _cut(x[:, :size], x.shape[1]) for weight, size in options]).sum(0)


def _cut(x: Tensor, width: int) -> Tensor:
    return x[:, :width] if x.shape[1] >= width else pad(x, (0, 0, 0, 0, 0, width - x.shape[1]))


def _options(space: SearchSpace, path: str, value: Any, weights: Weights) -> list[Option]:
    name = value.path if isinstance(value, Same) else path
    if not isinstance(value, (OneOf, Same)):
        return [(torch.ones(()), value)]
    return list(zip(weights[name], space.decisions[name].options, strict=True))


def _width_options(space: SearchSpace, path: str, slot: Any, weights: Weights) -> list[Option]:
    first, where = (slot.options[0], f"{path}[0]") if isinstance(slot, OneOf) else (slot, path)
    return _options(space, f"{where}.out_channels", first.out_channels, weights)
