from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sculptnet.arch import Architecture, SearchSpace, TensorShape, choice, options_of
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.cost import FactoredCost, check_covers, cost_of, read_fbnet_pi4_table, read_fbnet_tables
from sculptnet.errors import InvalidValue, NotMeasured
from sculptnet.spaces import fbnet

TABLES = Path(__file__).parents[2].parent / "shared" / "data" / "tables"
shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not TABLES.is_dir(), reason="the table collections beside the repository are absent"),
]

SPACE = SearchSpace(
    Architecture(
        4,
        Conv(8),
        (
            (choice(InvertedResidual(8, 3, 1), InvertedResidual(8, 5, 1, groups=2), Skip(8)),),
            (choice(InvertedResidual(16, 3, 1, 2), InvertedResidual(16, 5, 1, 2, 2), Skip(16, 2)),),
        ),
        PooledConv(16),
        Classifier(3),
    )
)


def document() -> dict[str, Any]:
    """Two layers with three candidates each on one device."""
    return {
        "ops": ["k3_e1", "k5_e1_g2", "skip"],
        "layers": [
            {"in_ch": 8, "out_ch": 8, "stride": 1, "in_hw": 4},
            {"in_ch": 8, "out_ch": 16, "stride": 2, "in_hw": 4},
        ],
        "devices": {
            "toaster": {
                "constant_ms": 10.0,
                "table_ms": [
                    {"k3_e1": 1.0, "k5_e1_g2": 2.0, "skip": 0.0},
                    {"k3_e1": 0.25, "k5_e1_g2": 0.5, "skip": 0.0},
                ],
            }
        },
    }


def written(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_a_network_costs_the_constant_plus_its_ops_beyond_skips(tmp_path: Path) -> None:
    table = read_fbnet_tables(written(tmp_path / "t.json", document()), SPACE)["toaster"]
    assert table.name == "latency_ms@toaster"
    check_covers(table, SPACE)
    rows = np.array([[0, 0], [1, 1], [2, 2], [1, 2]])
    assert FactoredCost(SPACE, table).of(rows).tolist() == [11.25, 12.5, 10.0, 12.0]
    assert [cost_of(table, SPACE.decode(row).architecture) for row in rows] == [11.25, 12.5, 10.0, 12.0]
    assert table.warnings() == ("the table was not checked on whole networks; its error is unknown",)


def test_layers_of_one_shape_get_their_mean(tmp_path: Path) -> None:
    data = document()
    data["layers"][1] = data["layers"][0]
    space = SearchSpace(
        Architecture(4, Conv(8), ((choice(InvertedResidual(8, 3, 1), Skip(8)),),), PooledConv(16), Classifier(3))
    )
    table = read_fbnet_tables(written(tmp_path / "t.json", data), space)["toaster"]
    assert table.entries_ms[InvertedResidual(8, 3, 1), TensorShape(8, 4, 4)] == (1.0 + 0.25) / 2


def test_what_a_published_table_lacks_is_listed_with_where_it_comes_from(tmp_path: Path) -> None:
    path, space = written(tmp_path / "t.json", document()), fbnet(3, 16, channels=(8,), layers=(1,), strides=(1,))
    with pytest.raises(NotMeasured, match="toaster does not cover the space") as caught:
        read_fbnet_tables(path, space)
    assert "InvertedResidual(out_channels=8, kernel_size=3" in str(caught.value)
    assert "it comes from HW-NAS-Bench's FBNet space: take the space" in str(caught.value)
    assert "sculptnet measure" not in str(caught.value)
    assert len(read_fbnet_tables(path, space, partial=True)["toaster"].entries_ms) == 3  # stem, head, classifier


def set_at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        *parents, last = path.split(".")
        for key in parents:
            data = data[int(key) if isinstance(data, list) else key]
        data[int(last) if isinstance(data, list) else last] = value

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (set_at("ops", []), "ops must be a list of candidates, got []"),
        (set_at("ops.0", "k3_e2"), "ops: 'k3_e2' is no candidate; did you mean"),
        (set_at("layers", None), "layers must be a list of objects, got None"),
        (set_at("layers.1.in_hw", 0), "layers.1 must have in_ch, out_ch, stride and in_hw above 0"),
        (set_at("layers.0", 3), "layers.0 must have in_ch, out_ch, stride and in_hw above 0, got 3"),
        (set_at("devices", []), "devices must be an object with at least one device"),
        (set_at("devices.toaster", 3), "devices.toaster.constant_ms: a latency must be a finite number"),
        (set_at("devices.toaster.constant_ms", -1), "at least 0, got -1"),
        (set_at("devices.toaster.constant_ms", "1"), "constant_ms: a latency must be a finite number"),
        (set_at("devices.toaster.table_ms", [1]), "table_ms must be a list with a row for each of 2 layers"),
        (set_at("devices.toaster.table_ms.1", {}), "table_ms.1 must have a number for each of k3_e1, k5_e1_g2, skip"),
        (set_at("devices.toaster.table_ms.0.skip", "fast"), "table_ms.0.skip: a latency must be a finite number"),
        (set_at("devices.toaster.table_ms.0.skip", float("nan")), "got nan"),
    ],
)
def test_every_wrong_value_of_a_file_is_named(tmp_path: Path, change: Callable[..., None], text: str) -> None:
    data = document()
    change(data)
    with pytest.raises(InvalidValue) as caught:
        read_fbnet_tables(written(tmp_path / "t.json", data), SPACE)
    assert text in str(caught.value)


