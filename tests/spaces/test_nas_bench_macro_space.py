"""NAS-Bench-Macro's space: the networks whose table was published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sculptnet import spaces
from sculptnet.arch import OneOf, SearchSpace
from sculptnet.blocks import Activation, Conv, InvertedResidual, Skip
from sculptnet.cost import FactoredCost, Macs, Parameters, macs, parameters
from sculptnet.errors import InvalidValue
from sculptnet.spaces import nas_bench_macro
from sculptnet.testing import SpaceSuite

TABLE = Path(__file__).parents[3] / "shared/data/tables/nas-bench-macro_cifar10.json"


class TestNasBenchMacro(SpaceSuite):
    drawn, built = 10, 2

    def space(self) -> SearchSpace:
        return nas_bench_macro()


def test_the_space_has_3_to_the_8_networks() -> None:
    assert nas_bench_macro().size() == 3**8 == 6561
    assert list(nas_bench_macro().decisions) == [f"stages.{s}.{i}" for s, n in enumerate((2, 3, 3)) for i in range(n)]


def test_candidates_are_in_the_order_of_the_tables_digits() -> None:
    decisions = nas_bench_macro().decisions
    blocks = (InvertedResidual(128, 3, 3), InvertedResidual(128, 5, 6))
    assert decisions["stages.1.1"] == OneOf((Skip(128), *blocks))
    first = (
        Conv(128, 1, 2, activation=Activation.NONE),
        *(InvertedResidual(128, k, e, 2) for k, e in ((3, 3), (5, 6))),
    )
    assert decisions["stages.1.0"] == OneOf(first)


@pytest.mark.parametrize(
    ("digits", "published_macs", "published_parameters"),
    [("00000000", 7_713_280, 387_882), ("11111111", 53_246_464, 1_588_874), ("22222222", 105_660_928, 2_932_586)],
)
def test_counts_are_the_published_ones(digits: str, published_macs: int, published_parameters: int) -> None:
    network = nas_bench_macro().decode([int(digit) for digit in digits]).architecture
    assert (macs(network), parameters(network)) == (published_macs, published_parameters)


@pytest.mark.shared
@pytest.mark.skipif(not TABLE.is_file(), reason="the tables beside the repository are absent")
def test_counts_of_all_networks_are_the_tables() -> None:
    table, space = json.loads(TABLE.read_text()), nas_bench_macro()
    rows = np.array([[int(digit) for digit in key] for key in table], dtype=np.int64)
    assert len(np.unique(rows, axis=0)) == space.size()
    for cost, name in ((Macs(), "flops"), (Parameters(), "params")):
        np.testing.assert_array_equal(FactoredCost(space, cost).of(rows), [one[name] for one in table.values()])


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InvalidValue, match=r"nas_bench_macro: 2 problems\n  - num_classes .* got 1\n  - resolution"):
        nas_bench_macro(1, 4)


def test_it_is_listed_by_name() -> None:
    assert spaces.BY_NAME["nas_bench_macro"] is nas_bench_macro
