"""What the page of a run with a supernet shows besides, and instead."""

from __future__ import annotations

import html
import math
from dataclasses import replace

import numpy as np
import pytest
from tests.report.made_up import Outline, text_of, train_epoch

from sculptnet.learn.accuracy_predictor import error_of
from sculptnet.methods import OnceForAll
from sculptnet.records import Event
from sculptnet.records.training_events import AccuracyPredictorChecked, LookedAt, ShrinkPhase, SupernetEpoch
from sculptnet.report import Absent, ReportData, Section, Table, write_report
from sculptnet.report.sections import accuracies_predicted, fine_tuning, supernet_phases
from sculptnet.report.supernet_sections import phase_courses

PHASES = {"full": 3, "width 1": 2}
PAIRS = ((0.61, 0.6), (0.65, 0.66), (0.7, 0.72), (0.69, 0.7))
CHECKED = AccuracyPredictorChecked(learned=96, held_out=4, rmse_points=1.42, kendall=1.0, spearman=1.0, pairs=PAIRS)


def epoch_of(phase: str, epoch: int, epochs: int, loss: float) -> SupernetEpoch:
    return SupernetEpoch(epoch=epoch, epochs=epochs, phase=phase, loss=loss, learning_rate=0.1, seconds=30.0)


def ended(phase: str, number: int, **top1: float) -> ShrinkPhase:
    networks = tuple(LookedAt(name.replace("_", " "), (0,), {"top1": value}) for name, value in top1.items())
    return ShrinkPhase(phase=phase, number=number, phases=2, networks=networks)


def events() -> list[Event]:
    """Two phases; the second one was killed in its first epoch, and went on from its start."""
    logged: list[Event] = []
    for number, (phase, epochs) in enumerate(PHASES.items(), start=1):
        for epoch in range(1, epochs + 1):
            row = epoch_of(phase, epoch, epochs, 2.0 / epoch)
            logged += [replace(row, loss=9.0), row] if number == 2 else [row]
        logged.append(ended(phase, number, largest=0.7 + number / 100, smallest=0.5, random_1=0.61, random_2=0.64))
    return [*logged, CHECKED]


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
    outline = Outline(page)
    assert [name.split("-title")[0] for name in outline.of("aria-labelledby") if "-title" in name] == [
        "phases",
        "accuracy_predictor",
    ]
    assert "Line charts over 5 epochs in 2 phases; largest 72.0\u202f% after width 1; smallest 50.0" in page
    assert '<th scope="row">width 1</th><td class="number">2</td><td class="number">1\u202fmin 0\u202fs</td>' in page
    assert "61.0\u201364.0\u202f%" in page
    described = "4 networks that the predictor did not learn from: 1.42 points RMSE, rank correlation 1.00 (Spearman)"
    assert described in page


def test_the_page_says_what_to_run_in_the_place_of_baselines(page: str) -> None:
    assert "run with --baselines" not in page
    assert "so --baselines is refused; <code>sculptnet train RUN/model/architecture.json DATA</code> trains" in page
    assert "the network has the supernet's weights, without fine-tuning of its own" in html.unescape(page)
    assert "What the search learned" not in page


def test_predictions_no_better_than_the_mean_are_said() -> None:
    doubt = "hardly be told apart"
    assert doubt not in text_of(accuracies_predicted(ReportData(events=[CHECKED])))  # accuracies differ by 4.6 points
    vague = replace(CHECKED, pairs=((0.6, 0.61), (0.6, 0.6)), rmse_points=0.7)
    text = text_of(accuracies_predicted(ReportData(events=[CHECKED, vague])))
    assert doubt in text
    assert "differ by 0.50 points (standard deviation), no more than" in text


@pytest.mark.parametrize("pairs", [((0.5, 0.5),), ((0.5, 0.5), (0.5, 0.5))])
def test_equal_accuracies_have_no_rank_correlation_and_are_drawn(pairs: tuple[tuple[float, float], ...]) -> None:
    event = replace(CHECKED, pairs=pairs, kendall=None, spearman=None, rmse_points=None)
    part = accuracies_predicted(ReportData(events=[event]))
    assert isinstance(part, Section)
    assert "rank correlation \u2014 (Spearman), \u2014 (Kendall)" in part.drawings[0].description


def test_what_was_not_logged_is_left_out() -> None:
    started = ReportData(events=[epoch_of("full", 1, 3, math.nan)])
    part = supernet_phases(started)
    assert isinstance(part, Section)
    table = part.body[1]
    assert isinstance(table, Table)
    assert list(table.rows[0]) == ["full", "1", "30\u202fs", *["\u2014"] * 4]
    assert isinstance(accuracies_predicted(started), Absent)
    assert isinstance(accuracies_predicted(ReportData(events=[replace(CHECKED, pairs=())])), Absent)
    assert isinstance(supernet_phases(ReportData()), Absent)


def test_a_phase_of_which_only_the_end_was_logged_is_shown() -> None:
    (phase,) = phase_courses(ReportData(events=[ended("full", 1, largest=0.5)]))
    assert (phase.epochs, dict(phase.losses), phase.seconds, phase.random) == (1, {}, 0, ())
    assert "largest 50.0" in text_of(supernet_phases(ReportData(events=[ended("full", 1, largest=0.5)])))


def test_fine_tuning_is_shown_where_there_was_some() -> None:
    assert isinstance(fine_tuning(ReportData(events=[train_epoch("final", 1)])), Section)
    assert isinstance(fine_tuning(ReportData()), Absent)


def test_a_predictors_error_is_what_the_page_reads() -> None:
    predicted, true = zip(*PAIRS, strict=True)
    found = error_of(np.array(predicted), np.array(true), 96)
    event = AccuracyPredictorChecked(
        learned=found.learned,
        held_out=len(found.pairs),
        rmse_points=found.rmse_points,
        kendall=found.kendall,
        spearman=found.spearman,
        pairs=found.pairs,
    )
    assert "1.32 points RMSE" in text_of(accuracies_predicted(ReportData(events=[event])))
