"""The course of a search as the page tells it: over epochs, over batches of a controller, over rounds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.report.made_up import judged, measured, text_of

from sculptnet.cost import Macs
from sculptnet.methods import Evolution, FBNet, FBNetV3, MnasNet, SearchRecipe
from sculptnet.methods.given import sections_of_a_training
from sculptnet.records import Event
from sculptnet.records.search_events import (
    SearchBatch,
    SearchDraws,
    SearchEpoch,
    SearchPretrained,
    SearchRefined,
    SearchRound,
    SearchStop,
)
from sculptnet.report import Absent, ReportData, Section, Table
from sculptnet.report.search_sections import batches_of, rounds_of
from sculptnet.report.sections import (
    goes_in_rounds,
    joint_rounds,
    layer_diversity,
    recipes,
    search_over_batches,
    search_over_epochs,
)
from sculptnet.search import Limit, Objective, Problem, Reinforce, drive
from sculptnet.search.protocol import Columns
from sculptnet.spaces import mnasnet

SPACE = mnasnet(10, 28, width=0.25, layers=(2, 2), filters=((16, 24, 32), (24, 32, 40)), strides=(1, 2, 2, 1))
EPOCH = SearchEpoch(
    epoch=1,
    epochs=2,
    phase="weights",
    loss=2.0,
    accuracy=0.5,
    tau=5.0,
    entropy=1.1,
    probabilities={"stages.0.0": (0.5, 0.5), "stages.0.1": (0.9, 0.1)},
    seconds=1.0,
)
LATER = replace(EPOCH, epoch=2, phase="architecture", theta_loss=1.0, entropy=0.7, tau=4.0, expected_cost=3.0, cost="c")


# ---------------------------------------------------------------------- over epochs
def test_the_search_s_course_is_told_in_numbers() -> None:
    part = search_over_epochs(ReportData(events=[EPOCH, LATER, SearchDraws(pass_rate=0.37, cost="c", at_most=1.0)]))
    assert isinstance(part, Section)
    heat, curves = part.drawings
    assert (heat.name, curves.name) == ("distribution", "search")
    assert heat.description == (
        "Heat maps of 2 decisions and up to 2 candidates at 2 epochs. At the end 1 decisions give one candidate at "
        "least 90 %."
    )
    assert curves.description == (
        "Line charts over 2 epochs; entropy from 1.10 to 0.700; expected latency from 3.00 to 3.00; "
        "temperature from 5.00 to 4.00."
    )
    text = text_of(part)
    assert "Shaded: the warm-up" in text
    assert "37.0\u202f% of the networks in the final distribution keep the budget" in text
    assert "Rings" not in text


def test_without_draws_a_warm_up_and_a_distribution_the_curves_remain() -> None:
    part = search_over_epochs(ReportData(events=[replace(LATER, probabilities={}, epoch=1)]))
    assert isinstance(part, Section)
    assert [drawing.name for drawing in part.drawings] == ["search"]
    assert len(part.body) == 1
    assert "Shaded" not in text_of(part)


def test_the_shipped_network_has_rings(full_run: ReportData) -> None:
    events = [event for event in full_run.events if isinstance(event, SearchEpoch) and event.epoch == 90]
    part = search_over_epochs(replace(full_run, events=events))
    assert "Rings: the network that is shipped" in text_of(part)
    assert "budget" in text_of(part)


@pytest.mark.parametrize("make", [search_over_epochs, search_over_batches])
def test_a_search_that_logged_nothing_has_no_course(make: Any) -> None:
    part = make(ReportData())
    assert isinstance(part, Absent)
    assert part.title == "What the search learned"
    assert "methods without epochs show in their trials alone" in part.why


# ---------------------------------------------------------------------- over batches
@pytest.fixture(scope="module")
def batches() -> list[Event]:
    """A search over multiply-adds, of which the page then speaks as it would of milliseconds."""
    found: list[Event] = []
    problem = Problem(SPACE, (Objective("top1"),), (Limit(Macs(), 8e6),))

    def score(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Columns:
        return {"top1": 0.5 + 0.1 * (rows == 0).mean(axis=1)}

    drive(Reinforce(hidden=8, batch=6, learning_rate=0.05).search(problem, 0, log=found.append), score, 5)
    return found


def test_a_batch_that_was_logged_twice_counts_once(batches: list[Event]) -> None:
    first = batches[0]
    assert isinstance(first, SearchBatch)
    found = batches_of(ReportData(events=[replace(first, reward=0.1), *batches]))
    assert list(found) == batches
    assert found[0].baseline is None
    assert [one.candidates for one in found] == [6, 12, 18, 24]


def test_the_section_has_the_curves_and_the_latencies_around_the_target(batches: list[Event]) -> None:
    part = search_over_batches(ReportData(events=batches, space=SPACE))
    assert isinstance(part, Section)
    assert [drawing.name for drawing in part.drawings] == ["reward", "latencies_around"]
    curves, latencies = part.drawings
    assert "over 4 batches: mean reward from 0." in curves.description
    costs = np.array([cost for event in batches_of(ReportData(events=batches)) for cost in event.costs or ()])
    shares = [100 * (half <= 8e6).mean() for half in (costs[:12], costs[12:])]
    assert f"Of the first half {shares[0]:.0f}\u202f% are within the target of 8,000,000" in latencies.description
    assert f"of the second half {shares[1]:.0f}\u202f% and" in latencies.description
    assert "uniform" in curves.svg
    assert "failed" not in text_of(part)


def test_without_a_limit_there_is_no_target(batches: list[Event]) -> None:
    bare = [replace(event, costs=None, within=None, cost=None, at_most=None, failed=2) for event in batches]  # type: ignore[call-arg]
    part = search_over_batches(ReportData(events=bare))
    assert isinstance(part, Section)
    assert [drawing.name for drawing in part.drawings] == ["reward"]
    assert "8 of them failed and taught nothing." in text_of(part)


def test_batches_that_all_failed_have_no_reward() -> None:
    event = SearchBatch(batch=1, candidates=6, failed=6, entropy=1.0)
    part = search_over_batches(ReportData(events=[event]))
    assert isinstance(part, Section)
    assert "mean reward from unknown to unknown" in part.drawings[0].description


# ---------------------------------------------------------------------- rounds
ROUND = SearchRound(stage="coarse", round=1, candidates=8, failed=1, epochs=None)
STOP = SearchStop(correlations={"1": 0.5, "2": 0.95, "3": 1.0}, wanted=0.92, epochs=2)
PAIRS = ((1.0, 3.0), (2.0, 1.0), (3.0, 2.0), (4.0, 4.0))
EVENTS: tuple[Event, ...] = (
    SearchPretrained(pool=100, r2={"macs": 0.9876, "parameters": None, "depth": math.nan}),
    replace(ROUND, best=0.5, mean=0.4),
    STOP,
    replace(ROUND, round=2, failed=8, epochs=2),
    replace(ROUND, round=2, failed=0, best=0.7, mean=0.6, epochs=1, pairs=PAIRS),
    replace(ROUND, round=3, stage="fine", best=0.8, mean=0.7, pairs=((0.7, 0.8),)),
)


def rounds(*events: Event) -> Table:
    part = joint_rounds(ReportData(events=events))
    assert isinstance(part, Section)
    table = part.body[0]
    assert isinstance(table, Table)
    return table


def test_every_round_is_a_row_the_newest_event_of_it() -> None:
    assert [list(row) for row in rounds(*EVENTS).rows] == [
        ["1", "coarse", "8", "in full", "1", "50.0\u202f%", "40.0\u202f%", "\u2014"],
        # ranks 1 2 3 4 and 3 1 2 4: 1 - 6 * (4 + 1 + 1) / (4 * 15) = 0.4
        ["2", "coarse", "8", "1 epoch", "0", "70.0\u202f%", "60.0\u202f%", "0.40"],
        ["3", "fine", "8", "in full", "1", "80.0\u202f%", "70.0\u202f%", "\u2014"],
    ]
    assert [event.failed for event in rounds_of(ReportData(events=EVENTS))] == [1, 0, 1]


@pytest.mark.parametrize(
    "pairs",
    [((1.0, 3.0), (2.0, 1.0)), ((1.0, 3.0),) * 4, (*PAIRS, (5.0, math.nan)), ((1.0, 2.0), (2.0, 2.0), (3.0, 2.0))],
)
def test_ranks_that_are_none_have_no_correlation(pairs: tuple[tuple[float, float], ...]) -> None:
    assert rounds(replace(ROUND, pairs=pairs)).rows[0][-1] == "\u2014"


def test_a_round_in_which_all_failed_has_no_best() -> None:
    assert list(rounds(replace(ROUND, failed=8)).rows[0])[4:7] == ["8", "\u2014", "\u2014"]


def test_what_the_predictor_knew_before_is_told_where_it_is_a_number() -> None:
    text = text_of(joint_rounds(ReportData(events=EVENTS)))
    assert "R\u00b2 on held-out networks: macs 0.988." in text
    assert "After 2 of 3 epochs the ranks of the first round correlate by 0.95" in text
    nothing = joint_rounds(ReportData(events=[ROUND, SearchPretrained(pool=1, r2={"macs": None})]))
    assert "Before any trial" not in text_of(nothing)


def test_where_nothing_shorter_ranks_well_the_page_says_so() -> None:
    stop = replace(STOP, epochs=None, correlations={"1": 0.5, "2": 1.0})
    text = text_of(joint_rounds(ReportData(events=(*EVENTS, stop))))
    assert "No shorter training ranks the first round as its end does, with a correlation of 0.92 (0.50 after 1" in text


def test_a_search_with_another_run_s_predictor_has_its_seconds_and_a_repeated_one_is_one_row() -> None:
    first = SearchRefined(round=1, seconds=3.0, generations=12, predicted=0.71)
    rows = rounds(first, replace(first, round=2, seconds=4.0), replace(first, seconds=5.0)).rows
    assert [list(row) for row in rows] == [
        ["1", "5.0\u202fs", "12", "71.0\u202f%"],
        ["2", "4.0\u202fs", "12", "71.0\u202f%"],
    ]


def test_the_rounds_stand_in_the_place_of_what_other_searches_learned() -> None:
    data = ReportData(events=EVENTS)
    assert goes_in_rounds(data)
    assert goes_in_rounds(ReportData(events=[SearchRefined(round=1, seconds=1.0, generations=1, predicted=0.5)]))
    assert not goes_in_rounds(ReportData())
    assert isinstance(joint_rounds(ReportData()), Absent)
    sections, others = FBNetV3().sections(data), FBNet().sections(data)
    assert sections == tuple(joint_rounds if one is search_over_epochs else one for one in others)
    given = SearchRecipe(Evolution()).sections(ReportData(events=EVENTS, given="fbnet_a"))
    assert [one for one in given if one not in sections_of_a_training()] == [recipes, joint_rounds]


def test_a_controller_s_search_is_told_over_batches() -> None:
    sections = MnasNet().sections(ReportData())
    assert search_over_batches in sections
    assert layer_diversity in sections
    assert search_over_epochs not in sections


def test_the_budget_is_drawn_over_expected_latencies_alone() -> None:
    card = judged(3.5, measured(3.0))
    for cost, named in (("latency_ms@x", True), ("macs", False)):
        part = search_over_epochs(ReportData(events=[replace(LATER, probabilities={}, cost=cost)], card=card))
        assert isinstance(part, Section)
        assert ("budget 3.50" in part.drawings[-1].svg) == named
