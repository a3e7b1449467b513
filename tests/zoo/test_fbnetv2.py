"""FBNetV2's networks have the multiply-adds and weights of the authors' code, to the last digit."""

from __future__ import annotations

import json

import pytest

from sculptnet import blocks
from sculptnet.arch import architecture_from_json, to_json
from sculptnet.blocks import InvertedResidual, Skip
from sculptnet.cost import conv_fc_weights, macs, parameters
from sculptnet.zoo import BY_NAME, Published
from sculptnet.zoo.fbnetv2 import ENTRIES

PUBLISHED = {  # multiply-adds, weights of convolutions and linear layers, all parameters without the stem's bias
    "fbnetv2_f1": (56_231_936, 5_999_408, 6_024_744 - 8),
    "fbnetv2_f2": (85_163_192, 5_999_408, 6_024_744 - 8),
    "fbnetv2_f3": (121_423_712, 6_899_504, 6_924_840 - 8),
    "fbnetv2_f4": (237_605_592, 6_994_824, 7_022_880 - 16),
    "fbnetv2_l1": (325_025_344, 8_496_520, 8_538_792 - 16),
    "fbnetv2_l2": (422_610_304, 8_496_520, 8_538_792 - 16),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_authors_code(name: str) -> None:
    architecture = BY_NAME[name].architecture
    assert (macs(architecture), conv_fc_weights(architecture), parameters(architecture)) == PUBLISHED[name]


def test_l3_has_the_counts_of_the_authors_older_code() -> None:
    architecture = BY_NAME["fbnetv2_l3"].architecture
    assert (round(macs(architecture) / 1e4), round(conv_fc_weights(architecture) / 1e2)) == (75_112, 93_941)


def test_l3_has_the_widths_of_the_authors_older_code() -> None:
    layers = {path: (block, shape.channels) for path, block, shape in BY_NAME["fbnetv2_l3"].architecture.blocks()}
    widths = []
    for path in ("stages.1.0", "stages.1.1", "stages.2.0", "stages.2.1", "stages.3.6", "stages.4.1"):
        block, channels = layers[path]
        assert isinstance(block, InvertedResidual)
        hidden = block.hidden_channels(channels)
        squeezed = block.squeeze and block.squeeze.module(channels, hidden).get_submodule("squeeze").out_channels
        widths.append((hidden, squeezed))
    assert widths == [(131, None), (57, None), (171, 42), (170, 42), (213, 53), (545, 136)]


@pytest.mark.parametrize("published", ENTRIES, ids=lambda published: published.name)
def test_the_stated_number_is_the_counted_one_and_a_little_more(published: Published) -> None:
    assert published.macs is not None
    assert 1 < published.macs / macs(published.architecture) < 1.004


@pytest.mark.parametrize("published", ENTRIES, ids=lambda published: published.name)
def test_json_keeps_the_network(published: Published) -> None:
    architecture = published.architecture
    assert architecture_from_json(json.loads(json.dumps(to_json(architecture))), blocks.ALL) == architecture


def test_a_skipped_layer_is_the_identity_or_a_projection() -> None:
    skips = [
        (path, block.is_identity(shape.channels))
        for path, block, shape in BY_NAME["fbnetv2_f4"].architecture.blocks()
        if isinstance(block, Skip)
    ]
    assert skips == [("stages.3.2", True), ("stages.4.3", False)]
