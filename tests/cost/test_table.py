from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sculptnet.arch import SearchSpace, TensorShape
from sculptnet.blocks import ALL, Conv, InvertedResidual, Skip
from sculptnet.cost import HeldOut, LatencyTable, Precision, Reduce, check_covers, cost_of, entries_of, table_from_json
from sculptnet.errors import InvalidValue, NotMeasured
from sculptnet.spaces import fbnet

HELD_OUT = HeldOut(2, 1.5, -0.5, 0.99, 0.7, ((1.0, 1.01), (2.0, 2.02)))


@pytest.fixture
def table(tiny_fbnet: SearchSpace) -> LatencyTable:
    wanted = [(block, shape) for block, shape in entries_of(tiny_fbnet) if not block.is_identity(shape.channels)]
    return LatencyTable(
        "onnxruntime-1t",
        {entry: 0.25 + index for index, entry in enumerate(wanted)},
        slope=2.0,
        constant=0.5,
        held_out=HELD_OUT,
        seconds=3.0,
        reference_ms=0.125,
        floored=1,
        details={"cpu": "a", "runtime": "onnxruntime", "threads": 2},
    )


def test_a_network_costs_slope_times_the_sum_of_its_blocks_plus_the_constant(
    table: LatencyTable, tiny_fbnet: SearchSpace, rng: np.random.Generator
) -> None:
    for row in tiny_fbnet.sample(rng, 10):
        architecture = tiny_fbnet.decode(row).architecture
        parts = [table.entries_ms.get((block, shape), 0.0) for _, block, shape in architecture.blocks()]
        assert cost_of(table, architecture) == pytest.approx(2.0 * sum(parts) + 0.5, rel=1e-12)


def test_an_identity_costs_nothing_and_needs_no_entry(table: LatencyTable) -> None:
    assert table.block("stages.0.0", Skip(8), TensorShape(8, 4, 4)) == 0.0


def test_the_name_carries_unit_device_and_precision(table: LatencyTable) -> None:
    assert (table.name, table.reduce) == ("latency_ms@onnxruntime-1t", Reduce.SUM)
    assert replace(table, precision=Precision.INT8).name == "latency_ms@onnxruntime-1t-int8"


def test_what_was_not_measured_is_an_error_that_names_block_shape_device_and_remedy(table: LatencyTable) -> None:
    with pytest.raises(NotMeasured) as caught:
        table.block("stages.1.0", InvertedResidual(99, 7), TensorShape(8, 5, 5))
    text = str(caught.value)
    for part in ("onnxruntime-1t", "InvertedResidual(out_channels=99, kernel_size=7", "8x5x5", "stages.1.0"):
        assert part in text
    assert "run `sculptnet measure SPACE --device onnxruntime --threads 2 --out table.json`" in text


def test_a_table_that_covers_a_space_passes_and_all_that_is_missing_is_listed(
    table: LatencyTable, tiny_fbnet: SearchSpace
) -> None:
    check_covers(table, tiny_fbnet)
    kept = dict(table.entries_ms)
    removed = [kept.popitem()[0] for _ in range(2)]
    with pytest.raises(NotMeasured) as caught:
        check_covers(replace(table, entries_ms=kept), tiny_fbnet)
    assert "does not cover the space: 2 problems" in str(caught.value)
    assert all(f"{block} at input {shape}" in str(caught.value) for block, shape in removed)


def test_the_table_of_another_space_lists_the_first_entries_and_counts_the_rest(table: LatencyTable) -> None:
    with pytest.raises(NotMeasured, match=r"and 9[0-9] more"):
        check_covers(table, fbnet())


# ---------------------------------------------------------------------- JSON
def test_json_gives_back_the_same_table(table: LatencyTable) -> None:
    data = json.loads(json.dumps(table.to_json()))
    again = table_from_json(data, ALL)
    assert again.to_json() == table.to_json()
    assert again.entries_ms == table.entries_ms
    assert again.held_out == HELD_OUT


def test_a_table_without_check_or_reference_gives_back_the_same(table: LatencyTable) -> None:
    unranked = replace(table, held_out=replace(HELD_OUT, spearman=math.nan, noise_percent=math.nan))
    held_out = table_from_json(json.loads(json.dumps(unranked.to_json())), ALL).held_out
    assert held_out is not None
    assert math.isnan(held_out.spearman)
    assert math.isnan(held_out.noise_percent)
    bare = replace(table, held_out=None, reference_ms=None, precision=Precision.INT8)
    again = table_from_json(json.loads(json.dumps(bare.to_json())), ALL)
    assert (again.held_out, again.reference_ms, again.precision) == (None, None, Precision.INT8)


def test_predicted_entries_are_marked_and_measured_ones_are_not(table: LatencyTable) -> None:
    some = frozenset(list(table.entries_ms)[3:5])
    marked = replace(table, predicted=some, predictor_mape_percent=7.25)
    data = json.loads(json.dumps(marked.to_json()))
    assert [index for index, row in enumerate(data["entries"]) if "predicted" in row] == [3, 4]
    again = table_from_json(data, ALL)
    assert (again.predicted, again.predictor_mape_percent) == (some, 7.25)
    assert "predictor_mape_percent" not in table.to_json()


