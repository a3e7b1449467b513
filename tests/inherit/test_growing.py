"""Growth changes no answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.inherit.families import ARCHITECTURES, images, library, network
from tests.inherit.test_library import same_state, smallest

from sculptnet import zoo
from sculptnet.arch import Architecture, Block
from sculptnet.blocks import Bottleneck, InvertedResidual, MnasNetLayer, Operation, Skip
from sculptnet.errors import InvalidValue
from sculptnet.inherit import grow
from sculptnet.nets import Network, initialise


def larger(block: Block) -> Block:
    if isinstance(block, Bottleneck):
        return replace(block, kernel_size=block.kernel_size + 2, expansion=block.expansion + 0.5)
    if isinstance(block, MnasNetLayer):
        more = {Operation.MBCONV3: Operation.MBCONV6}.get(block.operation, block.operation)
        kernel = block.kernel_size + (0 if block.operation is Operation.CONV else 2)
        return replace(block, kernel_size=kernel, operation=more)
    if isinstance(block, InvertedResidual):
        more_channels = block.expand_at_1 or block.expansion > 1
        return replace(block, kernel_size=7, expansion=block.expansion * 2 if more_channels else block.expansion)
    return block


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@torch.no_grad()
def test_larger_kernels_widths_and_added_blocks_keep_the_function(name: str) -> None:
    whole = network(name).architecture
    stages = tuple(tuple(map(larger, stage)) for stage in whole.stages)
    width = stages[-1][-1].out_channels
    added = Bottleneck(width) if isinstance(stages[-1][-1], Bottleneck) else InvertedResidual(width, expansion=2)
    grown = grow(network(name), replace(whole, stages=(*stages[:-1], (*stages[-1], added))), seed=3)
    x = images(4)
    torch.testing.assert_close(grown(x), network(name)(x), rtol=1e-5, atol=1e-5 * float(network(name)(x).abs().max()))


@torch.no_grad()
def test_a_block_in_the_place_of_a_skip_keeps_the_function() -> None:
    made = library("kernels")
    small = replace(smallest(made.space), head=made.network.architecture.head)
    carved = made.assemble(small)
    assert any(isinstance(block, Skip) for _, block in carved.architecture.named())
    grown = grow(carved, made.network.architecture)
    assert grown.architecture == made.network.architecture
    x = images(4)
    torch.testing.assert_close(grown(x), carved(x), rtol=1e-5, atol=1e-5 * float(carved(x).abs().max()))


def test_a_network_grown_to_itself_is_itself_and_the_seed_decides_the_rest() -> None:
    made = network("groups")
    assert same_state(grow(made, made.architecture), made)
    stages = ((*made.architecture.stages[0], InvertedResidual(8)),)
    first, second, other = (grow(made, replace(made.architecture, stages=stages), seed=seed) for seed in (1, 1, 2))
    assert same_state(first, second)
    assert not same_state(first, other)


def test_a_grown_network_learns_in_every_new_weight() -> None:
    made = network("stacked")
    stages = ((*map(larger, made.architecture.stages[0]), InvertedResidual(8)),)
    grown = grow(made, replace(made.architecture, stages=stages))
    grown.train()(images(4)).square().sum().backward()
    gradient = grown.get_submodule("stages.0.0.body.project.conv").weight.grad
    assert isinstance(gradient, torch.Tensor)
    assert bool((gradient.flatten(1).abs().sum(0) > 0).all())


def test_what_does_not_grow_is_said_with_every_place() -> None:
    made = network("kernels")
    whole = made.architecture
    first = replace(whole.stages[0][0], kernel_size=3)  # type: ignore[type-var]
    wrong: Architecture = replace(
        whole, resolution=64, stages=((first, whole.stages[0][1], InvertedResidual(16)), whole.stages[1])
    )
    with pytest.raises(InvalidValue) as caught:
        grow(made, wrong)
    for part in ("resolution must stay 32", "stages.0.0", "an added block needs a body and a shortcut", "stages.1.0"):
        assert part in str(caught.value)


def test_a_zoo_network_grows_to_a_wider_one_of_its_family() -> None:
    small = Network(zoo.mobilenet_v2(4, 32, width=0.1)).eval()
    initialise(small, 0)
    stages = tuple(tuple(map(larger, stage)) for stage in small.architecture.stages)
    grown = grow(small, replace(small.architecture, stages=stages))
    assert sum(p.numel() for p in grown.parameters()) > sum(p.numel() for p in small.parameters())
