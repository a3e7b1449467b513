"""Bundles: what comes back is the table that measuring here would have given; what is wrong in it is said at once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sculptnet.cost import Precision, macs
from sculptnet.devices import Quality
from sculptnet.devices.agent import chunk_row
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.remote.bundle import Recorded, table_from_results
from sculptnet.devices.remote.packing import Order
from sculptnet.devices.remote.results import read_results
from sculptnet.devices.tables import TableWork
from sculptnet.errors import InvalidValue
from sculptnet.spaces import fbnet
from sculptnet.state import no_progress
from sculptnet.testing import FakeDevice
from sculptnet.testing.elsewhere import run_elsewhere

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)
SPACE = fbnet(3, 8, channels=(8,), layers=(1,), strides=(1,), stem_channels=8, head_channels=16)


@pytest.fixture(scope="module")
def work() -> TableWork:
    return TableWork(SPACE, 0, graphs_of(Precision.FP32), QUICK, 3, 2, size=macs)


@pytest.fixture(scope="module")
def order(work: TableWork) -> Order:
    return Order(work.plans(), "onnxruntime", 1, {"target": "fbnet", "resolution": 8})


@pytest.fixture(scope="module")
def rows(order: Order) -> list[dict[str, Any]]:
    """What an agent on a fake device would have written."""
    header = {
        "schema": 1,
        "plan": order.identity(),
        "request": dict(order.request),
        "event": "device",
        "name": "onnxruntime-1t",
        "host": "phone",
        "details": dict(FakeDevice().describe()),
    }
    chunks = [
        chunk_row(part, chunk, 0.5) for part, plan in enumerate(order.plans) for chunk in FakeDevice().measure(plan)
    ]
    return [header, *chunks]


def text_of(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def refusal(rows: list[dict[str, Any]], order: Order) -> str:
    with pytest.raises(InvalidValue) as caught:
        read_results(text_of(rows), order, "results.jsonl")
    return str(caught.value)


def test_the_table_is_the_one_that_measuring_here_gives(
    work: TableWork, order: Order, rows: list[dict[str, Any]]
) -> None:
    here = work.table(FakeDevice(), memo=None, progress=no_progress, seconds=lambda: 0.0)
    there = table_from_results(work, order, text_of(rows), "results.jsonl")
    assert there.device == "onnxruntime-1t-on-phone"
    assert there.details == {**FakeDevice().describe(), "host": "phone", "slowdown_percent": 0.0}
    blocks, networks = (len(plan.models) * 2 for plan in order.plans)
    assert there.seconds == 0.5 * (blocks + networks * 3 / 5)
    differing = {"device", "name", "details", "seconds"}
    left, right = (
        {key: value for key, value in table.to_json().items() if key not in differing} for table in (here, there)
    )
    assert left == right


def test_every_plan_is_known_before_anything_is_measured(work: TableWork, order: Order) -> None:
    with pytest.raises(InvalidValue, match="the calibration networks follow from measurements"):
        replace(work, size=None).plans()
    assert [plan.alternate for plan in order.plans] == [True, True]
    assert len(order.plans[1].models) == 3 + 2


def test_only_what_was_measured_is_known(order: Order, rows: list[dict[str, Any]]) -> None:
    recorded = Recorded(read_results(text_of(rows), order, "results"), order)
    assert len(list(recorded.measure(order.plans[1]))) == 10
    held = frozenset({(next(iter(order.plans[1].models)), 0)})
    assert len(list(recorded.measure(replace(order.plans[1], held=held)))) == 9
    with pytest.raises(InvalidValue, match="has measured other models than these"):
        recorded.measure(replace(order.plans[1], alternate=False))


# ---------------------------------------------------------------------- what is wrong
def test_results_of_another_request_say_what_differs(order: Order, rows: list[dict[str, Any]]) -> None:
    other = replace(order, request={"target": "fbnet", "resolution": 224})
    text = refusal(rows, other)
    assert "measured for another bundle: resolution was 8 there, 224 here" in text
    assert "give the options that the bundle was made with" in text


def test_results_of_other_models_are_refused(order: Order, rows: list[dict[str, Any]]) -> None:
    other = replace(order, plans=order.plans[:1])
    assert "made by another machine or version of the libraries" in refusal(rows, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": float("nan")}, "ratio must be a finite number above 0, got nan"),
        ({"ratio": 0}, "ratio must be a finite number above 0, got 0"),
        ({"reference_ms": float("inf")}, "reference_ms must be a finite number above 0, got inf"),
        ({"reference_ms": True}, "reference_ms must be a finite number above 0, got True"),
        ({"seconds": "1"}, "seconds must be a finite number, got '1'"),
        ({"model": "../etc"}, "part 0 of the plan has no model '../etc'"),
        ({"model": ["a"]}, "part 0 of the plan has no model ['a']"),
        ({"part": 3}, "part must lie in 0..1, got 3"),
        ({"part": False}, "part must lie in 0..1, got False"),
        ({"round": 2}, "round must lie in 0..1, got 2"),
        ({"disturbed": 1}, "disturbed must be true or false, got 1"),
        ({"__reduce__": "os.system"}, "a chunk has the fields"),
    ],
)
def test_a_chunk_that_breaks_a_rule(
    change: dict[str, Any], message: str, order: Order, rows: list[dict[str, Any]]
) -> None:
    text = refusal([rows[0], {**rows[1], **change}, *rows[2:]], order)
    assert "line 2: " in text
    assert message in text


def test_everything_that_is_wrong_is_said_at_once(order: Order, rows: list[dict[str, Any]]) -> None:
    text = refusal([rows[0], rows[1], rows[1], {**rows[2], "ratio": -1}, *rows[4:]], order)
    assert "results.jsonl: 2 problems" in text
    assert "line 3: round 0 of" in text
    assert "is there twice" in text
    assert "line 4: ratio must be" in text


def test_many_problems_are_counted(order: Order, rows: list[dict[str, Any]]) -> None:
    text = refusal([rows[0], *({**row, "ratio": 0} for row in rows[1:])], order)
    assert f"and {len(rows) - 1 - 20} more" in text


def test_results_that_are_not_complete_say_how_to_go_on(order: Order, rows: list[dict[str, Any]]) -> None:
    total = len(rows) - 1
    assert f"{total - 3} of {total} chunks are there; run the same command there again" in refusal(rows[:-3], order)


def test_headers_are_judged(order: Order, rows: list[dict[str, Any]]) -> None:
    for change, message in (
        ({"schema": 2}, "the first line must be the header that the agent writes, of schema 1"),
        ({"request": None}, "request must be an object"),
        ({"host": "a/../b"}, "host must be a word"),
        ({"name": 3}, "name must be a word"),
        ({"details": {"cpu": ["x"]}}, "details must be an object of words and numbers"),
    ):
        assert message in refusal([{**rows[0], **change}, *rows[1:]], order)


@pytest.mark.parametrize("text", ["", "[]\n", "\x00\x01", "null\n", "[" * 5000, '{"event": "device"}\n'])
def test_what_is_no_results_file(text: str, order: Order) -> None:
    with pytest.raises(InvalidValue, match="the first line must be the header"):
        read_results(text, order, "results.jsonl")


def test_the_plans_are_the_same_in_every_process(order: Order) -> None:
    code = (
        "from sculptnet.cost import Precision, macs; from sculptnet.devices import Quality;"
        "from sculptnet.devices.measure import graphs_of; from sculptnet.devices.remote.packing import Order;"
        "from sculptnet.devices.tables import TableWork; from sculptnet.spaces import fbnet;"
        "space = fbnet(3, 8, channels=(8,), layers=(1,), strides=(1,), stem_channels=8, head_channels=16);"
        "quality = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1);"
        "work = TableWork(space, 0, graphs_of(Precision.FP32), quality, 3, 2, size=macs);"
        "print(Order(work.plans(), 'onnxruntime', 1, {}).identity())"
    )
    done = run_elsewhere(code)
    assert done.strip() == order.identity()
