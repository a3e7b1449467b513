"""The space of everything that can be carved out of a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.inherit.families import ARCHITECTURES

from sculptnet import zoo
from sculptnet.arch import Architecture, SearchSpace, from_json, to_json
from sculptnet.blocks import ALL, Bottleneck, Classifier, Conv, GlobalPool, InvertedResidual, MnasNetLayer, Skip
from sculptnet.cost import FactoredCost, Macs, entries_of
from sculptnet.errors import InvalidSpace, InvalidValue
from sculptnet.inherit import carve_space, kept_whole
from sculptnet.inherit.anatomy import hidden_width
from sculptnet.inherit.derivable import why_not
from sculptnet.inherit.library import options_of_places

ZOO = {
    name: entry.architecture
    for name, entry in zoo.BY_NAME.items()
    if name in {"mobilenet_v2", "mobilenet_v3_large", "mnasnet_a1", "mnasnet_small", "fbnet_c", "efficientnet_lite0"}
}
EVERY = {**ARCHITECTURES, **ZOO}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_the_network_is_its_largest_and_all_options_can_be_made_of_it(name: str) -> None:
    whole = EVERY[name]
    space = carve_space(whole)
    macs = FactoredCost(space, Macs())
    assert macs.of([space.encode(whole)])[0] == macs.extremes()[1].value
    wholes = {path: (block, shape.channels) for path, block, shape in whole.blocks()}
    for path, blocks in options_of_places(space).items():
        assert wholes[path][0] in blocks
        for block in blocks:
            assert why_not(wholes[path][0], block, wholes[path][1]) is None


@pytest.mark.parametrize("name", sorted(EVERY))
def test_narrower_widths_are_multiples_of_8(name: str) -> None:
    whole = EVERY[name]
    channels = {path: shape.channels for path, _, shape in whole.blocks()}
    for path, blocks in options_of_places(carve_space(whole)).items():
        own = hidden_width(dict(whole.named())[path], channels[path])
        widths = {hidden_width(block, channels[path]) for block in blocks} - {None, own}
        assert all(width is not None and width % 8 == 0 for width in widths)


def test_places_with_a_shortcut_may_be_left_out_and_only_these() -> None:
    whole = ZOO["efficientnet_lite0"]
    shapes = {path: shape for path, _, shape in whole.blocks()}
    for path, blocks in options_of_places(carve_space(whole)).items():
        block = dict(whole.named())[path]
        residual = path.startswith("stages") and block.stride == 1 and shapes[path].channels == block.out_channels
        assert any(isinstance(option, Skip) for option in blocks) == residual


def test_it_is_a_space_like_any_other() -> None:
    space = carve_space(ARCHITECTURES["mnasnet"])
    template = from_json(to_json(space.architecture), ALL)
    assert SearchSpace(template) == space
    for row in space.sample(np.random.default_rng(0), 20):
        assert tuple(space.canonical([row])[0]) == space.encode(space.decode(row))
    assert len(entries_of(space)) > 10


def test_mnasnets_layers_get_widths_that_their_operations_do_not_have() -> None:
    options = options_of_places(carve_space(ZOO["mnasnet_a1"]))["stages.1.1"]
    assert any(isinstance(option, MnasNetLayer) for option in options)
    assert {option.hidden_channels(24) for option in options if isinstance(option, InvertedResidual)} == {
        *(32, 56, 72, 88, 112)  # of 144
    }


def test_kernels_and_layers_stay_where_asked() -> None:
    space = carve_space(ARCHITECTURES["kernels"], smaller_kernels=False, leave_out=False, head_factors=(1.0,))
    assert all("expansion" in path for path in space.decisions)


def test_blocks_without_a_closed_form_are_kept_and_said() -> None:
    said = kept_whole(ARCHITECTURES["mnasnet"])
    assert said["stages.0.3"] == "MnasNetLayer has no closed form; it may be left out"
    assert set(kept_whole(ARCHITECTURES["bottlenecks"])) == {"stem", "classifier", "head"}
    options = options_of_places(carve_space(ARCHITECTURES["mnasnet"]))
    assert options["stages.0.3"] == (ARCHITECTURES["mnasnet"].stages[0][3], Skip(8))


def test_wrong_settings_and_networks_that_cannot_be_smaller_are_refused() -> None:
    with pytest.raises(InvalidValue) as caught:
        carve_space(ARCHITECTURES["kernels"], width_factors=(0.5,), head_factors=(0.0, 1.0), channel_step=0)
    for part in ("width_factors must", "head_factors must", "channel_step must be at least 1"):
        assert part in str(caught.value)
    plain = Architecture(16, Conv(8), ((Conv(8),),), GlobalPool(8), Classifier(2))
    with pytest.raises(InvalidSpace, match="nothing of this network can be smaller"):
        carve_space(plain)


def test_why_not_names_what_differs() -> None:
    inverted, bottleneck = InvertedResidual(8, 5, 4), Bottleneck(32)
    for whole, part, reason in (
        (inverted, replace(inverted, groups=2), "only kernel, expansion and squeeze may differ"),
        (inverted, replace(inverted, expansion=8), "must not be above"),
        (
            replace(inverted, expand_at_1=False),
            replace(inverted, expansion=1, expand_at_1=False),
            "leaves out the first",
        ),
        (replace(inverted, groups=2), replace(inverted, groups=2, expansion=2.125), "does not fit 2 groups"),
        (bottleneck, replace(bottleneck, kernel_size=5), "kernel_size must not be above"),
        (bottleneck, replace(bottleneck, stride=2), "only kernel and expansion may differ"),
        (bottleneck, inverted, "is not made of a Bottleneck"),
        (Conv(8, stride=2), Skip(8), "there is no shortcut"),
    ):
        found = why_not(whole, part, 8)
        assert found is not None
        assert reason in found
