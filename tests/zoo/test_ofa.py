"""Once-for-All's networks have the published multiply-adds and parameters, and lie in their spaces."""

from __future__ import annotations

import json

import pytest

from sculptnet import blocks
from sculptnet.arch import Architecture, architecture_from_json, to_json
from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.spaces import ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50
from sculptnet.zoo import BY_NAME
from sculptnet.zoo.ofa import ENTRIES, FLOPS_389M, PIXEL1_58MS, member

SPECIALISED = {  # published: multiply-adds, parameters in millions; counted: weights of convolutions and linear layers
    "ofa_389m": (389.49, 8.387, 8_341_576),
    "ofa_482m": (482.41, 9.066, 9_015_208),
    "ofa_595m": (595.19, 9.136, 9_083_368),
    "ofa_pixel1_58ms": (229.85, 5.810, 5_775_576),
    "ofa_pixel1_143ms": (641.76, 9.222, 9_167_080),
    "ofa_note10_64ms": (743.13, 9.109, 9_056_088),
    "ofa_lg_g8_11ms": (103.37, 4.965, 4_937_984),
    "ofa_1080ti_27ms": (396.71, 6.493, 6_444_680),
    "ofa_cpu_17ms": (364.49, 4.934, 4_898_696),
    "ofa_v100_5ms": (141.20, 5.187, 5_148_904),
}
CORNERS = {  # multiply-adds, parameters
    "ofa_mobilenet_v3_max": (566_170_656, 7_664_760),
    "ofa_mobilenet_v3_d4_e3_k3": (226_193_808, 4_371_928),
    "ofa_mobilenet_v3_min": (121_278_672, 3_410_792),
    "ofa_mobilenet_v3_w12_max": (843_101_040, 10_701_632),
    "ofa_mobilenet_v3_w12_min": (193_078_200, 4_602_456),
    "ofa_proxyless_w13_max": (1_004_908_032, 7_942_056),
    "ofa_proxyless_w13_min": (265_526_256, 3_718_832),
    "ofa_resnet50_max": (7_491_643_904, 48_105_992),
    "ofa_resnet50_min": (962_192_128, 6_539_280),
}


def network(name: str) -> Architecture:
    return BY_NAME[name].architecture


def test_every_network_is_tested() -> None:
    assert {entry.name for entry in ENTRIES} == {*SPECIALISED, *CORNERS}


@pytest.mark.parametrize("name", SPECIALISED)
def test_specialised_networks_have_the_published_counts(name: str) -> None:
    million_macs, million_parameters, weights = SPECIALISED[name]
    assert round(macs(network(name)) / 1e6, 2) == million_macs
    assert round(parameters(network(name)) / 1e6, 3) == million_parameters
    assert conv_fc_weights(network(name)) == weights


@pytest.mark.parametrize("name", CORNERS)
def test_corners_have_the_counts_of_the_authors_code(name: str) -> None:
    assert (macs(network(name)), parameters(network(name))) == CORNERS[name]


@pytest.mark.parametrize("name", [*SPECIALISED, *CORNERS])
def test_every_network_lies_in_its_space_at_its_resolution(name: str) -> None:
    architecture = network(name)
    resolution = architecture.resolution
    if "resnet50" in name:
        space = ofa_resnet50(resolution=resolution)
    elif len(architecture.stages) == 7:
        space = ofa_proxyless(resolution=resolution)
    else:
        space = ofa_mobilenet_v3(resolution=resolution, width=1.2 if architecture.stem.out_channels == 24 else 1.0)
    assert space.decode(space.encode(architecture)).architecture == architecture


def test_names_hold_the_latency_that_is_published() -> None:
    timed = [entry for entry in ENTRIES if entry.latency_ms is not None]
    assert len(timed) == 7
    assert all(entry.name.endswith(f"_{entry.latency_ms:g}ms") for entry in timed)


def test_mobilenet_v3_is_a_neighbour_and_no_member() -> None:
    """Its last convolution has a bias, and its units layers of expansion 2.5 and 2.3, of which one has four."""
    with pytest.raises(NotInSpace, match=r"stages\.3\.1\.expansion is 2\.5"):
        ofa_mobilenet_v3().encode(network("mobilenet_v3_large"))


@pytest.mark.parametrize("name", ["ofa_note10_64ms", "ofa_resnet50_min"])
def test_json_keeps_the_network(name: str) -> None:
    assert architecture_from_json(json.loads(json.dumps(to_json(network(name)))), blocks.ALL) == network(name)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("k3_e3 k3_e3", "it has 1 units, the space 5"),
        (PIXEL1_58MS.replace("k7_e4", "k7e4"), r"2 problems\n  - 'k7e4' must read like k5_e4"),
        (PIXEL1_58MS.replace("k7", "k9"), r"3 problems\n  - stages\.2\.0\.kernel_size is 9"),
        (PIXEL1_58MS.replace("k3_e3 k3_e3 |", "k3_e3 |"), r"stages\.1\.depth is 1"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=f"the table is no network of the space: (.|\n)*{message}"):
        member(ofa_mobilenet_v3(), table)


def test_a_unit_of_decided_depth_keeps_it() -> None:
    with pytest.raises(InvalidValue, match=r"stages\.6\.depth is 2\n  - stages\.6\.1\.kernel_size is 3"):
        member(ofa_proxyless(), f"{FLOPS_389M} | k3_e3 k3_e3")