def test_all_problems_of_a_file_come_at_once(tmp_path: Path) -> None:
    data = document()
    data["devices"]["toaster"]["constant_ms"], data["layers"][0]["stride"] = None, "1"
    with pytest.raises(InvalidValue, match=r"latency tables in .*t\.json: 2 problems"):
        read_fbnet_tables(written(tmp_path / "t.json", data), SPACE)
    for content in ("{", "[]"):
        (tmp_path / "t.json").write_text(content)
        with pytest.raises(InvalidValue, match=r"t\.json"):
            read_fbnet_tables(tmp_path / "t.json", SPACE)
    with pytest.raises(InvalidValue, match=r"absent\.json cannot be read as JSON"):
        read_fbnet_tables(tmp_path / "absent.json", SPACE)


# ---------------------------------------------------------------------- a list over layers
def pi4_rows() -> list[list[float] | None]:
    """As in the file: layers that change the shape have no ninth number."""
    changing = {1, 5, 9, 13, 17, 21}
    rows: list[list[float] | None] = [[1000.0 * (op + 1) for op in range(8 + (i not in changing))] for i in range(22)]
    return [None, None, *rows, None, None]


def without_changing_skips(**shape: Any) -> SearchSpace:
    """FBNet where a skip is a candidate only if it changes nothing."""
    whole = fbnet(10, 32, **shape).architecture
    stages, channels = [], 16
    for stage in whole.stages:
        slots = []
        for slot in stage:
            options = [
                block for block in options_of(slot) if not isinstance(block, Skip) or block.is_identity(channels)
            ]
            slots.append(choice(*options))
            channels = options[0].out_channels
        stages.append(tuple(slots))
    return SearchSpace(Architecture(32, whole.stem, tuple(stages), whole.head, whole.classifier))


def test_a_list_over_layers_is_read_in_the_layout_it_was_made_for(tmp_path: Path) -> None:
    path = written(tmp_path / "t.json", pi4_rows())
    space = without_changing_skips(strides=(1, 2, 2, 1, 1, 1, 1))
    table = read_fbnet_pi4_table(path, space)
    assert table.entries_ms[InvertedResidual(352, 5, 6), TensorShape(184, 8, 8)] == 8.0
    assert FactoredCost(space, table).of(np.full((1, 22), 3)).tolist() == [22 * 4.0]
    with pytest.raises(NotMeasured, match=r"Skip\(out_channels=24, stride=2\) at input 16x32x32"):
        read_fbnet_pi4_table(path, fbnet(10, 32, strides=(1, 2, 2, 1, 1, 1, 1)))


def test_every_wrong_row_of_a_list_is_named(tmp_path: Path) -> None:
    rows = pi4_rows()
    rows[2], rows[3], rows[4] = [1.0] * 8, "fast", [-1.0] * 9  # type: ignore[call-overload]
    with pytest.raises(InvalidValue, match="11 problems") as caught:
        read_fbnet_pi4_table(written(tmp_path / "t.json", rows), SPACE)
    assert "layer 0 must be a list of 9 numbers" in str(caught.value)
    assert "layer 1 must be a list of 8 numbers, got 'fast'" in str(caught.value)
    with pytest.raises(InvalidValue, match="expected a list with 22 layers that are not null"):
        read_fbnet_pi4_table(written(tmp_path / "t.json", rows[:-5]), SPACE)


# ---------------------------------------------------------------------- the published files
class TestPublishedFiles:
    pytestmark = shared

    def test_tables_of_fbnet_give_the_published_latencies_of_5000_networks(self) -> None:
        """The columns of HELP's collection (Lee et al., NeurIPS 2021) that are sums of HW-NAS-Bench's tables."""
        space = fbnet(100, 32)
        tables = read_fbnet_tables(TABLES / "fbnet_hwnasbench_lut.json", space)
        with (TABLES / "fbnet_5000_latency_ms.csv").open() as file:
            rows = list(csv.DictReader(file))
        choices = np.array([[int(digit) for digit in row["ops_digits"]] for row in rows])
        assert len(choices) == 5000
        for device in ("pixel3", "raspi4", "eyeriss", "fpga"):
            published = [float(row[device]) for row in rows]
            np.testing.assert_allclose(
                FactoredCost(space, tables[device]).of(choices), published, rtol=0, atol=1e-6, err_msg=device
            )

    def test_expectation_at_one_hot_weights_is_the_exact_sum(self, rng: np.random.Generator) -> None:
        space = fbnet(100, 32)
        table = read_fbnet_tables(TABLES / "fbnet_hwnasbench_lut.json", space)["pixel3"]
        cost = FactoredCost(space, table)
        for row in space.sample(rng, 5):
            one_hot = {
                path: torch.eye(9, dtype=torch.float64)[index]
                for path, index in zip(space.decisions, row.tolist(), strict=True)
            }
            exact = cost_of(table, space.decode(row).architecture)
            assert float(cost.expected(one_hot)) == pytest.approx(exact, rel=1e-12)

    def test_the_list_of_the_raspberry_pi_covers_its_space(self) -> None:
        space = without_changing_skips(strides=(1, 2, 2, 1, 1, 1, 1))
        table = read_fbnet_pi4_table(TABLES / "fbnet_pi4_tf_lut.json", space)
        fastest, slowest = FactoredCost(space, table).extremes()
        assert 45 < fastest.value < slowest.value < 500  # six layers cannot be skipped; 9 to 31 ms for each layer
