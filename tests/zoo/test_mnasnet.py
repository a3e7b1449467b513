"""MnasNet's networks are those that timm and torchvision build, and lie in the space."""

from __future__ import annotations

import json

import pytest
import timm
import torch
import torchvision

from sculptnet import blocks
from sculptnet.arch import Architecture, architecture_from_json, to_json
from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.spaces import mnasnet
from sculptnet.spaces.mnasnet_space import PUBLISHED_FILTERS
from sculptnet.zoo import BY_NAME
from sculptnet.zoo.mnasnet import ENTRIES, mnasnet_a1, mnasnet_b1, mnasnet_small

COUNTS = {  # multiply-adds, weights of convolutions and linear layers, parameters
    "mnasnet_a1": (311_579_072, 3_848_312, 3_887_038),
    "mnasnet_b1": (314_415_872, 4_344_392, 4_383_312),
    "mnasnet_small": (68_339_184, 2_009_736, 2_030_264),
}
SMALL_FILTERS = ((16,), (16,), (32,), (32,), (88,))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name: str) -> None:
    architecture = BY_NAME[name].architecture
    assert (macs(architecture), conv_fc_weights(architecture), parameters(architecture)) == COUNTS[name]


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if entry.macs])
def test_the_stated_number_is_near_the_counted_one(name: str) -> None:
    assert macs(BY_NAME[name].architecture) == pytest.approx(BY_NAME[name].macs, rel=0.03)


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if entry.timm])
def test_timm_has_as_many_parameters(name: str) -> None:
    entry = BY_NAME[name]
    with torch.device("meta"):
        reference = timm.create_model(str(entry.timm), pretrained=False)
    assert parameters(entry.architecture) == sum(parameter.numel() for parameter in reference.parameters())


@pytest.mark.parametrize("width", [0.5, 0.75, 1.3])
def test_torchvisions_b1_has_as_many_parameters(width: float) -> None:
    with torch.device("meta"):
        reference = torchvision.models.MNASNet(width)
    assert parameters(mnasnet_b1(width=width)) == sum(parameter.numel() for parameter in reference.parameters())


def test_a1_and_b1_lie_in_the_space_with_the_published_filters() -> None:
    space = mnasnet(filters=PUBLISHED_FILTERS)
    for architecture in (mnasnet_a1(), mnasnet_b1()):
        assert space.decode(space.encode(architecture)).architecture == architecture


def test_b1_needs_no_squeezing_in_the_space() -> None:
    space = mnasnet(filters=PUBLISHED_FILTERS, squeeze=False)
    assert space.decode(space.encode(mnasnet_b1())).architecture == mnasnet_b1()
    with pytest.raises(NotInSpace, match=r"stages\.2\.0\.squeeze"):
        space.encode(mnasnet_a1())


@pytest.mark.parametrize(
    ("network", "place"),
    [(mnasnet_a1(), r"stages\.4\.0\.out_channels is 112"), (mnasnet_b1(), r"stages\.5\.0\.out_channels is 192")],
)
def test_the_papers_own_grid_of_filters_excludes_both(network: Architecture, place: str) -> None:
    with pytest.raises(NotInSpace, match=place):
        mnasnet().encode(network)


def test_small_lies_in_a_space_of_its_own_widths() -> None:
    space = mnasnet(filters=SMALL_FILTERS, stem_channels=8, first_channels=8, last_channels=144)
    assert space.decode(space.encode(mnasnet_small())).architecture == mnasnet_small()
    with pytest.raises(NotInSpace, match=r"stages\.0\.0\.shortcut is .*IDENTITY"):
        space.encode(BY_NAME["mnasnet_small_residual"].architecture)


def test_scaled_networks_lie_in_scaled_spaces() -> None:
    space = mnasnet(width=0.5, filters=PUBLISHED_FILTERS)
    assert space.decode(space.encode(mnasnet_a1(width=0.5))).architecture == mnasnet_a1(width=0.5)


def test_small_images_keep_their_size_longer() -> None:
    shapes = {path: shape for path, _, shape in mnasnet_a1(10, 32).blocks()}
    assert shapes["head"].height == 4
    assert {path: shape for path, _, shape in mnasnet_a1().blocks()}["head"].height == 7


def test_json_keeps_the_network() -> None:
    assert architecture_from_json(json.loads(json.dumps(to_json(mnasnet_a1()))), blocks.ALL) == mnasnet_a1()


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"2 problems\n  - width must be above 0, got 0\n  - strides must have"):
        mnasnet_a1(width=0, strides=(1, 2))
