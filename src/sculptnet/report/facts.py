"""What the page says, read from a `ReportData`: budget, files, points, curves, the course of the search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, final

import numpy as np

from sculptnet.accuracy import Accuracy
from sculptnet.arch import Choices
from sculptnet.errors import NotInSpace
from sculptnet.pareto import front as on_front
from sculptnet.records import Event, newest_of, of_kind
from sculptnet.records.card import Budget, ClassifierCard, Measured
from sculptnet.records.run_events import BaselineJudged, BoxBaselineJudged, Feasibility, FileTested
from sculptnet.records.search_events import SearchEpoch
from sculptnet.records.training_events import Epoch, TrainEpoch
from sculptnet.report.source import ReportData
from sculptnet.report.text import Numbers, number

E = TypeVar("E", bound=Event)
FILES = ("model.onnx", "model.int8.onnx")  # come first, the one that is judged without a budget's word at the head
FINAL, BASELINE = "final", "baseline:"  # whose training it is
FOUND = "found network"
Confused: TypeAlias = tuple[str, str, int, float]  # true class, predicted class, images, share of the true class


@final
@dataclass(frozen=True)
class Latency:
    """A measured latency: the median, the 95 % interval of the median, the noise of the measurement. NaN: unknown."""

    ms: float
    low_ms: float = math.nan
    high_ms: float = math.nan
    noise_percent: float = math.nan


@final
@dataclass(frozen=True)
class File:
    """An exported file and what was measured on it."""

    name: str
    latency: Latency | None
    accuracy: Accuracy | None


@final
@dataclass(frozen=True)
class Point:
    """A network in the plane of latency and accuracy.

    Attributes:
        name: for people.
        latency: in milliseconds, with its interval where it is known.
        accuracy, low, high: top-1, of detectors mAP, 0..1, and its 95 % interval where it is known.
        measured: false where the latency is only predicted.
        shipped: a trial with the architecture that is shipped.
    """

    name: str
    latency: Latency
    accuracy: float
    low: float = math.nan
    high: float = math.nan
    measured: bool = True
    shipped: bool = False


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """One training, epoch by epoch. `kind`: `trial`, `final` or `baseline`."""

    name: str
    kind: str
    epochs: Numbers
    columns: Mapping[str, Numbers]


@final
@dataclass(frozen=True, eq=False)
class Course:
    """The search, epoch by epoch: columns, and the probabilities of every decision."""

    epochs: Numbers
    columns: Mapping[str, Numbers]
    phases: tuple[str, ...]
    cost: str
    probabilities: tuple[Mapping[str, Sequence[float]], ...]

    @property
    def warm_up(self) -> int:
        """How many epochs at the start trained weights alone."""
        others = (index for index, phase in enumerate(self.phases) if phase != "weights")
        return next(others, len(self.phases))


def events_of(data: ReportData, kind: type[E]) -> list[E]:
    """The events of one class, in order; a user's own class, too."""
    return of_kind(data.events, kind)


def last_event(data: ReportData, kind: type[E]) -> E | None:
    """The newest event of one class."""
    found = events_of(data, kind)
    return found[-1] if found else None


# ---------------------------------------------------------------------- files, the budget, points
def budget(data: ReportData) -> Budget | None:
    """The budget on latency, if there is one; before there is a card, as the log has it."""
    if data.card is not None:
        return data.card.budget
    event = last_event(data, Feasibility)
    return None if event is None else Budget(at_most=event.at_most, file=FILES[0])


def files(data: ReportData) -> tuple[File, ...]:
    """Every file of the card; before there is one, those that the log knows an accuracy of."""
    accuracies = {event.file: event.accuracy for event in events_of(data, FileTested) if event.accuracy is not None}
    measured = {}
    if data.card is not None:
        accuracies |= data.card.accuracy if isinstance(data.card, ClassifierCard) else {}
        measured = {name: latency_of(one) for name, one in data.card.measured.items()}
    known = {*measured, *accuracies}
    names = [*(name for name in FILES if name in known), *sorted(known - {*FILES})]
    return tuple(File(name, measured.get(name), accuracies.get(name)) for name in names)


def judged_file(data: ReportData) -> File | None:
    """The file that the budget judges, or the first that has an accuracy where there is no budget."""
    asked, found = budget(data), files(data)
    if asked is not None:
        return next((file for file in found if file.name == asked.file), None)
    return next((file for file in found if file.accuracy is not None), None)


