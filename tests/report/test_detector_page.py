"""The page on a detector, from values alone: many classes, hostile names, a budget that is met, nothing to show."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.report.made_up import Outline, detector_card_of, line_of, measured, train_epoch

from sculptnet.records.card import DetectorCard
from sculptnet.report.detector_page import DetectorPage, Drawn, Sample, write_detector_report
from sculptnet.report.figures import detection
from sculptnet.report.render import render
from sculptnet.report.style import styled

NAMES = ("<b>bold</b> & co", *(f"kind {index}" for index in range(13)))
BOX = (2.0, 3.0, 30.0, 40.0)


def page(card: DetectorCard, *samples: Sample) -> DetectorPage:
    return DetectorPage(
        "a run",
        "sculptnet detect a b",
        card,
        (),
        {"kind": "DetectorRecipe", "epochs": 1, "batch_size": 16},
        samples,
        0.3,
        12.0,
    )


def text_of(page: DetectorPage, folder: Path) -> str:
    return write_detector_report(page, folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = (Drawn(NAMES[0], BOX, 0.875), Drawn(NAMES[1], BOX, 0.5))
    sample = Sample("x.jpg", b"jpeg", (64, 48), (Drawn(NAMES[0], BOX, None),), found)
    return text_of(page(detector_card_of(NAMES), sample), tmp_path_factory.mktemp("page"))


def test_a_met_budget_and_every_class_are_told(written: str) -> None:
    Outline(written)
    assert "<strong>Within budget</strong> by 1.0\u202fms (20.0\u202f%). model.onnx was measured at 4.00" in written
    assert "Of 13 classes the 12 with the most test boxes" in written
    assert written.count('<th scope="row">kind') == 13
    assert '<th scope="row">kind 12</th><td class="number">0</td><td class="number">\u2014</td>' in written
    assert "<b>bold" not in written
    assert "The 1 boxes that were dropped" in written
    assert "no epoch was logged" in written


def test_the_head_names_the_network_the_data_and_the_device(written: str) -> None:
    assert '<p class="subtitle">SSDLite on some_network for things, timed on fake</p>' in written
    tiles = re.findall(r'<dt>([^<]+)</dt><dd class="value">([^<]+)</dd><dd class="extra">([^<]+)</dd>', written)
    assert {title: value for title, value, _ in tiles} == {
        "mAP@0.5": "60.0\u202f%",
        "mAP": "30.0\u202f%",
        "Latency, model.onnx": "4.00\u202fms",
        "Latency, without NMS": "3.50\u202fms",
        "Multiply-adds": "3.00\u202fM",
        "Parameters": "40,000",
    }


def test_true_boxes_are_dashed_and_found_ones_are_named_the_most_probable_on_top(written: str) -> None:
    rectangles = re.findall(r'<rect [^>]*stroke="[^>]*>', written)
    assert ["dasharray" in one for one in rectangles] == [True, False, False]
    assert all('x="2.0" y="3.0" width="28.0" height="37.0"' in one for one in rectangles)
    labels = re.findall(r"<text [^>]*>([^<]+)</text>\n", written)
    assert labels == ["kind 0 50", "&lt;b&gt;bold&lt;/b&gt; &amp; co 88"]
    assert "<figcaption>x.jpg: 1 objects, 2 found</figcaption>" in written


def test_what_was_used_is_listed(written: str) -> None:
    found = dict(re.findall(r"<dt>([^<]+)</dt><dd>(.*?)</dd>", written))
    assert found["Data"].startswith("5 training photographs with 5 boxes, 5 monitoring photographs with 5 boxes")
    assert found["Data"].endswith('<ul class="plain"><li>a note</li></ul>')
    assert found["Agreement with PyTorch"] == ("100.0\u202f% of the boxes in 8 photographs, up to 0.00010 pixels apart")
    assert found["Recipe"].startswith("epochs 1; batch_size")
    assert found["Preprocessing"].startswith("size 64; mean 0.5, 0.5, 0.5")
    assert found["Detector"].startswith("num_classes 14; smallest 0.2; largest 0.9")
    assert found["Time"] == "12\u202fs"
    assert found["First weights"] == "drawn"


def test_without_photographs_drops_and_a_budget_the_page_says_so(tmp_path: Path) -> None:
    card = detector_card_of(("a", "b"), budget=None, within_budget=None)
    bare = replace(card, data=replace(card.data, dropped=()), warnings=("worse",))
    text = text_of(page(bare), tmp_path)
    assert "there are no test photographs" in text
    assert '<p class="verdict">No budget was given.</p>' in text
    assert "that were dropped" not in text
    assert "<strong>Warning: </strong>worse" in text


def test_over_the_budget_and_trained(tmp_path: Path) -> None:
    events = [train_epoch("final", epoch, map50=0.1 * epoch) for epoch in (1, 2)]
    slow = {"model.onnx": measured(6.0)}
    over = page(detector_card_of(("a", "b"), within_budget=False, measured=slow))
    text = text_of(replace(over, events=events), tmp_path)
    assert '<p class="verdict over"><strong>Over budget</strong> by 1.0' in text
    assert "Loss and average precision over 2 epochs." in text
    assert (tmp_path / "figures" / "training.png").exists()


def test_the_monitoring_curve_has_the_epochs_that_were_looked_at() -> None:
    columns = {"loss": np.array([2.0, 1.0, 0.5]), "map50": np.array([np.nan, 0.1, 0.3])}
    with styled():
        loss, ap = detection.draw_training(np.array([1.0, 2.0, 3.0]), columns).axes
    assert line_of(loss.lines[0])[0] == [1, 2, 3]
    assert line_of(ap.lines[0])[0] == [2, 3]
    assert line_of(ap.lines[0])[1] == pytest.approx([10, 30])


def test_many_classes_have_lines_of_their_own_and_the_rest_is_left_out() -> None:
    curves = {f"class {index}": [1.0, 0.5 + index / 100, 0.0] for index in range(15)}
    drawn = render("precision", "Precision", "Lines.", lambda: detection.draw_precision(curves)).svg
    looks = set(re.findall(r'"fill: none; ((?:stroke-dasharray: [^;]+; )?[^"]*stroke: var\(--block[^"]+)"', drawn))
    assert len(looks) == detection.MOST_CURVES
