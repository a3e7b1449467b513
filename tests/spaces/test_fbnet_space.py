from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sculptnet import spaces
from sculptnet.arch import OneOf, TensorShape
from sculptnet.blocks import InvertedResidual, Skip
from sculptnet.cost import conv_fc_weights, macs
from sculptnet.errors import InvalidValue
from sculptnet.spaces import fbnet
from sculptnet.spaces.fbnet_space import CANDIDATES, candidate


def test_the_space_has_9_to_the_22_networks() -> None:
    assert fbnet().size() == 9**22 == 984770902183611232881


def test_decisions_are_22_slots_of_nine_candidates() -> None:
    decisions = fbnet().decisions
    assert len(decisions) == 22
    assert {len(node.options) for node in decisions.values()} == {9}
    assert [*decisions][:3] == ["stages.0.0", "stages.1.0", "stages.1.1"]


def test_the_candidates_are_those_of_table_2() -> None:
    slot = fbnet().decisions["stages.3.1"]
    expected = [
        *(InvertedResidual(64, 3, e, groups=g) for e, g in ((1, 1), (1, 2), (3, 1), (6, 1))),
        *(InvertedResidual(64, 5, e, groups=g) for e, g in ((1, 1), (1, 2), (3, 1), (6, 1))),
        Skip(64),
    ]
    assert slot == OneOf(tuple(expected))
    assert [option.label() for option in slot.options] == list(CANDIDATES)


def sizes(space: Any) -> list[tuple[int, int]]:
    """Width and height of what enters each stage and the head."""
    shapes = {path: shape for path, _, shape in space.decode([0] * 22).architecture.blocks()}
    return [(shapes[path].channels, shapes[path].height) for path in [*(f"stages.{i}.0" for i in range(7)), "head"]]


def test_shapes_are_those_of_table_1() -> None:
    assert sizes(fbnet()) == [(16, 112), (16, 112), (24, 56), (32, 28), (64, 14), (112, 14), (184, 7), (352, 7)]


@pytest.mark.parametrize(("resolution", "last"), [(64, 8), (32, 4), (28, 4)])
def test_small_images_are_halved_three_times(resolution: int, last: int) -> None:
    made = sizes(fbnet(10, resolution))
    assert made[0] == (16, resolution)
    assert made[-1] == (352, last)


def test_images_above_64_px_take_the_papers_strides() -> None:
    assert sizes(fbnet(10, 65))[0] == (16, 33)


@pytest.mark.parametrize(
    ("resolution", "width", "channels"),
    [
        (224, 0.35, [8, 8, 8, 16, 24, 40, 64, 120]),
        (192, 0.50, [8, 8, 16, 16, 32, 56, 96, 176]),
        (128, 1.0, [16, 16, 24, 32, 64, 112, 184, 352]),
        (96, 0.35, [8, 8, 8, 16, 24, 40, 64, 120]),
    ],
)
def test_the_scaled_spaces_of_the_paper(resolution: int, width: float, channels: list[int]) -> None:
    made = fbnet(resolution=resolution, width=width)
    assert [width for width, _ in sizes(made)] == channels
    assert made.size() == 9**22
    head = made.architecture.head
    assert head.out_channels == 1984


def test_a_wider_space_has_a_wider_head() -> None:
    assert fbnet(width=1.5).architecture.head.out_channels == 2976


def test_every_option_of_a_place_costs_a_different_network(rng: np.random.Generator) -> None:
    made = fbnet(10, 32)
    row = made.sample(rng, 1)[0]
    rows = [[*row[:5], option, *row[6:]] for option in range(9)]
    costs = {(macs(network), conv_fc_weights(network)) for network in (made.decode(r).architecture for r in rows)}
    assert len(costs) == 9


def test_a_skip_in_front_of_a_stage_projects() -> None:
    skips = [CANDIDATES.index("skip")] * 22
    shapes = [shape for _, _, shape in fbnet().decode(skips).architecture.blocks()]
    assert shapes[-2] == TensorShape(352, 7, 7)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("k3_e1", InvertedResidual(8, 3, 1, 2)),
        ("k5_e1_g2", InvertedResidual(8, 5, 1, 2, groups=2)),
        ("k5_e6", InvertedResidual(8, 5, 6, 2)),
        ("skip", Skip(8, 2)),
    ],
)
def test_names_of_candidates(name: str, block: object) -> None:
    assert candidate(name, 8, 2) == block


def test_a_near_miss_of_a_candidate_is_suggested() -> None:
    with pytest.raises(InvalidValue, match="fbnet has no candidate 'k3e6'; did you mean k3_e6"):
        candidate("k3e6", 8, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 1}, "fbnet: num_classes must be at least 2, got 1"),
        ({"resolution": 4}, "fbnet: resolution must be at least 8, got 4"),
        ({"width": 0}, "fbnet: width must be above 0, got 0"),
        ({"strides": (1, 2)}, "fbnet: channels, layers and strides need one entry per stage, got 7, 7 and 2"),
        ({"num_classes": 0, "width": -1}, r"fbnet: 2 problems\n  - num_classes .*\n  - width"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        fbnet(**settings)


def test_spaces_are_listed_by_name() -> None:
    assert spaces.BY_NAME["fbnet"] is fbnet
