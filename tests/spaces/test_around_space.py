from __future__ import annotations

import pytest
import torch

from sculptnet import zoo
from sculptnet.arch import Architecture
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.errors import InvalidSpace, InvalidValue
from sculptnet.nets import ElasticSupernet, Network, initialise, largest, smallest
from sculptnet.spaces import around

SMALL = {
    "efficientnet_lite0": zoo.efficientnet_lite0(10, 32),
    "mobilenet_v2": zoo.mobilenet_v2(10, 32),
    "mobilenet_v3_large": zoo.mobilenet_v3_large(10, 32),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_network_itself_is_the_largest_of_the_space_around_it(name: str) -> None:
    space = around(SMALL[name], resolutions=(24, 32))
    assert largest(space) == SMALL[name]
    assert smallest(space).resolution == 24


@pytest.mark.parametrize("name", SMALL)
def test_a_supernet_takes_its_weights(name: str) -> None:
    architecture = SMALL[name]
    network = Network(architecture)
    initialise(network, 1)
    supernet = ElasticSupernet(around(architecture))
    supernet.load_full(network)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(supernet.eval()(images, architecture), network.eval()(images))
        assert supernet(images, smallest(supernet.space)).shape == (2, 10)


def test_every_decision_of_a_block_goes_down_from_its_own() -> None:
    stage = tuple(InvertedResidual(8, 5, 6, 2 if index == 0 else 1) for index in range(4))
    space = around(Architecture(16, Conv(8), (stage,), PooledConv(12), Classifier(3)))
    options = {path: node.options for path, node in space.decisions.items()}
    assert options["stages.0.depth"] == (2, 3, 4)
    assert options["stages.0.0.kernel_size"] == (3, 5)
    assert options["stages.0.0.expansion"] == (3, 4.5, 6)


def test_what_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        around(SMALL["mobilenet_v2"], expansion_factors=(0.5, 2.0), fewer_layers=-1, resolutions=(64,))
    text = str(caught.value)
    assert "expansion_factors must lie above 0 and at most at 1, 1 among them, got (0.5, 2.0)" in text
    assert "fewer_layers must be at least 0, got -1" in text
    assert "resolutions must have the network's 32 as the largest, got (64,)" in text
    plain = Architecture(16, Conv(8), ((Conv(8),),), PooledConv(12), Classifier(3))
    with pytest.raises(InvalidSpace, match="nothing of this network can be smaller"):
        around(plain)
