"""Every published network can be carved: its least network is put together, and its own is itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.inherit.test_library import same_state

from sculptnet import zoo
from sculptnet.cost import FactoredCost, Macs
from sculptnet.inherit import Library, Refit, Scores, carve_space, grow
from sculptnet.inherit.scoring import scored
from sculptnet.nets import Network, calibrate, initialise

REFIT = Refit(images=6, rows=300, kernel_rows=100)
FAST = ("mnasnet_small", "mobilenet_v3_small")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in sorted(zoo.BY_NAME)]
)
def test_the_least_network_of_every_published_one_is_put_together_and_grows_back(name: str) -> None:
    network = Network(replace(zoo.BY_NAME[name].architecture, resolution=64))
    initialise(network, 0)
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network = calibrate(network, [(images, torch.zeros(8))], images=8)
    space = carve_space(network.architecture)
    _, orders = scored(network, network, {}, images, REFIT)
    library = Library(network, space, images, orders, Scores({}), REFIT)
    assert same_state(library.assemble(network.architecture), network)
    small = replace(
        space.decode(FactoredCost(space, Macs()).extremes()[0].choices).architecture, head=network.architecture.head
    )
    carved = library.assemble(small)
    with torch.no_grad():
        wanted, grown = carved(images), grow(carved, network.architecture)(images)
    assert bool(wanted.isfinite().all())
    torch.testing.assert_close(grown, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
