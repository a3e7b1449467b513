from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sculptnet.accuracy import Accuracy
from sculptnet.arch import SearchSpace
from sculptnet.report import ReportData
from sculptnet.report.facts import (
    Latency,
    Point,
    baseline_points,
    budget,
    class_names,
    course,
    curves,
    failed_trials,
    files,
    final_point,
    front,
    judged_file,
    most_confused,
    predicted_and_measured,
    shipped_choices,
    times,
    trial_points,
    untrained_trials,
)

HALF_RIGHT = Accuracy(((5, 5), (3, 7)))
CARD: dict[str, Any] = {
    "budget": {"metric": "latency_ms", "at_most": 5.0, "precision": "int8"},
    "predicted": {"latency_ms": 4.0},
    "measured": {
        "model.onnx": {"latency_ms": 6.0, "low_ms": 5.9, "high_ms": 6.2, "noise_percent": 0.5},
        "model.int8.onnx": {"latency_ms": 4.5},
    },
    "accuracy": {"model.int8.onnx": HALF_RIGHT.to_json()},
}


def trial(number: int, error: str | None = None, **metrics: float) -> dict[str, Any]:
    return {"trial": number, "choices": [], "metrics": metrics, "error": error}


def test_the_budget_judges_the_file_of_its_precision() -> None:
    data = ReportData(card=CARD)
    asked, file = budget(data), judged_file(data)
    assert asked is not None
    assert (asked.at_most_ms, asked.precision, asked.file) == (5.0, "int8", "model.int8.onnx")
    assert file is not None
    assert file.latency is not None
    assert file.latency.ms == 4.5


def test_before_there_is_a_card_the_budget_comes_from_the_log() -> None:
    asked = budget(ReportData(events=[{"event": "feasibility", "at_most": 3.0}]))
    assert asked is not None
    assert asked.at_most_ms == 3.0


def test_without_a_card_nothing_is_known() -> None:
    data = ReportData()
    assert (budget(data), files(data), judged_file(data), final_point(data), course(data)) == (
        None,
        (),
        None,
        None,
        None,
    )
    assert (curves(data), trial_points(data), baseline_points(data), times(data)) == ((), (), (), ())


def test_files_are_listed_with_what_is_known_of_each() -> None:
    known = {file.name: (file.latency is not None, file.accuracy is not None) for file in files(ReportData(card=CARD))}
    assert known == {"model.onnx": (True, False), "model.int8.onnx": (True, True)}


def test_accuracies_that_only_the_log_knows_are_used() -> None:
    events = [{"event": "test", "file": "model.onnx", "accuracy": HALF_RIGHT.to_json()}]
    assert files(ReportData(events=events))[0].accuracy == HALF_RIGHT


def test_a_measured_latency_wins_over_a_predicted_one() -> None:
    records = [
        trial(0, top1=0.9, predicted_latency_ms=3.0, measured_latency_ms=3.5),
        trial(1, top1=0.8, predicted_latency_ms=2.0),
        trial(2, predicted_latency_ms=2.0),
        trial(3, error="TrainingDiverged: ...", top1=0.1, predicted_latency_ms=2.0),
    ]
    data = ReportData(trials=records)
    assert [(p.name, p.latency.ms, p.measured) for p in trial_points(data)] == [
        ("trial 0", 3.5, True),
        ("trial 1", 2.0, False),
    ]
    assert (failed_trials(data), untrained_trials(data)) == (1, 1)


def test_the_front_holds_what_no_other_beats() -> None:
    def point(latency_ms: float, accuracy: float) -> Point:
        return Point("", Latency(latency_ms), accuracy)

    points = [point(3, 0.9), point(1, 0.5), point(2, 0.4), point(2, 0.7), point(4, 0.9)]
    assert [(p.latency.ms, p.accuracy) for p in front(points)] == [(1, 0.5), (2, 0.7), (3, 0.9)]


def test_the_trial_with_the_shipped_architecture_is_found(full_run: ReportData) -> None:
    assert "trial 4" in {point.name for point in trial_points(full_run) if point.shipped}
    assert len([point for point in trial_points(full_run) if not point.shipped]) > 3
    assert not any(point.shipped for point in trial_points(replace(full_run, space=None)))


def test_an_architecture_of_another_space_has_no_choices(full_run: ReportData, tiny_fbnet: SearchSpace) -> None:
    assert shipped_choices(replace(full_run, space=tiny_fbnet)) is None
    found = shipped_choices(full_run)
    assert full_run.space is not None
    assert found is not None
    assert list(found) == list(full_run.space.decisions)


def test_pairs_of_prediction_and_measurement_need_both() -> None:
    records = [trial(0, predicted_latency_ms=3.0, measured_latency_ms=3.5), trial(1, predicted_latency_ms=2.0)]
    found = predicted_and_measured(ReportData(trials=records, card=CARD))
    assert found == (("trial 0", 3.0, 3.5), ("found network", 4.0, 4.5))


def test_an_epoch_that_was_logged_twice_counts_once_the_last_time() -> None:
    rows = [(1, 0.9), (2, 0.8), (2, 0.7), (3, 0.6)]
    events = [{"event": "train_epoch", "trial": "final", "epoch": e, "loss": loss, "seconds": 2.0} for e, loss in rows]
    (curve,) = curves(ReportData(events=events))
    assert (curve.kind, curve.epochs.tolist(), curve.columns["loss"].tolist()) == ("final", [1, 2, 3], [0.9, 0.7, 0.6])
    assert times(ReportData(events=events)) == (("final training", 6.0),)


def test_curves_of_trials_come_from_their_records_where_no_event_tells_them() -> None:
    record = trial(3) | {"curve": [{"epoch": 1, "top1": 0.5}, {"epoch": 2, "top1": 0.6}]}
    (curve,) = curves(ReportData(trials=[record]))
    assert (curve.name, curve.kind, curve.columns["top1"].tolist()) == ("trial 3", "trial", [0.5, 0.6])


def test_the_shipped_network_is_drawn_last_and_baselines_lose_their_prefix() -> None:
    events = [
        {"event": "train_epoch", "trial": name, "epoch": 1, "loss": 1.0} for name in ("final", "baseline:random", 0)
    ]
    assert [(c.name, c.kind) for c in curves(ReportData(events=events))] == [
        ("trial 0", "trial"),
        ("random", "baseline"),
        ("found network", "final"),
    ]


def test_the_course_of_the_search(full_run: ReportData) -> None:
    found = course(full_run)
    assert found is not None
    assert (len(found.epochs), found.warm_up, found.cost) == (90, 10, "latency_ms@onnxruntime-1t")
    assert np.isnan(found.columns["theta_loss"][:10]).all()
    assert np.isfinite(found.columns["theta_loss"][10:]).all()


def test_the_most_frequent_confusions_come_first() -> None:
    accuracy = Accuracy(((8, 2, 0), (0, 10, 0), (3, 1, 16)))
    assert most_confused(accuracy, ["a", "b", "c"]) == [("c", "a", 3, 0.15), ("a", "b", 2, 0.2), ("c", "b", 1, 0.05)]


@pytest.mark.parametrize(("names", "shown"), [(["x", "y"], ("x", "y")), (["x"], ("class 0", "class 1"))])
def test_names_that_do_not_fit_the_matrix_become_numbers(names: list[str], shown: tuple[str, ...]) -> None:
    assert class_names(ReportData(card={"classes": names}), HALF_RIGHT) == shown
