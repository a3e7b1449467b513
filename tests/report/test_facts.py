from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from tests.report.made_up import baseline, card_of, measured, train_epoch

from sculptnet.accuracy import Accuracy
from sculptnet.arch import SearchSpace
from sculptnet.cost import LatencyTable
from sculptnet.precision import Precision
from sculptnet.records import Event, OtherEvent, TrialRecord
from sculptnet.records.card import Budget, ClassifierCard, Predicted
from sculptnet.records.run_events import Feasibility, FileTested
from sculptnet.records.search_events import SearchEpoch
from sculptnet.report import ReportData
from sculptnet.report.facts import (
    Latency,
    Point,
    baseline_points,
    baselines,
    budget,
    class_names,
    columns_of,
    course,
    curves,
    events_of,
    failed_trials,
    fields_of,
    files,
    final_point,
    front,
    judged_file,
    last_event,
    most_confused,
    predicted_and_measured,
    shipped_choices,
    times,
    trial_points,
    untrained_trials,
)

HALF_RIGHT = Accuracy(((5, 5), (3, 7)))
INT8 = Budget(at_most=5.0, precision=Precision.INT8, file="model.int8.onnx")


def card() -> ClassifierCard:
    """Two files, of which the int8 one is judged, and is the only one with an accuracy."""
    return card_of(
        budget=INT8,
        predicted=Predicted(4.0, None),
        measured={"model.onnx": measured(6.0), "model.int8.onnx": measured(4.5)},
        accuracy={"model.int8.onnx": HALF_RIGHT},
    )


def trial(number: int, error: str | None = None, **metrics: float) -> TrialRecord:
    return TrialRecord(number, (), metrics=metrics, error=error)


def epoch_of(number: int, phase: str = "architecture", **changes: float | None) -> SearchEpoch:
    numbers = {"loss": 1.0, "accuracy": 0.5, "tau": 5.0, "entropy": 1.0, "seconds": 2.0}
    own: dict[str, float] = {name: value for name, value in changes.items() if name in numbers and value is not None}
    rest = {name: value for name, value in changes.items() if name not in numbers}
    probabilities = {"stages.0.0": (0.5, 0.5)}
    return SearchEpoch(epoch=number, epochs=9, phase=phase, probabilities=probabilities, **{**numbers, **own}, **rest)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- events
@dataclass(frozen=True)
class Halved(Event):
    """A user's own event."""

    kind: ClassVar[str] = "halved"

    left: int


def test_events_are_found_by_their_class_a_user_s_own_as_they_were_logged_and_as_they_were_read() -> None:
    tested = FileTested(file="model.onnx", accuracy=HALF_RIGHT)
    data = ReportData(events=[Halved(left=4), tested, OtherEvent(event="halved", values={"left": 2})])
    assert [event.left for event in events_of(data, Halved)] == [4, 2]
    assert events_of(data, FileTested) == [tested]
    assert last_event(data, Halved) == Halved(left=2)
    assert last_event(data, Feasibility) is None


def test_the_fields_of_an_epoch_hold_its_metrics() -> None:
    fields = fields_of(train_epoch("final", 3, top1=0.5))
    assert (fields["epoch"], fields["loss"], fields["top1"], fields["trial"]) == (3, 1.0, 0.5, "final")


# ---------------------------------------------------------------------- the budget and files
def test_the_budget_judges_the_file_of_its_precision() -> None:
    data = ReportData(card=card())
    file = judged_file(data)
    assert budget(data) == INT8
    assert file is not None
    assert file.name == "model.int8.onnx"
    assert file.latency is not None
    assert file.latency.ms == 4.5


def test_before_there_is_a_card_the_budget_comes_from_the_log() -> None:
    event = Feasibility(cost="latency_ms@x", fastest=1.0, median=2.0, slowest=4.0, at_most=3.0)
    asked = budget(ReportData(events=[replace(event, at_most=9.0), event]))
    assert asked is not None
    assert (asked.at_most, asked.file) == (3.0, "model.onnx")
    assert budget(ReportData(events=[event], card=card_of())) is None  # the card knows that there was none


def test_without_a_budget_the_first_file_with_an_accuracy_is_shown() -> None:
    file = judged_file(ReportData(card=replace(card(), budget=None)))
    assert file is not None
    assert file.name == "model.int8.onnx"


def test_without_a_card_nothing_is_known() -> None:
    data = ReportData()
    nothing = (budget(data), files(data), judged_file(data), final_point(data), course(data))
    assert nothing == (None, (), None, None, None)
    assert (curves(data), trial_points(data), baseline_points(data), times(data)) == ((), (), (), ())


def test_files_are_listed_with_what_is_known_of_each() -> None:
    found = files(ReportData(card=card()))
    known = {file.name: (file.latency is not None, file.accuracy is not None) for file in found}
    assert known == {"model.onnx": (True, False), "model.int8.onnx": (True, True)}


