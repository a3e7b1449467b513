"""FBNet's networks have the published multiply-adds and weights, to the last digit."""

from __future__ import annotations

import json

import pytest

from sculptnet import blocks
from sculptnet.arch import architecture_from_json, to_json
from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.errors import InvalidValue
from sculptnet.spaces import fbnet
from sculptnet.zoo import BY_NAME
from sculptnet.zoo.fbnet import CHANNELS_96_035, FBNET_A, FBNET_C, from_table

PUBLISHED = {  # multiply-adds, weights of convolutions and linear layers
    "fbnet_a": (249_921_848, 4_286_480),
    "fbnet_b": (295_561_032, 4_777_296),
    "fbnet_c": (382_984_480, 5_520_784),
    "fbnet_b_k5": (296_614_728, 4_778_640),
    "fbnet_c_k5": (384_960_160, 5_526_832),
    "fbnet_s8": (292_922_680, 4_431_040),
    "fbnet_iphonex": (321_798_968, 4_471_376),
    "fbnet_96_035_1": (12_944_208, 1_833_968),
}
ALL_PARAMETERS = {
    "fbnet_a": 4_321_464,
    "fbnet_s8": 4_468_296,
    "fbnet_iphonex": 4_511_320,
    "fbnet_c_k5": 5_572_200,
    "fbnet_b_k5": 4_815_048 - 2_000,  # the published total counts 16 + 1984 convolution biases
}


def test_every_network_of_the_paper_is_there() -> None:
    assert {name for name in BY_NAME if name.startswith("fbnet_")} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_and_weights_are_the_published_ones(name: str) -> None:
    architecture = BY_NAME[name].architecture
    assert (macs(architecture), conv_fc_weights(architecture)) == PUBLISHED[name]


@pytest.mark.parametrize("name", ALL_PARAMETERS)
def test_all_parameters_are_the_published_ones(name: str) -> None:
    assert parameters(BY_NAME[name].architecture) == ALL_PARAMETERS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_stated_number_rounds_the_counted_one(name: str) -> None:
    entry = BY_NAME[name]
    if entry.macs is not None:
        assert macs(entry.architecture) == pytest.approx(entry.macs, rel=5e-3)


@pytest.mark.parametrize(("head_channels", "millions"), [(1984, 383.0), (1504, 374.2)])
def test_the_papers_375_m_belong_to_the_smaller_head(head_channels: int, millions: float) -> None:
    assert macs(from_table(FBNET_C, head_channels=head_channels)) / 1e6 == pytest.approx(millions, abs=0.05)


def test_networks_of_the_nine_candidates_lie_in_the_space() -> None:
    small_head = fbnet(head_channels=1504)
    for name in ("fbnet_a", "fbnet_s8", "fbnet_iphonex"):
        architecture = BY_NAME[name].architecture
        assert small_head.decode(small_head.encode(architecture)).architecture == architecture
    scaled = fbnet(resolution=96, channels=CHANNELS_96_035, stem_channels=8, head_channels=1416)
    architecture = BY_NAME["fbnet_96_035_1"].architecture
    assert scaled.decode(scaled.encode(architecture)).architecture == architecture


@pytest.mark.parametrize("name", PUBLISHED)
def test_json_keeps_the_network(name: str) -> None:
    architecture = BY_NAME[name].architecture
    assert architecture_from_json(json.loads(json.dumps(to_json(architecture))), blocks.ALL) == architecture


def test_a_table_needs_one_stage_per_width() -> None:
    with pytest.raises(InvalidValue, match="one entry per stage, got 7, 2 and 7"):
        from_table(FBNET_A, head_channels=1504, channels=(8, 16))