def final_point(data: ReportData) -> Point | None:
    """The shipped network: measured latency, accuracy on the test images."""
    file = judged_file(data)
    if file is None or file.latency is None or file.accuracy is None:
        return None
    return Point(FOUND, file.latency, file.accuracy.top1, *file.accuracy.interval())


def baselines(data: ReportData) -> tuple[BaselineJudged, ...]:
    """What the network is compared with, the newest of each name."""
    return tuple(newest_of(data.events, BaselineJudged, lambda event: event.name))


def baseline_points(data: ReportData) -> tuple[Point, ...]:
    """The baselines, on the same test images."""
    return tuple(
        Point(one.name, latency_of(one), one.accuracy.top1, *one.accuracy.interval()) for one in baselines(data)
    )


def latency_of(one: BaselineJudged | BoxBaselineJudged | Measured) -> Latency:
    """The latency of a baseline or of a file of the card."""
    noise_percent = one.noise_percent if isinstance(one, Measured) else math.nan
    return Latency(one.latency_ms, one.low_ms, one.high_ms, noise_percent)


def trial_points(data: ReportData) -> tuple[Point, ...]:
    """Every trial that came out with an accuracy: measured latency where it is known, else the predicted one.

    Trials that a search cut short are left out where others were not: after less training they are less accurate.
    """
    shipped, points = shipped_choices(data), []
    whole = [record for record in data.trials if record.epochs is None and data.metric in record.metrics]
    for record in whole or data.trials:
        measured, predicted, low, high = (number(record.metrics.get(key)) for key in _LATENCIES)
        known = math.isfinite(measured)
        latency = Latency(measured, low, high) if known else Latency(predicted)
        value = number(record.metrics.get(data.metric))
        if record.error is None and math.isfinite(latency.ms) and math.isfinite(value):
            same = shipped is not None and _agrees(record.choices, shipped, data)
            points.append(Point(f"trial {record.trial}", latency, value, measured=known, shipped=same))
    return tuple(points)


_LATENCIES = ("measured_latency_ms", "predicted_latency_ms", "measured_latency_low_ms", "measured_latency_high_ms")


def _agrees(choices: Choices, shipped: Mapping[str, int], data: ReportData) -> bool:
    """Whether a row makes the shipped architecture; its recipe may be another."""
    columns = data.space.column if data.space is not None else {}
    return len(choices) == len(columns) and all(choices[columns[path]] == index for path, index in shipped.items())


def shipped_choices(data: ReportData) -> Mapping[str, int] | None:
    """The option of every decision that makes the shipped architecture; None if it is unknown or outside the space."""
    if data.space is None or data.architecture is None:
        return None
    try:
        row = data.space.encode(data.architecture)
    except NotInSpace:
        return None
    named = zip(data.space.decisions, row, strict=True)
    return {path: index for path, index in named if not path.startswith("recipe.")}


def failed_trials(data: ReportData) -> int:
    """How many trials ended in an error."""
    return sum(record.error is not None for record in data.trials)


def untrained_trials(data: ReportData) -> int:
    """How many networks were measured but not trained, for example because they were over the budget."""
    return sum(record.error is None and data.metric not in record.metrics for record in data.trials)


