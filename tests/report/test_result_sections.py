"""Training, classes and what was used: full, partial and absent data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.report.made_up import card_of, judged, markup_of, measured, text_of, train_epoch

from sculptnet.accuracy import Accuracy
from sculptnet.arch import Recipe
from sculptnet.cost import LatencyTable
from sculptnet.records.card import Agreement, Budget, DeviceFacts, ImageSource
from sculptnet.records.run_events import FileTested
from sculptnet.report import Absent, Definitions, Details, ReportData, Section, Table
from sculptnet.report.sections import classes_apart, training_curves, what_was_used


def section(part: object) -> Section:
    assert isinstance(part, Section)
    return part


# ---------------------------------------------------------------------- training
def test_the_curves_are_counted_by_kind_and_the_caption_names_what_is_there() -> None:
    names: tuple[Any, ...] = ("final", "baseline:random", 0, 1)
    events = [train_epoch(name, epoch, top1=0.1 * epoch) for name in names for epoch in (1, 2)]
    part = section(training_curves(ReportData(events=events)))
    (drawing,) = part.drawings
    assert drawing.description.endswith("over epochs (2 trial, 1 final, 1 baseline).")
    for text in ("2 trials", "found network", "random", "training loss", "learning rate", "accuracy (%)"):
        assert text in drawing.svg
    text = text_of(part)
    assert "Thick: the found network; thin: the trials of the search; dashed: baselines." in text


def test_a_given_network_is_trained_alone() -> None:
    part = training_curves(ReportData(events=[train_epoch("final", 1)], given="fbnet_a"))
    text = text_of(part)
    assert "found network" not in text
    assert "Thick" not in text
    assert "fbnet_a" in section(part).drawings[0].svg


def test_one_trial_has_its_name() -> None:
    events = [train_epoch(5, epoch) for epoch in (1, 2)]
    assert "trial 5" in section(training_curves(ReportData(events=events))).drawings[0].svg


def test_without_an_epoch_there_is_no_curve() -> None:
    part = training_curves(ReportData())
    assert isinstance(part, Absent)
    assert part.why == "no training was logged yet"


# ---------------------------------------------------------------------- class by class
def test_the_worst_class_is_named_and_every_class_is_a_row() -> None:
    part = section(classes_apart(ReportData(card=card_of())))
    *_, confused, every = part.body
    assert "Recognised worst: dog, 80.0\u202f%." in text_of(part)
    assert [drawing.description for drawing in part.drawings] == [
        "Recall of 2 classes with 95 % intervals; lowest dog with 80.0\u202f%.",
        "Confusion matrix of 2 classes; most often dog is taken for cat.",
    ]
    assert isinstance(confused, Details)
    assert isinstance(confused.block, Table)
    assert [list(row) for row in confused.block.rows] == [
        ["dog", "cat", "20", "20.0\u202f%"],
        ["cat", "dog", "10", "10.0\u202f%"],
    ]
    assert isinstance(every, Details)
    assert isinstance(every.block, Table)
    assert [row[:3] for row in every.block.rows] == [
        ["cat", "100", "90.0\u202f%"],
        ["dog", "100", "80.0\u202f%"],
    ]


def test_a_class_without_test_images_has_no_recall() -> None:
    accuracy = Accuracy(((5, 5, 0), (0, 0, 0), (0, 0, 4)))
    part = section(classes_apart(ReportData(card=card_of(accuracy={"model.onnx": accuracy}, classes=("a", "b", "c")))))
    assert part.drawings[0].description.startswith("Recall of 2 classes")


def test_where_nothing_is_confused_the_page_says_so() -> None:
    part = section(classes_apart(ReportData(card=card_of(accuracy={"model.onnx": Accuracy(((5, 0), (0, 5)))}))))
    assert part.drawings[1].description == "Confusion matrix of 2 classes."
    assert "No image was taken for another class." in text_of(part)


def test_many_classes_are_listed_and_not_drawn_as_a_matrix() -> None:
    size = 31
    rows = tuple(
        tuple(40 if row == column else int(column == (row + 1) % size) * row for column in range(size))
        for row in range(size)
    )
    names = tuple(f"kind {index}" for index in range(size))
    part = section(classes_apart(ReportData(card=card_of(accuracy={"model.onnx": Accuracy(rows)}, classes=names))))
    assert [drawing.name for drawing in part.drawings] == ["recall"]
    assert '<th scope="row">kind 30</th><td>kind 0</td><td class="number">30</td>' in markup_of(part)
    assert "Of 31 classes the worst 30." in text_of(part)


def test_the_judged_file_is_shown_and_another_one_where_it_was_not_tested() -> None:
    tested = {"model.int8.onnx": Accuracy(((5, 5), (5, 5))), "weights.safetensors": Accuracy(((6, 4), (5, 5)))}
    judged_card = card_of(accuracy=tested, budget=Budget(at_most=1.0, file="model.onnx"))
    assert "model.int8.onnx on 20 test images" in text_of(classes_apart(ReportData(card=judged_card)))
    both = judged(1.0, measured(0.5), accuracy={**tested, "model.onnx": Accuracy(((9, 1), (2, 8)))})
    assert "model.onnx on 20 test images: accuracy 85.0" in text_of(classes_apart(ReportData(card=both)))


def test_before_a_card_the_classes_have_numbers() -> None:
    events = [FileTested(file="model.onnx", accuracy=Accuracy(((5, 5), (3, 7))))]
    assert "Recognised worst: class 0" in text_of(classes_apart(ReportData(events=events)))
    absent = classes_apart(ReportData())
    assert isinstance(absent, Absent)
    assert absent.why == "no exported file was run on the test images yet"


# ---------------------------------------------------------------------- what was used
def used(data: ReportData) -> dict[str, Any]:
    (block,) = section(what_was_used(data)).body
    assert isinstance(block, Definitions)
    return dict(block.pairs)


def test_everything_that_the_card_knows_is_listed() -> None:
    card = card_of(
        device=DeviceFacts("phone", {"cpu": "X", "threads": 2, "busy": 0.123456, "none": None}),
        parity={"model.onnx": Agreement(3.1e-6, 11.2, 1.0, 256), "model.int8.onnx": Agreement(1.9, 11.2, 0.98, 256)},
        starting_weights="published",
    )
    found = used(ReportData(card=card, recipe=Recipe(epochs=12), events=[train_epoch("final", 1, seconds=90.0)]))
    assert list(found) == [
        "Device",
        "Data",
        "Preprocessing",
        "First weights",
        "Recipe",
        "Agreement with PyTorch",
        "Time",
        "Versions",
    ]
    assert found["Device"] == "name phone; cpu X; threads 2; busy 0.1235"
    assert found["First weights"] == "published"
    assert found["Agreement with PyTorch"] == (
        "model.onnx: same class for 100.0\u202f% of 256 images, logits up to 0.0000031 apart; "
        "model.int8.onnx: same class for 98.0\u202f% of 256 images, logits up to 1.9 apart"
    )
    assert found["Time"] == "final training 1\u202fmin 30\u202fs"
    assert found["Recipe"].startswith("epochs 12; batch_size")
    assert found["Preprocessing"].startswith("resolution 28; resize 28; mean 0.286, 0.286, 0.286")


def test_notes_and_warnings_on_the_data_stand_below_it_each_once() -> None:
    source = ImageSource("photos", 1_400, 200, grey=True, notes=("a", "a"), warnings=("b",), fingerprint="f")
    found = used(ReportData(card=card_of(data=source)))["Data"]
    assert found.text == "photos, 1,400 training images, 200 test images"
    assert found.notes == ("grey images, repeated to three channels", "a", "Warning: b")


def test_before_a_card_the_table_knows_the_device() -> None:
    table = LatencyTable("x", {}, 1.0, 0.0, details={"cpu": "X"}, seconds=2.0)
    assert used(ReportData(table=table)) == {"Device": "cpu X", "Time": "latency table 2.0\u202fs"}


@pytest.mark.parametrize("data", [ReportData(), ReportData(table=LatencyTable("x", {}, 1.0, 0.0))])
def test_where_nothing_is_known_the_section_is_left_out(data: ReportData) -> None:
    part = what_was_used(data)
    assert isinstance(part, Absent)
    assert part.why == "there is no model card yet; it is written when the network is exported"


def test_without_first_weights_there_is_no_line_for_them() -> None:
    assert "First weights" not in used(ReportData(card=replace(card_of(), starting_weights=None)))
