"""The check of short training, drawn."""

from __future__ import annotations

from sculptnet.report import ReportData
from sculptnet.report.parts import Absent, Section
from sculptnet.report.proxy_section import proxy_checked

EVENT = {
    "event": "proxy_check",
    "epochs": 1,
    "longer_epochs": 30,
    "pairs": [[0, 0.5, 0.7], [3, 0.6, 0.85], [4, 0.65, 0.8]],
    "spearman": {"value": 0.5, "low": -1.0, "high": 1.0},
    "kendall": {"value": 0.3333, "low": -1.0, "high": 1.0},
}


def test_the_newest_check_is_drawn_with_its_numbers() -> None:
    part = proxy_checked(ReportData(events=[{**EVENT, "pairs": []}, EVENT]))
    assert isinstance(part, Section)
    (drawing,) = part.drawings
    assert drawing.description == (
        "Scatter plot of 3 networks after 1 and after 30 epochs; rank correlation 0.50 by Spearman, 0.33 by Kendall."
    )
    for text in ("accuracy after 1 epoch (%)", "accuracy after 30 epochs (%)", "trial 3"):
        assert text in drawing.svg.markup
    assert "0.33" in part.markup().markup


def test_without_a_check_the_option_is_named() -> None:
    part = proxy_checked(ReportData())
    assert isinstance(part, Absent)
    assert part.why.endswith("run with --check-proxy")
