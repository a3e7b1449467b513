"""The rounds of a joint search, as the page tells them."""

from __future__ import annotations

from typing import Any

from sculptnet.methods import Evolution, FBNet, FBNetV3, SearchRecipe
from sculptnet.report import ReportData
from sculptnet.report.joint_sections import goes_in_rounds, joint_rounds
from sculptnet.report.page import SECTIONS_OF_A_GIVEN_NETWORK
from sculptnet.report.parts import Absent, Section
from sculptnet.report.recipe_sections import recipes
from sculptnet.report.search_sections import search_over_epochs

STOP = {"event": "search_stop", "correlations": {"1": 0.5, "2": 0.95, "3": 1.0}, "wanted": 0.92, "epochs": 2}
ROUND: dict[str, Any] = {"event": "search_round", "stage": "coarse", "round": 1, "candidates": 8, "failed": 1}
EVENTS = (
    {"event": "search_pretrained", "pool": 100, "r2": {"macs": 0.9876, "parameters": None}},
    {**ROUND, "best": 0.5, "mean": 0.4, "epochs": None},
    STOP,
    {**ROUND, "round": 2, "failed": 8, "epochs": 2},
    {
        **ROUND,
        "round": 2,
        "failed": 0,
        "best": 0.7,
        "mean": 0.6,
        "epochs": 2,
        "pairs": [[1, 3], [2, 1], [3, 2], [4, 4]],
    },
    {**ROUND, "round": 3, "stage": "fine", "best": 0.8, "mean": 0.7, "epochs": None, "pairs": [[0.7, 0.8]]},
)


def text_of(events: tuple[dict[str, Any], ...]) -> str:
    part = joint_rounds(ReportData(events=events))
    assert isinstance(part, Section)
    return part.markup().markup


def test_every_round_is_a_row_the_newest_event_of_it() -> None:
    text = text_of(EVENTS)
    assert text.count("<tr>") == 1 + 3
    # ranks 1 2 3 4 and 3 1 2 4: 1 - 6 * (4 + 1 + 1) / (4 * 15) = 0.4
    for wanted in ("0.40", "70.0\u202f%", "in full", "2 epochs", "macs 0.988"):
        assert wanted in text
    assert "parameters" not in text
    assert "After 2 of 3 epochs the ranks of the first round correlate by 0.95" in text


def test_where_nothing_shorter_ranks_well_the_page_says_so() -> None:
    text = text_of((*EVENTS, {**STOP, "epochs": None, "correlations": {"1": 0.5, "2": 1.0}}))
    assert "No shorter training ranks the first round as its end does, with a correlation of 0.92 (0.50 after 1" in text


def test_a_search_with_another_run_s_predictor_has_its_seconds() -> None:
    event = {"event": "search_refined", "seconds": 3.21, "generations": 12, "predicted": 0.71}
    text = text_of((event,))
    assert text.count("<tr>") == 1 + 1
    assert "3.2\u202fs" in text
    assert "71.0\u202f%" in text


def test_a_search_that_a_later_command_repeats_is_one_row() -> None:
    first = {"event": "search_refined", "round": 1, "seconds": 3.0, "generations": 12, "predicted": 0.71}
    text = text_of((first, {**first, "round": 2, "seconds": 4.0}, {**first, "seconds": 5.0}))
    assert text.count("<tr>") == 1 + 2
    assert "5.0\u202fs" in text
    assert "3.0\u202fs" not in text


def test_the_rounds_stand_in_the_place_of_what_other_searches_learned() -> None:
    data = ReportData(events=EVENTS)
    assert goes_in_rounds(data)
    assert not goes_in_rounds(ReportData())
    assert isinstance(joint_rounds(ReportData()), Absent)
    sections, others = FBNetV3().sections(data), FBNet().sections(data)
    assert sections == tuple(joint_rounds if one is search_over_epochs else one for one in others)
    assert joint_rounds in sections
    given = SearchRecipe(Evolution()).sections(ReportData(events=EVENTS, given="fbnet_a"))
    assert [one for one in given if one not in SECTIONS_OF_A_GIVEN_NETWORK] == [recipes, joint_rounds]
