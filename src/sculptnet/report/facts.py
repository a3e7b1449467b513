"""What the page says, read from a `ReportData`: budget, files, points, curves, the course of the search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sculptnet.accuracy import Accuracy
from sculptnet.errors import NotInSpace
from sculptnet.report.source import ReportData
from sculptnet.report.text import number
from sculptnet.state import Event

FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
Numbers: TypeAlias = npt.NDArray[np.float64]
Confused: TypeAlias = tuple[str, str, int, float]  # true class, predicted class, images, share of the true class


@final
@dataclass(frozen=True)
class Budget:
    """What was asked: a latency, and by which file it is judged."""

    at_most_ms: float
    precision: str
    file: str


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
        accuracy, low, high: top-1, 0..1, and its 95 % interval where it is known.
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


def events_of(data: ReportData, kind: str) -> list[Event]:
    """The events of one kind, in order."""
    return [event for event in data.events if event.get("event") == kind]


def last_event(data: ReportData, kind: str) -> Event | None:
    """The newest event of one kind."""
    found = events_of(data, kind)
    return found[-1] if found else None


def budget(data: ReportData) -> Budget | None:
    """The budget on latency, if there is one."""
    asked = (data.card or {}).get("budget") or {}
    at_most = number(asked.get("at_most"))
    precision = str(asked.get("precision", "fp32"))
    if not math.isfinite(at_most):
        at_most = number((last_event(data, "feasibility") or {}).get("at_most"))
    if not math.isfinite(at_most):
        return None
    return Budget(at_most, precision, str(asked.get("file") or FILES.get(precision, FILES["fp32"])))


def latency_of(measured: Mapping[str, Any] | None) -> Latency | None:
    """A latency of the card or of a baseline; None where nothing was measured."""
    if measured is None or not math.isfinite(number(measured.get("latency_ms"))):
        return None
    rest = (number(measured.get(key)) for key in ("low_ms", "high_ms", "noise_percent"))
    return Latency(number(measured.get("latency_ms")), *rest)


def files(data: ReportData) -> tuple[File, ...]:
    """Every file of the card; accuracies that only the event log knows are taken from there."""
    card = data.card or {}
    measured: Mapping[str, Any] = card.get("measured") or {}
    accuracies: dict[str, Any] = {str(event["file"]): event["accuracy"] for event in events_of(data, "test")}
    accuracies |= card.get("accuracy") or {}
    names = [*FILES.values(), *sorted(({*measured, *accuracies}) - set(FILES.values()))]
    return tuple(
        File(name, latency_of(measured.get(name)), _accuracy(accuracies.get(name)))
        for name in names
        if name in measured or name in accuracies
    )


def _accuracy(value: Any) -> Accuracy | None:
    return Accuracy.from_json(value) if value is not None else None


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
    return Point("found network", file.latency, file.accuracy.top1, *file.accuracy.interval())


def baseline_points(data: ReportData) -> tuple[Point, ...]:
    """The baselines that have a latency, on the same test images; the newest of each name."""
    newest = {str(event["name"]): event for event in events_of(data, "baseline")}
    points = []
    for name, event in newest.items():
        latency, accuracy = latency_of(event), _accuracy(event.get("accuracy"))
        if latency is not None and accuracy is not None:
            points.append(Point(name, latency, accuracy.top1, *accuracy.interval()))
    return tuple(points)


def trial_points(data: ReportData) -> tuple[Point, ...]:
    """Every trial that came out with an accuracy: measured latency where it is known, else the predicted one.

    Trials that a search cut short are left out where others were not: after less training they are less accurate.
    """
    shipped, points = shipped_choices(data), []
    whole = [
        record for record in data.trials if record.get("epochs") is None and "top1" in (record.get("metrics") or {})
    ]
    for record in whole or data.trials:
        metrics = record.get("metrics") or {}
        measured, predicted, low, high = (number(metrics.get(key)) for key in _LATENCIES)
        known = math.isfinite(measured)
        latency = Latency(measured, low, high) if known else Latency(predicted)
        top1 = number(metrics.get("top1"))
        if record.get("error") is None and math.isfinite(latency.ms) and math.isfinite(top1):
            same = shipped is not None and _agrees(record.get("choices") or (), shipped, data)
            points.append(Point(f"trial {record.get('trial')}", latency, top1, measured=known, shipped=same))
    return tuple(points)


_LATENCIES = ("measured_latency_ms", "predicted_latency_ms", "measured_latency_low_ms", "measured_latency_high_ms")


def _agrees(choices: Sequence[int], shipped: Mapping[str, int], data: ReportData) -> bool:
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
    return sum(record.get("error") is not None for record in data.trials)


def untrained_trials(data: ReportData) -> int:
    """How many networks were measured but not trained, for example because they were over the budget."""
    return sum(record.get("error") is None and "top1" not in (record.get("metrics") or {}) for record in data.trials)


def front(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other beats in both latency and accuracy, by latency."""
    best, result = -math.inf, []
    for point in sorted(points, key=lambda point: (point.latency.ms, -point.accuracy)):
        if point.accuracy > best:
            best = point.accuracy
            result.append(point)
    return tuple(result)