def front(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other beats in both latency and accuracy, by latency; of equal ones the first."""
    known = list({(point.latency.ms, point.accuracy): point for point in reversed(list(points))}.values())
    if not known:
        return ()
    best = on_front(np.array([(point.latency.ms, point.accuracy) for point in known]), (False, True))
    return tuple(sorted((known[index] for index in np.flatnonzero(best)), key=lambda point: point.latency.ms))


def predicted_and_measured(data: ReportData) -> tuple[tuple[str, float, float], ...]:
    """(name, predicted ms, measured ms) of the trials and of the shipped network, where both are known."""
    measured, predicted, *_ = _LATENCIES
    found = [
        (f"trial {one.trial}", one.metrics[predicted], one.metrics[measured])
        for one in data.trials
        if {predicted, measured} <= set(one.metrics)
    ]
    file = judged_file(data)
    if file is not None and file.latency is not None and data.card is not None and data.card.predicted is not None:
        found.append((FOUND, data.card.predicted.latency_ms, file.latency.ms))
    return tuple(found)


# ---------------------------------------------------------------------- over epochs
def curves(data: ReportData) -> tuple[Curve, ...]:
    """Every training: trials in order, baselines, the final one."""
    rows: dict[str, dict[int, Mapping[str, object]]] = {}
    for event in events_of(data, TrainEpoch):
        rows.setdefault(str(FINAL if event.trial is None else event.trial), {})[event.epoch] = fields_of(event)
    for record in data.trials:
        logged = {int(row.get("epoch", index)): row for index, row in enumerate(record.curve, start=1)}
        if logged:
            rows.setdefault(str(record.trial), logged)
    named = [_curve(name, epochs, data.given or FOUND) for name, epochs in rows.items()]
    order = {"trial": 0, "baseline": 1, "final": 2}
    return tuple(sorted(named, key=lambda curve: order[curve.kind]))


def _curve(name: str, rows: Mapping[int, Mapping[str, object]], shipped: str) -> Curve:
    if name == FINAL:
        return Curve(shipped, "final", *columns_of(rows))
    if name.startswith(BASELINE):
        return Curve(name.removeprefix(BASELINE), "baseline", *columns_of(rows))
    return Curve(f"trial {name}" if name.isdigit() else name, "trial", *columns_of(rows))


def course(data: ReportData) -> Course | None:
    """The search over epochs, if one was logged."""
    rows = {event.epoch: event for event in events_of(data, SearchEpoch)}
    if not rows:
        return None
    ordered = [rows[epoch] for epoch in sorted(rows)]
    return Course(
        *columns_of({event.epoch: fields_of(event) for event in ordered}),
        phases=tuple(event.phase for event in ordered),
        cost=ordered[-1].cost or "",
        probabilities=tuple(event.probabilities for event in ordered),
    )


def fields_of(event: Event) -> Mapping[str, object]:
    """The fields of an event by name, its metrics among them."""
    return {**vars(event), **(event.metrics if isinstance(event, Epoch) else {})}


def columns_of(rows: Mapping[int, Mapping[str, object]]) -> tuple[Numbers, dict[str, Numbers]]:
    """Epochs, or batches, and the numeric columns over them; NaN where one lacks it."""
    ordered = sorted(rows)
    keys = dict.fromkeys(key for row in rows.values() for key, value in row.items() if math.isfinite(number(value)))
    columns = {key: np.array([number(rows[epoch].get(key)) for epoch in ordered]) for key in keys}
    return np.array(ordered, dtype=np.float64), columns


def times(data: ReportData) -> tuple[tuple[str, float], ...]:
    """(stage, seconds) of what was timed. Sums over epochs, so that breaks between resumed runs do not count."""
    search, trainings = course(data), curves(data)
    stages = [
        ("latency table", data.table.seconds if data.table is not None else 0.0),
        ("search", _seconds([search.columns] if search is not None else [])),
        ("training of trials", _seconds(curve.columns for curve in trainings if curve.kind == "trial")),
        ("final training", _seconds(curve.columns for curve in trainings if curve.kind == "final")),
        ("baselines", _seconds(curve.columns for curve in trainings if curve.kind == "baseline")),
    ]
    return tuple((title, seconds) for title, seconds in stages if seconds > 0)


def _seconds(columns: Iterable[Mapping[str, Numbers]]) -> float:
    return float(sum(np.nansum(part["seconds"]) for part in columns if "seconds" in part))


# ---------------------------------------------------------------------- confusions
def most_confused(accuracy: Accuracy, classes: Sequence[str], at_most: int = 20) -> list[Confused]:
    """(true class, predicted class, images, share of the true class), the most frequent first."""
    confusion = np.array(accuracy.confusion)
    errors = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-errors, axis=None, kind="stable")[:at_most]
    pairs = [divmod(int(index), len(confusion)) for index in order]
    totals = confusion.sum(axis=1)
    return [
        (classes[true], classes[predicted], int(errors[true, predicted]), float(errors[true, predicted] / totals[true]))
        for true, predicted in pairs
        if errors[true, predicted] > 0
    ]


def class_names(data: ReportData, accuracy: Accuracy) -> tuple[str, ...]:
    """The names of the classes; numbers before there is a card."""
    names = () if data.card is None else data.card.classes
    size = len(accuracy.confusion)
    return names if len(names) == size else tuple(f"class {index}" for index in range(size))
