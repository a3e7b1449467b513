from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sculptnet import settings, spaces
from sculptnet.arch import Architecture, SearchSpace
from sculptnet.blocks import SqueezeExcite
from sculptnet.cost import macs
from sculptnet.errors import InvalidSpace, InvalidValue, NotInSpace
from sculptnet.spaces import fbnetv3
from sculptnet.spaces.fbnetv3_space import in_rows
from sculptnet.zoo import BY_NAME


def test_the_table_as_printed_has_the_product_of_its_rows() -> None:
    rows = [2 * 5 * 4, 2 * 16 * 4 * 4, 2 * 16 * 7 * 4, 2 * 16 * 8 * 5, 2 * 16 * 13 * 5, 2 * 4 * 12 * 5, 2 * 12]
    printed = fbnetv3(as_printed=True)
    assert printed.size() == 5 * math.prod(rows)
    assert fbnetv3(as_printed=True, lowest_resolution=224).size() == 7 * printed.size()
    assert 2e18 < printed.size() < 2e19


def test_two_kernels_a_stage_and_two_expansions_make_the_space_larger_by_their_product() -> None:
    one_layer, more = 2 * 1, 4 * 3  # a first stage of one layer has one kernel only
    assert fbnetv3().size() * 8 == fbnetv3(as_printed=True).size() * (one_layer + more) * 2**5 * 4


def test_widths_are_those_printed_and_rounding_merges_equal_ones() -> None:
    assert fbnetv3().decisions["stages.3.0.out_channels"].options == (56, 60, 64, 68, 72, 76, 80, 84)
    rounded = fbnetv3(round_to=8).decisions["stages.3.0.out_channels"]
    assert rounded.options == (56, 64, 72, 80, 88)
    assert rounded.ordered


def test_squeeze_and_excitation_stands_where_the_table_has_it() -> None:
    space = fbnetv3()
    stages = space.decode([0] * len(space.decisions)).architecture.stages
    squeezed = [{isinstance(layer.squeeze, SqueezeExcite) for layer in stage} for stage in stages]  # type: ignore[attr-defined]
    assert squeezed == [{False}, {False}, {True}, {False}, {True}, {True}, {True}]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fbnetv3_a", {"short": (3, 5)}),
        ("fbnetv3_b", {"short": (3, 5)}),
        ("fbnetv3_c", {"short": (3, 5)}),
        ("fbnetv3_d", {"last_channels": (180, 240, 4)}),
        ("fbnetv3_e", {"short": (3,), "last_channels": (180, 240, 4)}),
        ("fbnetv3_b_half", {}),
    ],
)
def test_released_networks_lie_in_the_space(name: str, arguments: dict[str, Any]) -> None:
    space = fbnetv3(1000, 272, lowest_resolution=224, round_to=8, **arguments)
    released = in_rows(BY_NAME[name].architecture)
    found = space.decode(space.encode(released)).architecture
    assert found == released
    assert macs(found) == macs(BY_NAME[name].architecture)


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("fbnetv3_d", {}, r"stages\.6\.0\.out_channels is 240"),
        ("fbnetv3_b_half", {"as_printed": True}, r"stages\.\d\.1\.\w+ is"),
        ("fbnetv3_a", {}, r"stages\.3\.0\.padding is"),
        ("fbnetv3_f", {"short": (5,)}, r"stages\.\d"),
    ],
)
def test_others_do_not_and_the_place_is_named(name: str, arguments: dict[str, Any], place: str) -> None:
    space = fbnetv3(1000, 272, lowest_resolution=224, round_to=8, **arguments)
    with pytest.raises(NotInSpace, match=place):
        space.encode(in_rows(BY_NAME[name].architecture))


def smallest(space: SearchSpace) -> Architecture:
    return space.decode([0] * len(space.decisions)).architecture


@pytest.mark.parametrize(("resolution", "last"), [(224, 7), (64, 8), (28, 4)])
def test_small_images_keep_their_size_longer(resolution: int, last: int) -> None:
    *_, (_, _, head_input), _ = smallest(fbnetv3(10, resolution)).blocks()
    assert (head_input.height, head_input.width) == (last, last)


def test_a_small_variant_has_fewer_and_narrower_layers() -> None:
    small = fbnetv3(10, 28, width=0.5, round_to=8, fewer_layers=5)
    assert small.decisions["stages.4.depth"].options == (1, 2, 3, 4, 5)
    assert small.decisions["stages.5.0.out_channels"].options == (88, 96, 104, 112)
    assert [len(stage) for stage in smallest(small).stages] == [1] * 7


def test_rows_are_decoded_and_encoded_again() -> None:
    space = fbnetv3(10, 32, open_recipe=True)
    for row in space.sample(np.random.default_rng(0), 4):
        assert space.encode(space.decode(row)) == tuple(row)


def test_the_command_line_opens_the_recipe() -> None:
    maker: Callable[..., SearchSpace] = spaces.BY_NAME["fbnetv3"]
    arguments = settings.bind(maker, {"open_recipe": "true", "last_channels": "180,240,4"}, "space")
    space = maker(10, 32, **arguments)
    assert "recipe.dropout" in space.decisions
    assert space.decisions["stages.6.0.out_channels"].options[-1] == 240


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "fbnetv3: num_classes must be at least 2, got 1"),
        ({"width": 0, "round_to": 0}, r"2 problems\n  - round_to must be at least 1, got 0\n  - width must be above 0"),
        ({"short": (4,)}, r"short names the stages \[4\]; only those with a stride .*: \[1, 2, 3, 5\]"),
        ({"last_channels": (180, 239, 4)}, "a step that divides the range, got"),
        ({"strides": (1, 2)}, "strides need 7 entries"),
        ({"lowest_resolution": 220}, r"between\(220, 272, 8\): the step must divide the range"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        fbnetv3(**arguments)


def test_a_recipe_and_a_network_without_choices_are_no_space() -> None:
    with pytest.raises(InvalidSpace, match=r"with_recipe: of this architecture and this recipe: .*nothing is open"):
        spaces.with_recipe(BY_NAME["fbnetv3_a"].architecture, spaces.fbnet().recipe)