def test_exported_files_come_before_what_they_were_made_from() -> None:
    names = ("weights.safetensors", "a.bin", "model.int8.onnx", "model.onnx")
    data = ReportData(card=card_of(accuracy=dict.fromkeys(names, HALF_RIGHT), measured={}))
    assert [file.name for file in files(data)] == ["model.onnx", "model.int8.onnx", "a.bin", "weights.safetensors"]


def test_accuracies_that_only_the_log_knows_are_used_and_the_card_s_win() -> None:
    other = Accuracy(((1, 0), (0, 1)))
    events = [FileTested(file="model.onnx", accuracy=HALF_RIGHT), FileTested(file="model.int8.onnx", accuracy=other)]
    assert files(ReportData(events=events))[0].accuracy == HALF_RIGHT
    assert [file.accuracy for file in files(ReportData(events=events, card=card()))] == [HALF_RIGHT, HALF_RIGHT]


# ---------------------------------------------------------------------- points
def test_the_found_network_needs_a_latency_and_an_accuracy() -> None:
    found = final_point(ReportData(card=card()))
    assert found is not None
    assert (found.latency.ms, found.accuracy) == (4.5, 0.6)
    assert (found.low, found.high) == HALF_RIGHT.interval()
    assert final_point(ReportData(card=replace(card(), accuracy={}))) is None
    assert final_point(ReportData(card=replace(card(), measured={}))) is None


def test_the_newest_baseline_of_each_name_counts() -> None:
    events = [baseline("a", latency_ms=2.0), baseline("b"), baseline("a", latency_ms=3.0)]
    assert [(one.name, one.latency_ms) for one in baselines(ReportData(events=events))] == [("a", 3.0), ("b", 1.0)]
    point, _ = baseline_points(ReportData(events=events))
    assert point.latency == Latency(3.0, 0.99, 1.01)
    assert (point.accuracy, point.low, point.high) == (0.85, *events[0].accuracy.interval())


def test_a_measured_latency_wins_over_a_predicted_one() -> None:
    records = [
        trial(0, top1=0.9, predicted_latency_ms=3.0, measured_latency_ms=3.5),
        trial(1, top1=0.8, predicted_latency_ms=2.0),
        trial(2, predicted_latency_ms=2.0),
        trial(3, error="TrainingDiverged: ...", top1=0.1, predicted_latency_ms=2.0),
        trial(4, top1=0.7),
    ]
    data = ReportData(trials=records)
    assert [(p.name, p.latency.ms, p.measured) for p in trial_points(data)] == [
        ("trial 0", 3.5, True),
        ("trial 1", 2.0, False),
    ]
    assert (failed_trials(data), untrained_trials(data)) == (1, 1)


def test_trials_that_were_cut_short_stand_only_where_all_were() -> None:
    whole = trial(0, top1=0.9, predicted_latency_ms=3.0)
    short = replace(trial(1, top1=0.5, predicted_latency_ms=2.0), epochs=2)
    assert [point.name for point in trial_points(ReportData(trials=[whole, short]))] == ["trial 0"]
    assert [point.name for point in trial_points(ReportData(trials=[short]))] == ["trial 1"]


def test_the_interval_of_a_measured_trial_is_kept() -> None:
    record = trial(0, top1=0.9, measured_latency_ms=3.5, measured_latency_low_ms=3.4, measured_latency_high_ms=3.6)
    (point,) = trial_points(ReportData(trials=[record]))
    assert (point.latency.ms, point.latency.low_ms, point.latency.high_ms) == (3.5, 3.4, 3.6)


def point(latency_ms: float, accuracy: float, name: str = "") -> Point:
    return Point(name, Latency(latency_ms), accuracy)


def test_the_front_holds_what_no_other_beats() -> None:
    points = [point(3, 0.9), point(1, 0.5), point(2, 0.4), point(2, 0.7), point(4, 0.9)]
    assert [(p.latency.ms, p.accuracy) for p in front(points)] == [(1, 0.5), (2, 0.7), (3, 0.9)]


def test_of_equal_points_the_front_has_the_first_one() -> None:
    assert [p.name for p in front([point(1, 0.5, "a"), point(1, 0.5, "b"), point(2, 0.5, "c")])] == ["a"]
    assert front([]) == ()


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
    found = predicted_and_measured(ReportData(trials=records, card=card()))
    assert found == (("trial 0", 3.0, 3.5), ("found network", 4.0, 4.5))
    assert predicted_and_measured(ReportData(card=replace(card(), predicted=None))) == ()


# ---------------------------------------------------------------------- over epochs
def test_an_epoch_that_was_logged_twice_counts_once_the_last_time() -> None:
    rows = [(1, 0.9), (2, 0.8), (2, 0.7), (3, 0.6)]
    events = [train_epoch("final", epoch, loss=loss) for epoch, loss in rows]
    (curve,) = curves(ReportData(events=events))
    assert (curve.kind, curve.epochs.tolist(), curve.columns["loss"].tolist()) == ("final", [1, 2, 3], [0.9, 0.7, 0.6])
    assert times(ReportData(events=events)) == (("final training", 6.0),)


