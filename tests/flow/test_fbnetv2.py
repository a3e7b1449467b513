"""Widths, blocks and the resolution searched by masks, from images to a measured model and its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tests.flow.conftest import BRIEF, Ask, fitted

from sculptnet.data import load
from sculptnet.devices.tables import MOST_ENTRIES
from sculptnet.errors import InvalidValue
from sculptnet.methods import FBNetV2
from sculptnet.nets import MaskedSupernet
from sculptnet.records import of_kind
from sculptnet.records.run_events import TableMeasured
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.spaces import fbnetv2
from sculptnet.stages.first_look import FEWEST_ENTRIES, affordable_entries
from sculptnet.stages.speed import _branch_weights

SMALL = (
    "space.layers=1,1",
    "space.lowest_resolution=12",
    "space.head_channels=32",
    *BRIEF,
)


@pytest.fixture(scope="module")
def finished(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return fitted(ask(tmp_path_factory.mktemp("fbnetv2") / "run", method="fbnetv2", settings=SMALL))


def test_what_is_shipped_is_within_the_budget_and_has_the_widths_that_were_chosen(finished: FitResult) -> None:
    assert finished.within_budget is True
    assert finished.architecture.resolution in (12, 16)
    assert finished.architecture.stem.out_channels in (8, 12, 16)
    assert finished.card is not None
    assert finished.card.preprocessing.resolution == finished.architecture.resolution
    assert finished.card.accuracy["model.onnx"].top1 > 0.6


@pytest.mark.slow
def test_some_blocks_are_measured_and_the_others_predicted(finished: FitResult) -> None:
    (event,) = of_kind(RunDirectory(finished.folder).events(print), TableMeasured)
    assert event.entries > FEWEST_ENTRIES
    assert finished.report is not None
    predicted = f"{event.entries - FEWEST_ENTRIES} of {event.entries} blocks were not measured but predicted"
    assert predicted in finished.report.read_text()


@pytest.mark.slow
def test_the_page_draws_widths_against_their_ranges_and_says_which_resolution(finished: FitResult) -> None:
    assert finished.report is not None
    page = finished.report.read_text()
    figures = set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', page))
    assert {"ranges", "distribution", "search", "layers"} <= figures
    assert f"Images of {finished.architecture.resolution} pixels were chosen among 12, 16" in page


# ---------------------------------------------------------------------- plans
def test_few_minutes_measure_few_blocks() -> None:
    assert [affordable_entries(minutes, 0.5) for minutes in (0.1, 5.0, 60.0)] == [FEWEST_ENTRIES, 231, MOST_ENTRIES]
    assert affordable_entries(60.0, 8.0) == 900, "runs of a slow network stand between those of blocks"


def test_trial_steps_of_sampled_branches_have_all_widths() -> None:
    supernet = MaskedSupernet(fbnetv2(3, 16, layers=(1, 1), lowest_resolution=12, head_channels=8))
    weights = _branch_weights(supernet, 1, 0)
    for path, vector in weights.items():
        assert int(torch.count_nonzero(vector)) == (len(vector) if path in supernet.shared else 1), path


def test_a_space_whose_resolution_is_open_is_that_of_its_largest(ask: Ask, tmp_path: Path) -> None:
    named = ask(tmp_path, method="fbnetv2", settings=SMALL)
    space = FBNetV2().subject(named, 3, 16)
    images = load(str(named.data))
    value = ask(tmp_path, method="fbnetv2", space=space, settings=())
    assert FBNetV2().resolution(value, images, "cpu") == 16
    assert FBNetV2().subject(value, 3, 16) == space
    with pytest.raises(InvalidValue, match=r"the space is for 3 classes and choice\(12, 16\) px, and the run has 4"):
        FBNetV2().subject(value, 4, 16)
