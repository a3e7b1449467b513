"""Once-for-All's spaces have the published sizes, and their largest and smallest networks the published costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sculptnet import spaces
from sculptnet.arch import Architecture, SearchSpace
from sculptnet.blocks import Activation, Bottleneck, DeepStem, InvertedResidual, SqueezeExcite
from sculptnet.cost import macs, parameters
from sculptnet.errors import InvalidValue
from sculptnet.spaces import ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50
from sculptnet.spaces.ofa_spaces import PAPER_RESOLUTIONS
from sculptnet.testing import SpaceSuite

NETWORKS = 7371**5  # of five units


class TestMobilenetV3(SpaceSuite):
    drawn, built = 10, 2

    def space(self) -> SearchSpace:
        sizes, depths = (24, 32), (1, 2)
        return ofa_mobilenet_v3(
            10, 32, width=0.25, resolutions=sizes, depths=depths, expansions=(6,), kernel_sizes=(3, 5)
        )


@pytest.mark.slow
class TestProxyless(SpaceSuite):
    drawn, built = 10, 2

    def space(self) -> SearchSpace:
        return ofa_proxyless(10, 16, width=0.25, depths=(1, 2), kernel_sizes=(3,))


@pytest.mark.slow
class TestResnet50(SpaceSuite):
    drawn, built = 10, 2

    def space(self) -> SearchSpace:
        return ofa_resnet50(10, 16, width=0.25, widths=(0.65, 1.0), expansions=(0.2, 0.35), extra_layers=(0, 1))


def corner(space: SearchSpace, pick: Callable[[Any], Any]) -> Architecture:
    """The network whose every decision is the largest (`max`) or smallest (`min`) of its options."""
    row = [node.options.index(pick(node.options)) for node in space.decisions.values()]
    return space.decode(space.canonical([row])[0]).architecture


@pytest.mark.parametrize(
    ("space", "pick", "counts"),
    [
        (ofa_mobilenet_v3(), max, (566_170_656, 7_664_760)),
        (ofa_mobilenet_v3(depths=(4,)), min, (226_193_808, 4_371_928)),
        (ofa_mobilenet_v3(), min, (121_278_672, 3_410_792)),
        (ofa_mobilenet_v3(width=1.2), max, (843_101_040, 10_701_632)),
        (ofa_mobilenet_v3(width=1.2, depths=(4,)), min, (351_083_256, 5_986_008)),
        (ofa_mobilenet_v3(width=1.2), min, (193_078_200, 4_602_456)),
        (ofa_proxyless(), max, (1_004_908_032, 7_942_056)),
        (ofa_proxyless(), min, (265_526_256, 3_718_832)),
        (ofa_resnet50(), max, (7_491_643_904, 48_105_992)),
        (ofa_resnet50(), min, (962_192_128, 6_539_280)),
    ],
)
def test_corners_of_the_published_supernets(
    space: SearchSpace, pick: Callable[[Any], Any], counts: tuple[int, int]
) -> None:
    """226 M multiply-adds of (D=4, W=3, K=3) are the paper's; all agree with counts of the authors' code."""
    network = corner(space, pick)
    assert (macs(network), parameters(network)) == counts


def test_sizes_are_the_published_ones() -> None:
    assert ofa_mobilenet_v3().size() == NETWORKS == 21758655492572485851  # 2.18e19 (section 3.1)
    assert ofa_mobilenet_v3(resolutions=PAPER_RESOLUTIONS).size() == 25 * NETWORKS
    assert ofa_proxyless().size() == 9 * NETWORKS


def test_the_resnet_counts_stem_widths_ratios_and_layers() -> None:
    stage_of_2_to_4, stage_of_4_to_6 = 3 * (3**2 + 3**3 + 3**4), 3 * (3**4 + 3**5 + 3**6)
    assert ofa_resnet50().size() == 3 * 2 * 2 * stage_of_2_to_4**3 * stage_of_4_to_6


def test_units_are_mobilenet_v3s() -> None:
    network = corner(ofa_mobilenet_v3(), max)
    units = [stage[0] for stage in network.stages[1:]]
    squeeze = SqueezeExcite()
    assert units[1] == InvertedResidual(40, 7, 6, 2, squeeze=squeeze, activation=Activation.RELU, expand_at_1=False)
    assert [unit.out_channels for unit in units] == [24, 40, 80, 112, 160]
    assert [unit.squeeze for unit in units if isinstance(unit, InvertedResidual)] == [
        *(None, squeeze),
        *(None, squeeze),
        squeeze,
    ]


def test_published_widths() -> None:
    wide = ofa_mobilenet_v3(width=1.2)
    assert [slot.out_channels for _, slot in wide.architecture.named()][::4] == [24, 32, 48, 96, 136, 192]
    proxyless = [*dict.fromkeys(slot.out_channels for _, slot in ofa_proxyless().architecture.named())]
    assert proxyless == [40, 24, 32, 56, 104, 128, 248, 416, 1664, 1000]


def test_open_resolutions_are_a_decision() -> None:
    space = ofa_mobilenet_v3(10, 64, resolutions=(32, 48, 64))
    assert space.decisions["resolution"].options == (32, 48, 64)
    assert "resolution" not in ofa_mobilenet_v3(10, 64).decisions


@pytest.mark.parametrize("make", [ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50])
@pytest.mark.parametrize(("resolution", "last"), [(224, 7), (64, 8), (32, 4), (28, 4)])
def test_small_images_keep_their_size_longer(make: Callable[..., SearchSpace], resolution: int, last: int) -> None:
    space = make(10, resolution)
    shapes = [shape for _, _, shape in space.decode([0] * len(space.decisions)).architecture.blocks()]
    assert shapes[-2].height == last


def test_the_resnet_drops_layers_and_the_stems_convolution(rng: np.random.Generator) -> None:
    space = ofa_resnet50()
    for row in space.sample(rng, 20):
        network = space.decode(row).architecture
        assert isinstance(network.stem, DeepStem)
        assert all(2 <= len(stage) <= 6 for stage in network.stages)
        blocks = [block for stage in network.stages for block in stage]
        assert all(isinstance(block, Bottleneck) for block in blocks)
        assert network.head.out_channels == blocks[-1].out_channels


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (ofa_mobilenet_v3, {"num_classes": 1}, "ofa_mobilenet_v3: num_classes must be at least 2, got 1"),
        (ofa_proxyless, {"width": 0}, "ofa_proxyless: width must be above 0, got 0"),
        (ofa_resnet50, {"strides": (1, 2)}, r"ofa_resnet50: strides need 4 entries, such as \(1, 2, 2, 2\), got"),
        (
            ofa_mobilenet_v3,
            {"resolutions": (128, 160)},
            r"resolution must be the largest of resolutions \(160\), got 224",
        ),
        (
            ofa_mobilenet_v3,
            {"resolution": 4, "width": -1},
            r"ofa_mobilenet_v3: 2 problems\n  - resolution must be at least 8, got 4\n  - width",
        ),
    ],
)
def test_what_is_wrong_is_said(make: Callable[..., Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        make(**settings)


def test_the_spaces_are_listed_by_name() -> None:
    names = ("mnasnet", "ofa_mobilenet_v3", "ofa_proxyless", "ofa_resnet50")
    assert {spaces.BY_NAME[name] for name in names} == {getattr(spaces, name) for name in names}
