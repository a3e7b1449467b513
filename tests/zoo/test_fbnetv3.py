"""FBNetV3's networks have the multiply-adds and weights of the authors' code, to the last digit."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sculptnet import blocks
from sculptnet.arch import architecture_from_json, to_json
from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.zoo import BY_NAME

PUBLISHED = {  # multiply-adds, weights of convolutions and linear layers, all parameters without the stem's bias
    "fbnetv3_a": (355_514_328, 8_542_224, 8_598_480 - 16),
    "fbnetv3_b": (460_150_000, 8_542_224, 8_598_480 - 16),
    "fbnetv3_c": (555_578_368, 9_907_136, 9_973_816 - 16),
    "fbnetv3_d": (642_628_864, 10_237_552, 10_306_296 - 24),
    "fbnetv3_e": (759_952_160, 10_699_464, 10_772_896 - 24),
    "fbnetv3_f": (1_178_860_656, 13_803_072, 13_896_160 - 24),
    "fbnetv3_g": (2_125_187_200, 16_513_648, 16_623_920 - 32),
}
AT_224 = {  # timm's modules at 224 pixels
    "fbnetv3_b_half": (407_508_576, 8_542_224, 8_598_464),
    "fbnetv3_d": (501_971_056, 10_237_552, 10_306_272),
    "fbnetv3_g": (1_045_075_744, 16_513_648, 16_623_888),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_authors_code(name: str) -> None:
    architecture = BY_NAME[name].architecture
    assert (macs(architecture), conv_fc_weights(architecture), parameters(architecture)) == PUBLISHED[name]


@pytest.mark.parametrize("name", AT_224)
def test_counts_are_those_of_timms_modules(name: str) -> None:
    architecture = replace(BY_NAME[name].architecture, resolution=224)
    assert (macs(architecture), conv_fc_weights(architecture), parameters(architecture)) == AT_224[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_stated_number_is_the_counted_one_and_a_little_more(name: str) -> None:
    entry = BY_NAME[name]
    assert entry.macs is not None
    assert 1 < entry.macs / macs(entry.architecture) < 1.004


@pytest.mark.parametrize(("name", "sizes"), [("fbnetv3_a", [28, 13, 6]), ("fbnetv3_b", [31, 15, 7])])
def test_short_padding_shrinks_the_maps(name: str, sizes: list[int]) -> None:
    shapes = {path: shape for path, _, shape in BY_NAME[name].architecture.blocks()}
    assert [shapes[path].height for path in ("stages.3.0", "stages.4.0", "head")] == sizes


@pytest.mark.parametrize("name", [*PUBLISHED, "fbnetv3_b_half"])
def test_json_keeps_the_network(name: str) -> None:
    architecture = BY_NAME[name].architecture
    assert architecture_from_json(json.loads(json.dumps(to_json(architecture))), blocks.ALL) == architecture
