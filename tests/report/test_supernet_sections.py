"""What the page of a run with a supernet shows besides, and instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from sculptnet.learn.accuracy_predictor import error_of
from sculptnet.methods import OnceForAll
from sculptnet.report import ReportData, write_report
from sculptnet.report.parts import Absent, Section
from sculptnet.report.supernet_sections import accuracies_predicted, phase_courses, supernet_phases

PHASES = {"full": 3, "width 1": 2}
PAIRS = ((0.61, 0.6), (0.65, 0.66), (0.7, 0.72), (0.69, 0.7))


def events() -> list[Mapping[str, Any]]:
    """Two phases; the second one was killed in its first epoch, and went on from its start."""
    logged: list[Mapping[str, Any]] = []
    for number, (phase, epochs) in enumerate(PHASES.items(), start=1):
        for epoch in range(1, epochs + 1):
            row = {"event": "supernet_epoch", "phase": phase, "epoch": epoch, "loss": 2.0 / epoch, "seconds": 30.0}
            logged += [{**row, "loss": 9.0}, row] if number == 2 else [row]
        found = {"largest": 0.7 + number / 100, "smallest": 0.5, "random 1": 0.61, "random 2": 0.64}
        networks = [{"network": name, "choices": [0], "metrics": {"top1": top1}} for name, top1 in found.items()]
        logged.append({"event": "shrink_phase", "phase": phase, "number": number, "phases": 2, "networks": networks})
    return [*logged, {"event": "accuracy_predictor", "learned": 96, **checked(PAIRS)}]


def checked(pairs: tuple[tuple[float, float], ...]) -> dict[str, Any]:
    numbers = {"held_out": len(pairs), "rmse_points": 1.42, "kendall": 1.0, "spearman": 1.0}
    return {**numbers, "pairs": [list(pair) for pair in pairs]}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    data, folder = ReportData(events=events()), tmp_path_factory.mktemp("report")
    return write_report(data, OnceForAll().sections(data), folder).read_text(encoding="utf-8")


def test_phases_are_read_in_order_and_epochs_logged_twice_count_once() -> None:
    full, width = phase_courses(ReportData(events=events()))
    assert (full.name, width.name, full.epochs, width.epochs) == ("full", "width 1", 3, 2)
    assert dict(width.losses) == {1: 2.0, 2: 1.0}
    assert width.seconds == 60.0
    assert (width.top1["largest"], width.random) == (0.72, (0.61, 0.64))


def test_the_page_shows_the_phases_and_the_predictor(page: str) -> None:
    assert set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', page)) == {"phases", "accuracy_predictor"}
    assert "Line charts over 5 epochs in 2 phases; largest 72.0\u202f% after width 1; smallest 50.0" in page
    assert '<th scope="row">width 1</th><td class="number">2</td><td class="number">1\u202fmin 0\u202fs</td>' in page
    assert "61.0\u201364.0\u202f%" in page
    assert (
        "4 networks that the predictor did not learn from: 1.42 points RMSE, rank correlation 1.00 (Spearman)" in page
    )


def test_the_page_says_what_to_run_in_the_place_of_baselines(page: str) -> None:
    assert "run with --baselines" not in page
    assert "so --baselines is refused; <code>sculptnet train RUN/model/architecture.json DATA</code> trains" in page
    assert "the network has the supernet's weights, without fine-tuning of its own" in page
    assert "What the search learned" not in page


def test_predictions_no_better_than_the_mean_are_said() -> None:
    def told(pairs: tuple[tuple[float, float], ...], rmse_points: float) -> str:
        event = {"event": "accuracy_predictor", "learned": 96, **checked(pairs), "rmse_points": rmse_points}
        part = accuracies_predicted(ReportData(events=[event]))
        assert isinstance(part, Section)
        return part.markup().markup

    assert "hardly be told apart" not in told(PAIRS, 1.4)  # accuracies differ by 4.6 points
    assert "differ by 0.50 points (standard deviation), no more than" in told(((0.6, 0.61), (0.6, 0.6)), 0.7)


def test_what_was_not_logged_is_left_out() -> None:
    started = ReportData(
        events=[{"event": "supernet_epoch", "phase": "full", "epoch": 1, "loss": None, "seconds": 1.0}]
    )
    assert isinstance(supernet_phases(started), Section)
    assert isinstance(accuracies_predicted(started), Absent)
    assert isinstance(supernet_phases(ReportData()), Absent)


def test_a_predictors_error_is_what_the_page_reads() -> None:
    predicted, true = zip(*PAIRS, strict=True)
    event = {"event": "accuracy_predictor", **error_of(np.array(predicted), np.array(true), 96).to_json()}
    part = accuracies_predicted(ReportData(events=[event]))
    assert isinstance(part, Section)
    assert "1.32 points RMSE" in part.markup().markup
