"""The sections on latency: full, partial and absent data, and the numbers that they state."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from tests.report.made_up import baseline, card_of, judged, made_up_table, measured, text_of

from sculptnet.accuracy import Accuracy
from sculptnet.arch import SearchSpace
from sculptnet.cost import LatencyTable
from sculptnet.records import TrialRecord
from sculptnet.records.card import Predicted
from sculptnet.records.run_events import Feasibility
from sculptnet.report import Absent, Listing, Ranged, ReportData, Section, Table
from sculptnet.report.sections import (
    accuracy_over_latency,
    baselines_compared,
    budget_in_space,
    nothing_compared,
    table_checked,
)


def trial(number: int, top1: float | None, latency_ms: float, error: str | None = None) -> TrialRecord:
    metrics = {"measured_latency_ms": latency_ms, "predicted_latency_ms": 0.9 * latency_ms}
    return TrialRecord(number, (), metrics=metrics if top1 is None else {**metrics, "top1": top1}, error=error)


def drawn(part: object) -> str:
    """What the one figure of a section shows, in words."""
    assert isinstance(part, Section)
    (drawing,) = part.drawings
    return drawing.description


# ---------------------------------------------------------------------- accuracy over latency
def test_the_main_figure_names_every_network_with_its_numbers() -> None:
    trials = [trial(0, 0.5, 1.0), trial(1, 0.6, 2.0), trial(2, 0.4, 3.0)]
    data = ReportData(card=judged(2.5, measured(2.0)), trials=trials, events=[baseline("other", latency_ms=1.5)])
    part = accuracy_over_latency(data)
    assert drawn(part) == (
        "Scatter plot of 3 trials, 2 of them on the Pareto front; found network: 85.0\u202f% at 2.00\u202fms; "
        "other: 85.0\u202f% at 1.50\u202fms."
    )
    assert isinstance(part, Section)
    for text in ("budget 2.50", "found network", "other", "front of the trials", "trial, measured", "baseline"):
        assert text in part.drawings[0].svg


def test_what_is_not_drawn_is_counted() -> None:
    trials = [trial(0, 0.5, 1.0), trial(1, None, 2.0), trial(2, None, 2.0), trial(3, 0.4, 3.0, error="diverged")]
    text = text_of(accuracy_over_latency(ReportData(trials=trials)))
    assert "2 more networks were measured but not trained." in text
    assert "1 of 4 trials ended in an error and are not shown." in text
    assert "Ring" not in text


def test_a_network_without_trials_stands_alone() -> None:
    part = accuracy_over_latency(ReportData(card=card_of()))
    assert drawn(part).startswith("Scatter plot of 0 trials, 0 of them on the Pareto front; found network")
    assert "held-back" not in text_of(part)
    nothing = accuracy_over_latency(ReportData(trials=[trial(0, None, 1.0)]))
    assert isinstance(nothing, Absent)
    assert nothing.why == "no trial has both an accuracy and a latency, and no exported file was measured"


# ---------------------------------------------------------------------- baselines
def test_baselines_stand_below_the_found_network_with_their_distance() -> None:
    events = [baseline("a", accuracy=Accuracy(((80, 20), (20, 80)))), baseline("b", macs=5)]
    part = baselines_compared(ReportData(card=card_of(), events=events))
    assert isinstance(part, Section)
    table = part.body[0]
    assert isinstance(table, Table)
    found, worse, equal = table.rows
    assert table.marked == 0
    assert found[0] == "found network"
    assert found[2] == Ranged("85.0\u202f%", "79.4\u201389.3\u202f%")
    assert list(found[3:]) == ["\u2014", "1.57\u202fM", "755,306"]
    assert list(worse[3:]) == ["\u22125.0 points", "2.10\u202fM", "340,000"]
    assert list(equal[3:]) == ["+0.0 points", "5", "340,000"]
    assert worse[1] == Ranged("1.00\u202fms", "0.9900\u20131.010")


def test_before_the_network_is_shipped_baselines_have_no_distance() -> None:
    part = baselines_compared(ReportData(events=[baseline("a")]))
    assert isinstance(part, Section)
    table = part.body[0]
    assert isinstance(table, Table)
    assert (table.marked, len(table.rows), table.rows[0][3]) == (-1, 1, "\u2014")


def test_where_nothing_is_compared_the_page_says_what_to_run() -> None:
    absent = baselines_compared(ReportData())
    assert isinstance(absent, Absent)
    assert absent.why == "no baselines were trained; run with --baselines"
    refused = nothing_compared(ReportData())
    assert isinstance(refused, Absent)
    assert refused.title == absent.title
    assert re.findall(r"`([^`]+)`", refused.why) == [
        "sculptnet train RUN/model/architecture.json DATA",
        "sculptnet train mobilenet_v2 DATA",
    ]


# ---------------------------------------------------------------------- the budget within the space
FEASIBLE = Feasibility(cost="latency_ms@x", fastest=1.0, median=2.0, slowest=4.0, at_most=3.0)


@pytest.mark.parametrize("at_most", [0.5, 3.0, 9.0])
def test_the_budget_is_drawn_wherever_it_lies(at_most: float) -> None:
    part = budget_in_space(ReportData(events=[FEASIBLE, replace(FEASIBLE, at_most=at_most)]))
    assert drawn(part) == (
        "Predicted latency of the space's networks: fastest 1.00\u202fms, median 2.00\u202fms, slowest 4.00\u202fms. "
        f"The budget is {at_most:.{3 if at_most < 1 else 2}f}\u202fms."
    )
    assert isinstance(part, Section)
    assert "fastest 1.00" in part.drawings[0].svg


def test_without_a_look_at_the_space_the_section_is_left_out() -> None:
    part = budget_in_space(ReportData())
    assert isinstance(part, Absent)
    assert "`sculptnet fit` does" in part.why


# ---------------------------------------------------------------------- the table
@pytest.fixture(scope="module")
def table(tiny_fbnet: SearchSpace) -> LatencyTable:
    return made_up_table(tiny_fbnet, np.random.default_rng(0))


def test_held_out_networks_and_finalists_check_the_table(table: LatencyTable) -> None:
    part = table_checked(ReportData(table=table, trials=[trial(0, 0.5, 1.0)]))
    assert table.held_out is not None
    assert drawn(part).startswith(
        "Scatter plot of predicted and measured latency with 1 networks that the search proposed and 20 held-out ones: "
        f"mean error {table.held_out.mape_percent:.1f} %, bias "
    )
    assert isinstance(part, Section)
    for text in ("held-out network", "finalist of the search", "rank correlation 0.988"):
        assert text in part.drawings[0].svg


def test_finalists_alone_check_the_table_too() -> None:
    card = card_of(predicted=Predicted(0.45, None))
    part = table_checked(ReportData(card=card))
    assert drawn(part) == "Scatter plot of predicted and measured latency with 1 networks that the search proposed."
    assert isinstance(part, Section)
    assert "held-out network" not in part.drawings[0].svg


def test_doubts_about_the_table_stand_below_it(table: LatencyTable) -> None:
    assert table.held_out is not None
    wrong = replace(table.held_out, mape_percent=40.0, bias_percent=30.0, spearman=0.1)
    doubtful = LatencyTable("x", {}, 1.0, 0.0, held_out=wrong)
    part = table_checked(ReportData(table=doubtful))
    assert isinstance(part, Section)
    assert Listing(doubtful.warnings()) in list(part.body)
    assert len(doubtful.warnings()) > 0


def test_a_table_that_nobody_checked_is_said_to_be_so() -> None:
    for data in (ReportData(), ReportData(table=LatencyTable("x", {}, 1.0, 0.0))):
        part = table_checked(data)
        assert isinstance(part, Absent)
        assert part.why.endswith("`sculptnet measure` does that")
