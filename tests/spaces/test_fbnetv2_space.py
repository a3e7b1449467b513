from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from sculptnet import spaces
from sculptnet.arch import OneOf, SearchSpace
from sculptnet.blocks import InvertedResidual, Skip
from sculptnet.cost import entries_of
from sculptnet.errors import InvalidValue
from sculptnet.nets import MaskedSupernet
from sculptnet.spaces import fbnetv2
from sculptnet.spaces.fbnetv2_space import Family, Stage


def widths(space: SearchSpace) -> list[tuple[int, ...]]:
    return [node.options for path, node in space.decisions.items() if path.endswith("out_channels")]


def test_the_widths_of_p_multiply_to_the_papers_10_to_the_14() -> None:
    product = math.prod(map(len, widths(fbnetv2())))
    assert product == 2 * 4**3 * 4**3 * 7**3 * 8**4 * 14**4
    assert product == pytest.approx(4.4e14, rel=0.01)


def test_the_whole_space_is_larger_than_the_papers_1e35() -> None:
    layers = 17  # of open expansion; 8 blocks of 6 expansions, or a skip
    assert fbnetv2().size() == 2 * 4**3 * 4**3 * 7**3 * 8**4 * 14**4 * 9 * (8 * 6 + 1) ** layers
    assert fbnetv2(lowest_resolution=128).size() == 6 * fbnetv2().size()


@pytest.mark.parametrize(
    ("family", "layers", "stem", "last"),
    [
        (Family.F, [1, 3, 3, 3, 3, 4], (8, 12, 16), tuple(range(112, 185, 8))),
        (Family.P, [1, 3, 3, 3, 4, 4], 16, tuple(range(112, 217, 8))),
        (Family.L, [1, 4, 4, 4, 5, 5], 16, tuple(range(112, 217, 8))),
    ],
)
def test_the_families(family: Family, layers: list[int], stem: Any, last: tuple[int, ...]) -> None:
    template = fbnetv2(family=family).architecture
    assert [len(stage) for stage in template.stages] == layers
    width = template.stem.out_channels
    assert (width.options if isinstance(width, OneOf) else width) == stem
    assert widths(fbnetv2(family=family))[-1] == last


def test_a_layer_has_eight_inverted_residuals_and_a_skip_of_one_width_and_one_expansion() -> None:
    space = fbnetv2()
    blocks = space.decisions["stages.3.1"].options
    assert [type(block) for block in blocks] == [InvertedResidual] * 8 + [Skip]
    kinds = Counter((block.kernel_size, block.squeeze is None, block.activation) for block in blocks[:8])
    assert len(kinds) == 8
    own = [path for path in space.decisions if path.startswith("stages.3.1")]
    assert own == ["stages.3.1", "stages.3.1[0].out_channels", "stages.3.1[0].expansion"]
    assert space.decisions[own[2]].options == (0.75, 1.5, 2.25, 3.0, 3.75, 4.5)


def test_maps_are_those_of_the_table() -> None:
    space = fbnetv2()
    architecture = space.decode([0] * len(space.decisions)).architecture
    shapes = {path: shape for path, _, shape in architecture.blocks()}
    assert [shapes[f"stages.{i}.0"].height for i in range(6)] == [144, 144, 72, 36, 18, 18]
    assert shapes["head"].height == 9


@pytest.mark.parametrize(("family", "stem"), [(Family.P, 1), (None, 2)])
def test_small_images_are_halved_three_times(family: Family | None, stem: int) -> None:
    space = fbnetv2(10, 32, family=family)
    architecture = space.decode(space.sample(np.random.default_rng(0), 1)[0]).architecture
    assert {path: shape.height for path, _, shape in architecture.blocks()}["head"] == 4
    assert architecture.stem.stride == stem


def test_the_table_of_small_images_has_a_twentieth_of_the_entries() -> None:
    small = fbnetv2(10, 28)
    assert small.size() == 3 * 2 * 3**2 * 5**4 * 5 * (4 * 3 + 1) ** 6
    assert len(entries_of(small)) == 1274
    assert fbnetv2(10, 64) == fbnetv2(10, 64, family=Family.S)
    assert fbnetv2(10, 65) == fbnetv2(10, 65, family=Family.P)


def test_layers_take_the_place_of_the_rows_own() -> None:
    assert [len(stage) for stage in fbnetv2(10, 28, layers=(1, 3)).architecture.stages] == [1, 3]


def test_resolutions_of_small_images_are_4_pixels_apart() -> None:
    assert fbnetv2(10, 28, lowest_resolution=20).decisions["resolution"].options == (20, 24, 28)
    assert fbnetv2(10, 288, lowest_resolution=224).decisions["resolution"].options == (224, 256, 288)


def test_a_width_factor_scales_steps_too() -> None:
    assert widths(fbnetv2(width=0.5))[1] == (8, 10, 12, 14)


def test_one_width_a_stage_leaves_one_decision() -> None:
    assert len(widths(fbnetv2(one_width_a_stage=True))) == 6
    rows = (Stage((8, 8, 8), 1), Stage((8, 16, 8), 2, 2, 2.0))
    MaskedSupernet(fbnetv2(10, 32, stages=rows, one_width_a_stage=True), residuals=True)
    with pytest.raises(ValueError, match=r"stages\.1\.1\[0\] must add its input"):
        MaskedSupernet(fbnetv2(10, 32, stages=rows), residuals=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 1}, "fbnetv2: num_classes must be at least 2, got 1"),
        (
            {"layers": (1, 1, 1, 1, 1, 1, 1)},
            r"fbnetv2: layers must have a number for each of 1 to 6 stages, got \(1, 1",
        ),
        ({"stem_stride": 0}, "fbnetv2: stem_stride must be at least 1, got 0"),
        ({"resolution_step": 0}, "fbnetv2: resolution: needs 0 < lowest <= highest and a step above 0"),
        (
            {"stages": (Stage((8, 16, 4), 1), Stage((16, 30, 8), 1))},
            r"fbnetv2: stages\.1: channels \(16, 30, 8\) times 1: the step 8 must divide the range, 30 is not reached",
        ),
        (
            {"width": 0.3},
            r"stages\.1: channels \(16, 28, 4\) times 0\.3 makes 4\.8 to 8\.4 by 1\.2; widths must stay whole numbers",
        ),
        ({"lowest_resolution": 100}, r"resolution: the step 32 must divide the range, 288 is not reached from 100"),
        (
            {
                "stages": (Stage((8, 8, 8), 1, 2), Stage((8, 8, 8), 1, 2)),
                "resolution": 96,
                "lowest_resolution": 2,
                "resolution_step": 94,
            },
            r"stages\.0: stride 2 reduces a map of 1x1 below one pixel at resolution 2",
        ),
        (
            {"stages": (Stage((8, 8, 8), 0, 1, (2, 1, 1)),)},
            r"2 problems\n  - stages\.0: expansion .*\n  - stages\.0: lay",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_stage(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        fbnetv2(**settings)


def test_spaces_are_listed_by_name() -> None:
    assert spaces.BY_NAME["fbnetv2"] is fbnetv2
