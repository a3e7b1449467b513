"""Every kind of event comes back from its line, ours and a user's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sculptnet.accuracy import Accuracy
from sculptnet.average_precision import BoxScore, ClassScore
from sculptnet.errors import InvalidValue
from sculptnet.records import Event, OtherEvent, of_kind
from sculptnet.records.events import BY_KIND, EVENTS, event_from_line, event_to_line
from sculptnet.records.run_events import DataSeen, FileTested, FrontFound
from sculptnet.records.training_events import SupernetEpoch, TrainEpoch

SCORE = BoxScore(0.5, 0.75, 3, (ClassScore("cat", 0.5, 0.75, 4, (1.0, 0.5)), ClassScore("dog", None, None, 0, ())))
NUMBERS = st.floats(allow_nan=False, width=32)
NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=5).map(lambda name: f"metric {name}")


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    leaves = {int: st.integers(0, 9), float: NUMBERS, str: st.text(max_size=5), bool: st.booleans()}
    if kind in leaves:
        return leaves[kind]
    if kind is Accuracy:
        return st.integers(1, 9).map(lambda count: Accuracy(((count, 0), (1, count))))
    if kind is BoxScore:
        return st.just(SCORE)
    if kind is object:
        return st.one_of(NUMBERS, st.lists(st.integers()), st.none())
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        if parts[-1] is Ellipsis:
            return st.lists(values_of(parts[0]), max_size=3).map(tuple)
        return st.tuples(*map(values_of, parts))
    if origin is Mapping:
        return st.dictionaries(NAMES, values_of(parts[1]), max_size=3)
    if parts:
        return st.one_of(*(values_of(part) for part in parts))
    if kind is type(None):
        return st.none()
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values_of(hints[field.name]) for field in fields(kind)})


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_comes_back_from_its_line(kind: type[Event]) -> None:
    @given(values_of(kind))
    def comes_back(event: Event) -> None:
        line = json.loads(json.dumps(event_to_line(event)))
        assert event_from_line(line) == event
        assert None not in (line.get("time", 0.0), line.get("trial", 0)), "what is not known is left out"

    comes_back()


def test_kinds_are_told_apart_and_each_says_its_own() -> None:
    assert len(BY_KIND) == len(EVENTS)
    assert {"train_epoch", "search_epoch", "command", "table", "test", "baseline", "front"} <= set(BY_KIND)


def test_metrics_stand_beside_the_other_numbers_of_an_epoch() -> None:
    event = TrainEpoch(1, 2, 0.5, 0.1, 3.0, metrics={"top1": 0.25}, trial="final")
    line = {"epoch": 1, "epochs": 2, "loss": 0.5, "learning_rate": 0.1, "seconds": 3.0, "trial": "final", "top1": 0.25}
    assert event_to_line(event) == {"event": "train_epoch", **line}
    assert event_to_line(SupernetEpoch.of(event, "depth")) == {"event": "supernet_epoch", **line, "phase": "depth"}
    with pytest.raises(
        InvalidValue, match="TrainEpoch: metrics must not be called event or loss, which every epoch has"
    ):
        replace(event, metrics={"loss": 1.0, "event": 2.0, "top1": 3.0})


def test_an_epoch_whose_metric_is_no_number_is_still_read() -> None:
    event = event_from_line(event_to_line(TrainEpoch(1, 2, 0.5, 0.1, 3.0, metrics={"map": math.nan})))
    assert isinstance(event, TrainEpoch)
    assert math.isnan(event.metrics["map"])


def test_everything_that_is_wrong_with_a_line_is_told_at_once() -> None:
    line = {"event": "front", "device": 1, "points": [[1, 2], ["1", 1], [1, 2, 3]], "why": 1}
    with pytest.raises(InvalidValue) as caught:
        event_from_line(line)
    for text in (
        "FrontFound: 4 problems",
        "must be text, got 1 @ FrontFound.device",
        "must be a number, got '1' @ FrontFound.points[1]",
        "must hold 2 values, got [1, 2, 3] @ FrontFound.points[2]",
        "extra fields found (why) @ FrontFound",
    ):
        assert text in str(caught.value)
    with pytest.raises(InvalidValue, match=r"must be a list, got 'abc' @ DataSeen\.notes"):
        event_from_line({"event": "data", "notes": "abc"})
    with pytest.raises(InvalidValue, match="an event says its kind under 'event', got None"):
        event_from_line({"epoch": 1})


def test_another_version_of_a_kind_is_refused() -> None:
    line = event_to_line(DataSeen(("a note",)))
    assert event_from_line({**line, "version": 1}) == DataSeen(("a note",))
    with pytest.raises(InvalidValue, match="DataSeen is of version 2, and this SculptNet reads version 1; another"):
        event_from_line({**line, "version": 2})


# ---------------------------------------------------------------------- a user's own
@dataclass(frozen=True)
class Rung(Event):
    kind: ClassVar[str] = "halving_rung"

    networks: int
    best: float


@dataclass(frozen=True)
class SecondRung(Event):
    kind: ClassVar[str] = "halving_rung"
    version: ClassVar[int] = 2

    networks: tuple[str, ...]


def test_a_kind_of_ones_own_comes_back_whoever_reads_it() -> None:
    rung = Rung(3, 0.5, time=7.0)
    line = json.loads(json.dumps(event_to_line(rung)))
    read = event_from_line(line)
    assert read == OtherEvent("halving_rung", {"networks": 3, "best": 0.5}, time=7.0)
    assert event_to_line(read) == line
    assert of_kind([read, DataSeen(()), rung], Rung) == [rung, rung]
    assert of_kind([read, DataSeen(())], FrontFound) == []
    with pytest.raises(InvalidValue, match="SecondRung is of version 1, and this SculptNet reads version 2"):
        of_kind([read], SecondRung)
    second = SecondRung(("a",))
    assert of_kind([event_from_line(event_to_line(second))], SecondRung) == [second]


def test_what_is_no_event_of_ones_own_is_refused() -> None:
    @dataclass(frozen=True)
    class Nameless(Event):
        best: float

    @dataclass(frozen=True)
    class Borrowed(Event):
        kind: ClassVar[str] = "train_epoch"

    @dataclass(frozen=True)
    class Twice(Event):
        kind: ClassVar[str] = "twice"
        event: str

    wrong: list[tuple[Any, str]] = [
        ({"event": "began"}, "a run logs events, got dict; log a frozen dataclass below sculptnet.records.Event"),
        (Nameless(0.5), "Nameless does not say its kind; give it one: kind: ClassVar"),
        (Borrowed(), "Borrowed says that its kind is 'train_epoch', which is TrainEpoch's; choose another"),
        (Twice("a"), "Twice has a field 'event', which means something else in logs; rename it"),
        (OtherEvent("own", {"a": {1, 2}}), "the event 'own' cannot be written as JSON"),
    ]
    for event, text in wrong:
        with pytest.raises(InvalidValue, match=text):
            event_to_line(event)


def test_lines_of_other_kinds_are_never_an_error() -> None:
    for line in ({"event": "odd", "trial": [1], "time": "noon"}, {"event": "odd", "version": 9, "trial": True}):
        read = event_from_line(line)
        assert isinstance(read, OtherEvent)
        assert event_to_line(read) == line


def test_a_tested_file_is_a_classifier_or_a_detector() -> None:
    assert event_to_line(FileTested("model.onnx", detection=SCORE)).keys() == {"event", "file", "detection"}
