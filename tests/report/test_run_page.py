"""The head of a run's page: verdict, numbers, files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.report.made_up import card_of, judged, made_up_table, measured, train_epoch

from sculptnet.accuracy import Accuracy
from sculptnet.arch import SearchSpace
from sculptnet.precision import Precision
from sculptnet.records.card import Budget, LimitCost
from sculptnet.records.run_events import FileTested
from sculptnet.report import Code, Paragraph, Ranged, ReportData, Table
from sculptnet.report.facts import Latency
from sculptnet.report.run_page import head, verdict_of

ASKED = Budget(at_most=1.0, file="model.onnx")


def test_over_budget_says_by_how_much() -> None:
    found = head(ReportData(card=judged(1.0, measured(1.25)))).verdict
    assert found is not None
    assert (found.outcome, found.over) == ("Over budget", True)
    assert found.text == (
        " by 0.25\u202fms (25.0\u202f%). model.onnx was measured at 1.25\u202fms; the budget is 1.00\u202fms."
    )


def test_a_median_within_and_an_interval_beyond_the_budget_is_said() -> None:
    doubt = " The upper end of the interval lies over it."
    assert verdict_of(ASKED, Latency(0.99, 0.97, 1.02)).text.endswith(doubt)
    for sure in (Latency(0.99, 0.97, 0.995), Latency(0.99), Latency(1.25, 0.97, 1.3)):
        assert not verdict_of(ASKED, sure).text.endswith(doubt)


def test_exactly_the_budget_is_within_it() -> None:
    assert not verdict_of(ASKED, Latency(1.0)).over


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (ReportData(), "No budget on latency is recorded for this run."),
        (ReportData(given="fbnet_a"), "No budget was given."),
        (ReportData(card=card_of()), "No budget on latency is recorded for this run."),
        (
            ReportData(card=card_of(budget=replace(ASKED, file="model.int8.onnx"))),
            "model.int8.onnx was not measured yet, so nothing is known of the budget.",
        ),
    ],
)
def test_where_nothing_can_be_judged_the_page_says_why(data: ReportData, text: str) -> None:
    found = head(data).verdict
    assert found is not None
    assert (found.text, found.outcome, found.over) == (text, "", False)


def test_the_subtitle_says_for_what_with_what_and_on_what(tiny_fbnet: SearchSpace) -> None:
    table = made_up_table(tiny_fbnet, np.random.default_rng(0))
    card = judged(5.0, measured(4.0))
    whole = "A network for photos with at most 5.00\u202fms an image in fp32 on onnxruntime-1t"
    assert head(ReportData(card=card)).subtitle == whole
    assert head(ReportData(card=card, given="fbnet_a")).subtitle == whole.replace("A network", "fbnet_a")
    assert head(ReportData(table=table)).subtitle == "A network on onnxruntime-1t"
    assert head(ReportData()).subtitle == ""
    int8 = replace(card, budget=Budget(at_most=5.0, precision=Precision.INT8, file="model.int8.onnx"))
    assert "an image in int8" in head(ReportData(card=int8)).subtitle


def tiles(data: ReportData) -> dict[str, tuple[str, str]]:
    found = head(data).tiles
    return {} if found is None else {title: (value, extra) for title, value, extra in found.rows}


def test_the_tiles_hold_the_judged_file_s_numbers() -> None:
    card = judged(5.0, measured(4.0, 3.9, 4.2), accuracy={"model.onnx": Accuracy(((90, 10), (20, 80)))})
    found = tiles(ReportData(card=card, seconds=90.0))
    assert found["Measured latency"] == ("4.00\u202fms", "median; 95\u202f%: 3.90\u20134.20\u202fms")
    value, extra = found["Accuracy"]
    assert value == "85.0\u202f%"
    assert extra.endswith("200 test images; balanced 85.0\u202f%")
    assert found["Multiply-adds"] == ("1.57\u202fM", "755,306 parameters")
    assert found["Time"] == ("1\u202fmin 30\u202fs", "for the whole run")


def test_limits_have_tiles_counts_and_amounts_alike() -> None:
    limits = {"peak_memory_bytes": LimitCost(500_000, 123_456), "energy_mj": LimitCost(12.5, 9.87654)}
    found = tiles(ReportData(card=card_of(limits=limits)))
    assert found["Peak memory bytes"] == ("123,456", "at most 500,000")
    assert found["Energy mj"] == ("9.88", "at most 12.5")


def test_without_the_time_of_the_run_that_of_its_parts_is_told() -> None:
    assert tiles(ReportData(events=[train_epoch("final", 1, seconds=3.0)])) == {"Time": ("3.0\u202fs", "timed")}
    assert tiles(ReportData()) == {}


def files(data: ReportData) -> Table:
    found = head(data).files
    assert isinstance(found, Table)
    return found


def test_the_judged_file_is_marked_and_files_that_no_one_timed_have_dashes() -> None:
    half = Accuracy(((5, 5), (5, 5)))
    accuracy = {"model.onnx": half, "weights.safetensors": half}
    two = {"model.onnx": measured(6.0), "model.int8.onnx": measured(4.5)}
    table = files(ReportData(card=replace(judged(5.0, measured(6.0)), measured=two, accuracy=accuracy)))
    assert [column.title for column in table.columns][-1] == "Budget"
    assert table.marked == 0
    fp32, int8, weights = table.rows
    assert fp32[0] == Code("model.onnx")
    assert fp32[1] == Ranged("6.00\u202fms", "5.964\u20136.042")
    assert (fp32[2], fp32[5]) == ("0.80\u202f%", "over, judged")
    assert (int8[3], int8[4], int8[5]) == ("\u2014", "\u2014", "within")
    assert (weights[1], weights[2], weights[5]) == ("\u2014", "\u2014", "\u2014")


def test_without_a_budget_there_is_no_column_for_it() -> None:
    table = files(ReportData(card=card_of()))
    assert (len(table.columns), table.marked) == (5, -1)


def test_before_export_the_log_alone_knows_files() -> None:
    assert head(ReportData()).files == Paragraph("No exported file was measured yet.")
    tested = FileTested(file="model.onnx", accuracy=Accuracy(((5, 5), (5, 5))))
    assert [row[0] for row in files(ReportData(events=[tested])).rows] == [Code("model.onnx")]


def test_warnings_and_the_command_are_handed_on() -> None:
    found = head(ReportData(card=card_of(warnings=("worse",)), command="sculptnet fit", title="T"))
    assert (found.warnings, found.command, found.title) == (("worse",), "sculptnet fit", "T")
    assert (head(ReportData()).warnings, head(ReportData()).command) == ((), "")
