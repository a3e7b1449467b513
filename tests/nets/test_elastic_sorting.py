from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from sculptnet import spaces
from sculptnet.arch import Architecture, SearchSpace
from sculptnet.nets import ElasticSupernet, initialise, smallest, sort_channels
from sculptnet.streams import stream

IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def mobilenet() -> SearchSpace:
    return spaces.ofa_mobilenet_v3(5, 16, width=0.5, depths=(1, 2), expansions=(2, 4, 6), kernel_sizes=(3, 5))


def resnet() -> SearchSpace:
    return spaces.ofa_resnet50(5, 16, width=0.25, widths=(0.6, 1.0), extra_layers=(0, 1))


def supernet_of(space: SearchSpace) -> ElasticSupernet:
    supernet = ElasticSupernet(space)
    initialise(supernet, 0)
    with torch.no_grad():
        for parameter in supernet.parameters():  # batch norm and transforms too
            parameter.add_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.02)
        supernet(IMAGES, supernet.full)
    return supernet.eval()


def with_expansions(space: SearchSpace, seed: int, allowed: tuple[Any, ...]) -> Architecture:
    """A random architecture whose expansions are among `allowed`."""
    rng = stream(seed, "test/rows")
    row = space.sample(rng, 1)[0]
    for path, node in space.decisions.items():
        if path.endswith("expansion"):
            row[space.column[path]] = node.options.index(allowed[rng.integers(len(allowed))])
    return space.decode(space.canonical([row])[0]).architecture


@torch.no_grad()
def logits(supernet: ElasticSupernet, architecture: Architecture) -> Tensor:
    values: Tensor = supernet(IMAGES, architecture)
    return values


def norms(supernet: ElasticSupernet, name: str) -> Tensor:
    """The importance of the channels that a weight reads."""
    weight: Tensor = supernet.state_dict()[name]
    return weight.double().abs().sum((0, 2, 3))


def assert_falls(values: Tensor) -> None:
    assert bool((values.diff() <= 0).all())
    assert float(values[0]) > float(values[-1])


def assert_same(left: Tensor, right: Tensor) -> None:
    assert float((left - right).abs().max()) <= 1e-5 * float(right.abs().max())


@pytest.mark.parametrize("make", [mobilenet, resnet])
def test_the_full_network_computes_the_same(make: Any) -> None:
    supernet = supernet_of(make())
    before, narrow = logits(supernet, supernet.full), logits(supernet, smallest(supernet.space))
    sort_channels(supernet)
    assert_same(logits(supernet, supernet.full), before)
    assert not torch.allclose(logits(supernet, smallest(supernet.space)), narrow, rtol=1e-3)


def test_the_most_important_channels_come_first() -> None:
    supernet = supernet_of(mobilenet())
    name = "stages.2.1.body.project.conv.weight"
    before = norms(supernet, name)
    sort_channels(supernet)
    torch.testing.assert_close(norms(supernet, name), before.sort(descending=True).values)
    assert_falls(norms(supernet, name))
    assert_falls(norms(supernet, "stages.2.1.body.squeeze.excite.weight"))


def test_shorter_networks_and_smaller_kernels_compute_the_same() -> None:
    """All channels of a layer share its kernel transforms, so these may be trained before the channels are sorted."""
    supernet = supernet_of(mobilenet())
    candidates = [with_expansions(supernet.space, seed, (6,)) for seed in range(5)]
    before = [logits(supernet, candidate) for candidate in candidates]
    sort_channels(supernet)
    for candidate, value in zip(candidates, before, strict=True):
        assert_same(logits(supernet, candidate), value)


def test_the_second_sorting_keeps_every_network_of_supported_widths() -> None:
    supernet = supernet_of(mobilenet())
    space, supported = supernet.space, (4, 6)
    sort_channels(supernet)
    with torch.no_grad():
        for parameter in supernet.parameters():  # training moves the order of importance
            parameter.mul_(1 + 0.5 * torch.rand(parameter.shape, generator=torch.Generator().manual_seed(2)))
    candidates = [with_expansions(space, seed, supported) for seed in range(6)]
    narrower = [with_expansions(space, seed, (2,)) for seed in range(3)]
    before, others = ([logits(supernet, c) for c in found] for found in (candidates, narrower))
    sort_channels(supernet, [replace(supernet.full, stages=_all_layers(supernet, width)) for width in supported])
    for candidate, value in zip(candidates, before, strict=True):
        assert_same(logits(supernet, candidate), value)
    assert not any(
        torch.allclose(logits(supernet, c), value, rtol=1e-3) for c, value in zip(narrower, others, strict=True)
    )
    name = "stages.1.0.body.project.conv.weight"  # 8 channels in: supported prefixes of 32 and 48
    assert_falls(norms(supernet, name)[:32])
    assert_falls(norms(supernet, name)[32:])


def _all_layers(supernet: ElasticSupernet, expansion: int) -> Any:
    return tuple(
        tuple(replace(layer, expansion=expansion) if index else layer for layer in stage)  # type: ignore[type-var]
        for index, stage in enumerate(supernet.full.stages)
    )


def test_sorting_twice_is_sorting_once() -> None:
    supernet = supernet_of(resnet())
    sort_channels(supernet)
    once = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    sort_channels(supernet)
    for name, tensor in supernet.state_dict().items():
        torch.testing.assert_close(tensor, once[name], rtol=0, atol=0)