def set_at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            data = data[int(key) if isinstance(data, list) else key]
        data[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (set_at("schema", 2), "schema 2 is not 1"),
        (set_at("slope", 0), "slope must be a finite number above 0, got 0"),
        (set_at("slope", float("nan")), "slope must be a finite number above 0, got nan"),
        (set_at("constant", "1"), "constant must be a finite number, got '1'"),
        (set_at("precision", "fp23"), "precision is 'fp23'; did you mean fp32"),
        (set_at("device", ""), "device must be a name"),
        (set_at("details", []), "details must be an object"),
        (set_at("details", {"slowdown_percent": "a lot"}), "details.slowdown_percent must be a finite number"),
        (set_at("reference_ms", -1), "reference_ms must be a finite number above 0, got -1"),
        (set_at("slop", 1), "slop is no field; did you mean slope"),
        (set_at("held_out", {}), "held_out must be null or an object with the fields"),
        (set_at("held_out.mape_percent", None), "held_out.mape_percent must be a finite number, got None"),
        (set_at("held_out.pairs", [[1, 2, 3]]), "held_out.pairs must be a list of [predicted, measured]"),
        (set_at("held_out.pairs", [["a", 2.0]] * 2), "held_out.pairs must be a list of [predicted, measured]"),
        (set_at("held_out.networks", 7), "held_out.networks is 7, but there are 2 pairs"),
        (set_at("entries", {}), "entries must be a list, got dict"),
        (set_at("entries.0.latency_ms", -0.5), "entries.0.latency_ms must not be below 0, got -0.5"),
        (set_at("entries.0.latency_ms", "fast"), "entries.0.latency_ms must be a finite number, got 'fast'"),
        (set_at("entries.0.shape", [1, 2]), "entries.0.shape must be three whole numbers above 0"),
        (set_at("entries.0.block.kind", "Cnov"), "Cnov"),
        (set_at("entries.0.block", 3), "entries.0.block is 3, not a block"),
        (set_at("entries.0.predicted", 1), "entries.0.predicted must be true or false, got 1"),
        (
            set_at("entries.0.predicted", True),
            "predictor_mape_percent belongs to files with predicted entries; here are 1",
        ),
        (set_at("predictor_mape_percent", 3.0), "predictor_mape_percent belongs to files with predicted entries; here"),
        (set_at("entries.0.extra", 3), "entries.0 must have the fields block, shape and latency_ms, and may"),
    ],
)
def test_every_wrong_value_in_a_file_is_named(table: LatencyTable, change: Callable[..., None], text: str) -> None:
    data = copy.deepcopy(table.to_json())
    change(data)
    with pytest.raises(InvalidValue) as caught:
        table_from_json(data, ALL)
    assert text in str(caught.value)


def test_all_problems_of_a_file_come_at_once(table: LatencyTable) -> None:
    data = copy.deepcopy(table.to_json())
    data["constant"], data["entries"][3]["latency_ms"], data["entries"][1] = None, -1, data["entries"][0]
    with pytest.raises(InvalidValue, match="latency table: 3 problems") as caught:
        table_from_json(data, ALL)
    assert "entries.1 repeats Conv" in str(caught.value)


def test_missing_fields_are_listed() -> None:
    with pytest.raises(InvalidValue) as caught:
        table_from_json({"schema": 1}, ALL)
    assert all(f"{name} is missing" in str(caught.value) for name in ("device", "entries", "slope", "held_out"))
    with pytest.raises(InvalidValue, match="expected a JSON object, got list"):
        table_from_json([], ALL)


def test_blocks_that_were_not_allowed_are_not_made(table: LatencyTable) -> None:
    with pytest.raises(InvalidValue, match="InvertedResidual"):
        table_from_json(table.to_json(), (Conv,))


# ---------------------------------------------------------------------- warnings
def test_a_good_table_warns_of_nothing(table: LatencyTable) -> None:
    assert replace(table, floored=0).warnings() == ()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"held_out": replace(HELD_OUT, noise_percent=3.1)}, "too noisy to measure: .* 3.1 % .* above 3 %"),
        ({"held_out": replace(HELD_OUT, mape_percent=2.5)}, "wrong by 2.5 % .* noise of 0.7 % explains 2.4 %"),
        ({"held_out": None}, "was not checked on whole networks"),
        ({"held_out": replace(HELD_OUT, noise_percent=math.nan)}, "wrong by 1.5 % .* how noisy they are is not known"),
        (
            {"predicted": frozenset([(Conv(8), TensorShape(3, 16, 16))]), "predictor_mape_percent": 7.25},
            "1 of 28 blocks were not measured but predicted; the predictor is wrong by 7.2 %",
        ),
        ({"floored": 2}, "2 of 28 blocks came out slightly below zero"),
    ],
)
def test_each_doubt_is_a_warning(table: LatencyTable, changed: dict[str, Any], text: str) -> None:
    (warning,) = replace(table, **{"floored": 0, **changed}).warnings()
    assert re.search(text, warning)
