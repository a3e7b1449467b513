"""Cells with their intervals, and JSON in a line."""

from __future__ import annotations

import pytest

from sculptnet.accuracy import Accuracy
from sculptnet.arch import Recipe, Sgd, to_json
from sculptnet.report import Ranged
from sculptnet.report.cells import accuracy_cell, latency_cell, listed
from sculptnet.report.facts import Latency


@pytest.mark.parametrize(
    ("latency", "cell"),
    [
        (None, "\u2014"),
        (Latency(4.5), "4.50\u202fms"),
        (Latency(4.5, 4.4, 4.7), Ranged("4.50\u202fms", "4.40\u20134.70")),
    ],
)
def test_a_latency_has_its_interval_where_it_is_known(latency: Latency | None, cell: object) -> None:
    assert latency_cell(latency) == cell


def test_an_accuracy_has_its_interval() -> None:
    accuracy = Accuracy(((90, 10), (20, 80)))
    low, high = accuracy.interval()
    assert accuracy_cell(accuracy) == Ranged("85.0\u202f%", f"{100 * low:.1f}\u2013{100 * high:.1f}\u202f%")
    assert accuracy_cell(None) == "\u2014"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, ""),
        ({"a": 1, "b": "x"}, "a 1; b x"),
        ({"a": 0.123456, "b": 1e-7}, "a 0.1235; b 1e-07"),
        ({"a": [1, 2.5], "b": ()}, "a 1, 2.5; b "),
        ({"kind": "Sgd", "a": None, "b": False}, "b False"),
        ({"a": {"kind": "Sgd", "rate": 0.1}}, "a (kind Sgd, rate 0.1)"),
    ],
)
def test_json_is_a_line_of_names_and_values(values: dict[str, object], line: str) -> None:
    assert listed(values) == line


def test_a_recipe_is_listed_with_its_parts() -> None:
    line = listed(to_json(Recipe(epochs=3, optimizer=Sgd(0.01))))
    assert line.startswith("epochs 3; batch_size")
    assert "optimizer (kind Sgd, learning_rate 0.01" in line
