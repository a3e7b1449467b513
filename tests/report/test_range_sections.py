"""What the page says about numbers that were chosen: widths, expansions, the resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.report.made_up import text_of

from sculptnet.arch import SearchSpace
from sculptnet.methods import FBNetV2
from sculptnet.records.search_events import SearchEpoch
from sculptnet.report import Absent, Details, ReportData, Section, Table
from sculptnet.report.sections import numbers_are_open, numbers_chosen
from sculptnet.spaces import fbnet, fbnetv2
from sculptnet.spaces.fbnetv2_space import Stage


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    rows = (Stage((8, 16, 8), 1, 1, 1), Stage((8, 24, 8), 2, 2, (1.5, 3.0, 1.5)))
    return fbnetv2(3, 16, lowest_resolution=12, stages=rows, head_channels=16)


def run_of(space: SearchSpace) -> ReportData:
    """The last layer is a skip; the others are at the high end of everything."""
    picks = dict.fromkeys(space.decisions, 0) | {
        "resolution": 1,
        "stages.0.0[0].out_channels": 1,
        "stages.1.0[0].out_channels": 2,
        "stages.1.0[0].expansion": 1,
        "stages.1.1": 8,
        "stages.1.1[0].out_channels": 2,
    }
    row = space.canonical([list(picks.values())])[0]
    chances = {path: np.eye(len(node.options))[picks[path]] for path, node in space.decisions.items()}
    event = SearchEpoch(
        epoch=1,
        epochs=1,
        phase="architecture",
        loss=1.0,
        accuracy=0.5,
        tau=1.0,
        entropy=1.0,
        probabilities={path: tuple(0.5 * vector + 0.5 / len(vector)) for path, vector in chances.items()},
        seconds=1.0,
    )
    return ReportData(space=space, architecture=space.decode(row).architecture, events=(event,))


def test_the_section_says_what_was_chosen_and_among_what(space: SearchSpace) -> None:
    section = numbers_chosen(run_of(space))
    assert isinstance(section, Section)
    assert section.title == "Widths and resolution"
    (drawing,) = section.drawings
    assert drawing.description == (
        "Columns of cells: channels of 3 decisions, 0 of 3 chosen at the low end and 3 at the high end; "
        "expansion of 2 decisions, 0 of 1 chosen at the low end and 1 at the high end."
    )
    page = text_of(section)
    assert "Images of 16 pixels were chosen among 12, 16, with a probability of 75" in page
    assert "rings: layers whose block is a skip" in page


def test_without_a_network_and_without_a_search_the_ranges_remain(space: SearchSpace) -> None:
    section = numbers_chosen(ReportData(space=space))
    assert isinstance(section, Section)
    page = text_of(section)
    assert "coloured by" not in page
    assert "shipped" not in page


def test_the_section_is_there_where_widths_are_open_and_nowhere_else(space: SearchSpace) -> None:
    fixed = ReportData(space=fbnet(3, 16, channels=(8,), layers=(1,), strides=(1,)))
    assert numbers_chosen in FBNetV2().sections(run_of(space))
    assert numbers_chosen not in FBNetV2().sections(fixed)
    assert not numbers_are_open(ReportData())
    assert isinstance(numbers_chosen(fixed), Absent)


def test_every_range_is_a_row_with_what_was_chosen_and_how_likely(space: SearchSpace) -> None:
    section = numbers_chosen(run_of(space))
    assert isinstance(section, Section)
    details = section.body[1]
    assert isinstance(details, Details)
    assert isinstance(details.block, Table)
    rows = [list(row) for row in details.block.rows]
    assert rows[0] == ["0.0", "channels", "8, 16", "16", "75.0\u202f%"]
    assert ["1.0", "expansion", "1.5, 3", "3", "75.0\u202f%"] in rows
    skipped = next(row for row in rows if row[:2] == ["1.1", "expansion"])
    assert skipped[3:] == ["\u2014", "\u2014"]  # of a skip no expansion is chosen


def test_a_network_that_nothing_is_known_of_how_it_was_found_has_no_probabilities(space: SearchSpace) -> None:
    section = numbers_chosen(replace(run_of(space), events=()))
    assert isinstance(section, Section)
    text = text_of(section)
    assert "Images of 16 pixels were chosen among 12, 16." in text
    assert "coloured by" not in text
    assert "probability" not in section.drawings[0].svg


def test_without_an_open_resolution_the_title_does_not_speak_of_it() -> None:
    rows = (Stage((8, 16, 8), 1, 1, 1), Stage((8, 24, 8), 1, 2, 1.5))
    section = numbers_chosen(ReportData(space=fbnetv2(3, 16, lowest_resolution=16, stages=rows, head_channels=16)))
    assert section.title == "Widths"
    assert isinstance(section, Section)
    assert "expansion" not in section.drawings[0].description