def test_curves_of_trials_come_from_their_records_where_no_event_tells_them() -> None:
    record = replace(trial(3), curve=({"epoch": 1, "top1": 0.5}, {"epoch": 2, "top1": 0.6}))
    (curve,) = curves(ReportData(trials=[record]))
    assert (curve.name, curve.kind, curve.columns["top1"].tolist()) == ("trial 3", "trial", [0.5, 0.6])
    unnumbered = replace(record, curve=({"top1": 0.5}, {"top1": 0.6}))
    assert curves(ReportData(trials=[unnumbered]))[0].epochs.tolist() == [1, 2]
    (logged,) = curves(ReportData(trials=[record], events=[train_epoch(3, 1, top1=0.9)]))
    assert logged.columns["top1"].tolist() == [0.9]


def test_the_shipped_network_is_drawn_last_and_baselines_lose_their_prefix() -> None:
    events = [train_epoch(name, 1) for name in ("final", "baseline:random", 0)]
    assert [(c.name, c.kind) for c in curves(ReportData(events=events))] == [
        ("trial 0", "trial"),
        ("random", "baseline"),
        ("found network", "final"),
    ]


@pytest.mark.parametrize(("given", "name"), [(None, "found network"), ("fbnet_a", "fbnet_a")])
def test_a_network_that_was_given_has_its_own_name(given: str | None, name: str) -> None:
    (curve,) = curves(ReportData(events=[train_epoch("final", 1)], given=given))
    assert curve.name == name


def test_other_trainings_are_drawn_by_their_own_names() -> None:
    (curve,) = curves(ReportData(events=[train_epoch("start", 1)]))
    assert (curve.name, curve.kind) == ("start", "trial")


def test_columns_hold_numbers_alone_and_nan_where_one_is_missing() -> None:
    rows: dict[int, dict[str, object]] = {2: {"a": 1.0, "b": "text", "c": None}, 1: {"a": None, "d": True, "e": 3}}
    epochs, columns = columns_of(rows)
    assert epochs.tolist() == [1, 2]
    assert set(columns) == {"a", "e"}
    np.testing.assert_array_equal(columns["a"], [math.nan, 1.0])
    np.testing.assert_array_equal(columns["e"], [3.0, math.nan])


def test_the_course_of_the_search(full_run: ReportData) -> None:
    found = course(full_run)
    assert found is not None
    assert (len(found.epochs), found.warm_up, found.cost) == (90, 10, "latency_ms@onnxruntime-1t")
    assert np.isnan(found.columns["theta_loss"][:10]).all()
    assert np.isfinite(found.columns["theta_loss"][10:]).all()


@pytest.mark.parametrize(
    ("phases", "warm_up"),
    [(("weights", "architecture"), 1), (("architecture",), 0), (("weights", "weights"), 2)],
)
def test_the_warm_up_is_what_comes_before_the_architecture(phases: tuple[str, ...], warm_up: int) -> None:
    events = [epoch_of(number, phase) for number, phase in enumerate(phases, start=1)]
    found = course(ReportData(events=events[::-1]))
    assert found is not None
    assert (found.phases, found.warm_up, found.cost) == (phases, warm_up, "")


def test_an_epoch_of_the_search_that_a_resumed_run_logged_twice_counts_once() -> None:
    found = course(ReportData(events=[epoch_of(1), epoch_of(2, tau=4.0), epoch_of(2, tau=3.0)]))
    assert found is not None
    assert found.columns["tau"].tolist() == [5.0, 3.0]


def test_times_are_sums_over_epochs_by_stage() -> None:
    trainings = [train_epoch(name, epoch) for name in (0, 1, "final", "baseline:random") for epoch in (1, 2)]
    table = LatencyTable("x", {}, 1.0, 0.0, seconds=7.0)
    assert times(ReportData(events=[*trainings, epoch_of(1), epoch_of(2)], table=table)) == (
        ("latency table", 7.0),
        ("search", 4.0),
        ("training of trials", 8.0),
        ("final training", 4.0),
        ("baselines", 4.0),
    )


# ---------------------------------------------------------------------- confusions
def test_the_most_frequent_confusions_come_first() -> None:
    accuracy = Accuracy(((8, 2, 0), (0, 10, 0), (3, 1, 16)))
    found = [("c", "a", 3, 0.15), ("a", "b", 2, 0.2), ("c", "b", 1, 0.05)]
    assert most_confused(accuracy, ["a", "b", "c"]) == found
    assert most_confused(accuracy, ["a", "b", "c"], at_most=1) == found[:1]
    assert most_confused(Accuracy(((8, 0), (0, 10))), ["a", "b"]) == []


@pytest.mark.parametrize(("names", "shown"), [(("x", "y"), ("x", "y")), (("x",), ("class 0", "class 1"))])
def test_names_that_do_not_fit_the_matrix_become_numbers(names: tuple[str, ...], shown: tuple[str, ...]) -> None:
    assert class_names(ReportData(card=card_of(classes=names)), HALF_RIGHT) == shown
    assert class_names(ReportData(), HALF_RIGHT) == ("class 0", "class 1")
