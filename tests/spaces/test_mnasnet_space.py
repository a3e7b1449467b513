"""MnasNet's space is the one of section 4.1, all layers of a stage share one decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sculptnet.arch import SearchSpace, TensorShape
from sculptnet.blocks import Operation
from sculptnet.blocks.mnasnet_layer import QUARTER_OF_INPUT
from sculptnet.errors import InvalidValue
from sculptnet.spaces import mnasnet
from sculptnet.spaces.mnasnet_space import FILTERS, LAYERS, PUBLISHED_FILTERS
from sculptnet.testing import SpaceSuite


class TestMnasnet(SpaceSuite):
    drawn, built = 10, 2

    def space(self) -> SearchSpace:
        return mnasnet(10, 16, width=0.25, filters=((32,), (32, 64)), layers=(1, 2), strides=(1, 1, 2, 1))


def test_the_space_has_432_to_the_5_networks() -> None:
    assert mnasnet().size() == 432**5 == 15045919506432


def test_without_squeezing_half_of_the_options_are_left() -> None:
    assert mnasnet(squeeze=False).size() == 216**5


def test_a_stage_has_six_decisions_of_its_first_layer() -> None:
    decisions = [path for path in mnasnet().decisions if path.startswith("stages.3.")]
    names = ("out_channels", "operation", "kernel_size", "squeeze", "shortcut")
    assert decisions == ["stages.3.depth", *(f"stages.3.0.{name}" for name in names)]
    assert len(mnasnet().decisions) == 30


def test_all_layers_of_a_stage_are_alike(rng: np.random.Generator) -> None:
    space = mnasnet()
    for row in space.sample(rng, 20):
        for stage in space.decode(row).architecture.stages:
            assert len({(*vars(layer).values(),)[:-1] for layer in stage}) == 1
            assert {layer.stride for layer in stage[1:]} <= {1}


def test_filters_are_multiples_of_mobilenet_v2s() -> None:
    for options, channels in zip(FILTERS, (24, 32, 64, 96, 160), strict=True):
        for option, factor in zip(options, (0.75, 1.0, 1.25), strict=True):
            assert abs(option - channels * factor) <= 2
    assert all(set(few) <= set(more) for few, more in zip(FILTERS, PUBLISHED_FILTERS, strict=True))


def test_layers_are_mobilenet_v2s_and_one_less_or_more() -> None:
    depths = [mnasnet().decisions[f"stages.{index}.depth"].options for index in range(1, 6)]
    assert depths == [(count - 1, count, count + 1) for count in LAYERS]


def test_a_stage_of_one_layer_keeps_it() -> None:
    space = mnasnet(layers=(1, 3, 4, 3, 3))
    assert space.decisions["stages.1.depth"].options == (1, 2)


def test_operations_and_ratios_are_the_papers() -> None:
    decisions = mnasnet().decisions
    assert decisions["stages.1.0.operation"].options == tuple(Operation)
    assert decisions["stages.1.0.squeeze"].options == (None, QUARTER_OF_INPUT)


@pytest.mark.parametrize(("resolution", "last"), [(224, 7), (64, 8), (32, 4), (28, 4)])
def test_small_images_keep_their_size_longer(resolution: int, last: int) -> None:
    shapes = [shape for _, _, shape in mnasnet(10, resolution).decode([0] * 30).architecture.blocks()]
    assert shapes[-2] == TensorShape(320, last, last)


def test_a_width_scales_all_but_the_head() -> None:
    half = mnasnet(width=0.5)
    assert half.decisions["stages.5.0.out_channels"].options == (64, 80, 104)
    template = half.architecture
    assert (template.stem.out_channels, template.head.out_channels) == (16, 1280)


def test_a_width_that_merges_options_decides_them() -> None:
    assert "stages.1.0.out_channels" not in mnasnet(width=0.25).decisions


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 1}, "mnasnet: num_classes must be at least 2, got 1"),
        ({"strides": (1, 2)}, r"filters and layers need one entry per searched stage, .*; got 5, 5 and 2"),
        ({"filters": ((), *FILTERS[1:])}, "mnasnet: filters.0 is empty; name at least one width"),
        ({"layers": (0, 3, 4, 3, 3)}, "mnasnet: layers must be at least 1, got 0"),
        ({"resolution": 4, "width": -1}, r"mnasnet: 2 problems\n  - resolution .*\n  - width must be above 0, got -1"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        mnasnet(**settings)
