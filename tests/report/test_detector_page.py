"""The page on a detector, from values alone: many classes, hostile names, a budget that is met, nothing to show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sculptnet.report.detector_page import DetectorPage, Drawn, Sample, write_detector_report

NAMES = ["<b>bold</b> & co", *(f"kind {index}" for index in range(13))]


def card() -> dict[str, Any]:
    timing = {"latency_ms": 4.0, "low_ms": 3.9, "high_ms": 4.1, "noise_percent": 1.0, "loop_ms": 3.8}
    rows: list[dict[str, Any]] = [
        {"name": name, "ap": 0.3, "ap50": 0.6, "boxes": 7, "precision50": [1.0] * 60 + [0.0] * 41} for name in NAMES
    ]
    rows[-1] |= {"ap": None, "ap50": None, "boxes": 0, "precision50": []}
    counts = {f"{part}_{what}": 5 for part in ("train", "monitor", "test") for what in ("images", "boxes")}
    return {
        "budget": {"at_most": 5.0, "file": "model.onnx"},
        "within_budget": True,
        "measured": {"model.onnx": timing, "without NMS": timing},
        "detection": {"map": 0.3, "map50": 0.6, "images": 5, "per_class": rows},
        "parity": {"model.onnx": {"same": 1.0, "num_images": 8, "max_pixels": 1e-4}},
        "macs": 3_000_000,
        "parameters": 40_000,
        "detector": {"smallest": 0.2},
        "classes": NAMES,
        "preprocessing": {"size": 64},
        "data": {"name": "things", **counts, "notes": ["a note"], "dropped": ["a.xml, object 1: has no area"]},
        "network": "some_network",
        "starting_weights": "drawn",
        "device": {"name": "fake"},
        "versions": {"torch": "1"},
    }


def page(samples: tuple[Sample, ...]) -> DetectorPage:
    return DetectorPage("a run", "sculptnet detect a b", card(), (), {"epochs": 1}, samples, 0.3, 12.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    box = (2.0, 3.0, 30.0, 40.0)
    sample = Sample("x.jpg", b"jpeg", (64, 48), (Drawn(NAMES[0], box, None),), (Drawn(NAMES[0], box, 0.875),))
    path = write_detector_report(page((sample,)), tmp_path_factory.mktemp("page"))
    return path.read_text(encoding="utf-8")


def test_a_met_budget_and_every_class_are_told(written: str) -> None:
    assert "Within budget" in written
    assert "Of 13 classes the 12 with the most test boxes" in written
    assert written.count('<th scope="row">kind') == 13
    assert "<b>bold" not in written
    assert "The 1 boxes that were dropped" in written
    assert "no epoch was logged" in written


def test_true_boxes_are_dashed_and_found_ones_are_named(written: str) -> None:
    rectangles = re.findall(r'<rect [^>]*stroke="[^>]*>', written)
    assert ["dasharray" in one for one in rectangles] == [True, False]
    assert all('x="2.0" y="3.0" width="28.0" height="37.0"' in one for one in rectangles)
    assert re.search(r"<text [^>]*>&lt;b&gt;bold&lt;/b&gt; &amp; co 88</text>", written)


def test_without_photographs_the_page_says_so(tmp_path: Path) -> None:
    assert "there are no test photographs" in write_detector_report(page(()), tmp_path).read_text(encoding="utf-8")