def predicted_and_measured(data: ReportData) -> tuple[tuple[str, float, float], ...]:
    """(name, predicted ms, measured ms) of the trials and of the shipped network, where both are known."""
    found = []
    for record in data.trials:
        metrics = record.get("metrics") or {}
        found.append(
            (
                f"trial {record.get('trial')}",
                number(metrics.get("predicted_latency_ms")),
                number(metrics.get("measured_latency_ms")),
            )
        )
    file, card = judged_file(data), data.card or {}
    if file is not None and file.latency is not None:
        found.append(
            ("found network", number((card.get("predicted") or {}).get("latency_ms")), file.latency.ms),
        )
    return tuple(item for item in found if math.isfinite(item[1]) and math.isfinite(item[2]))


# ---------------------------------------------------------------------- over epochs
def curves(data: ReportData) -> tuple[Curve, ...]:
    """Every training: trials in order, the final one, baselines."""
    rows: dict[str, dict[int, Event]] = {}
    for event in events_of(data, "train_epoch"):
        rows.setdefault(str(event.get("trial", "final")), {})[int(event["epoch"])] = event
    for record in data.trials:
        logged = {int(row.get("epoch", index)): row for index, row in enumerate(record.get("curve") or (), start=1)}
        if logged:
            rows.setdefault(str(record.get("trial")), logged)
    named = [_curve(name, epochs, data.given or "found network") for name, epochs in rows.items()]
    order = {"trial": 0, "baseline": 1, "final": 2}
    return tuple(sorted(named, key=lambda curve: order[curve.kind]))


def _curve(name: str, rows: Mapping[int, Event], shipped: str) -> Curve:
    kind = "final" if name == "final" else "baseline" if name.startswith("baseline:") else "trial"
    trial = f"trial {name}" if name.isdigit() else name
    shown = {"final": shipped, "baseline": name.partition(":")[2], "trial": trial}[kind]
    epochs, columns = columns_of(rows)
    return Curve(shown, kind, epochs, columns)


def course(data: ReportData) -> Course | None:
    """The search over epochs, if one was logged."""
    rows = {int(event["epoch"]): event for event in events_of(data, "search_epoch")}
    if not rows:
        return None
    epochs, columns = columns_of(rows)
    ordered = [rows[epoch] for epoch in sorted(rows)]
    return Course(
        epochs,
        columns,
        tuple(str(event.get("phase", "architecture")) for event in ordered),
        str(ordered[-1].get("cost", "")),
        tuple(event.get("probabilities") or {} for event in ordered),
    )


def columns_of(rows: Mapping[int, Event]) -> tuple[Numbers, dict[str, Numbers]]:
    """Epochs, or batches, and the numeric columns over them; NaN where one lacks it."""
    ordered = sorted(rows)
    keys = dict.fromkeys(
        key
        for epoch in ordered
        for key, value in rows[epoch].items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    )
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
    """The names of the classes, or numbers where the card has none."""
    names = tuple(str(name) for name in (data.card or {}).get("classes") or ())
    size = len(accuracy.confusion)
    return names if len(names) == size else tuple(f"class {index}" for index in range(size))
