"""The check of short training, drawn."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.report.made_up import text_of

from sculptnet.records.training_events import ProxyChecked, RankCorrelation
from sculptnet.report import Absent, ReportData, Section, Table
from sculptnet.report.sections import proxy_checked

EVENT = ProxyChecked(
    asked=3,
    epochs=1,
    longer_epochs=30,
    pairs=((0, 0.5, 0.7), (3, 0.6, 0.85), (4, 0.65, 0.8)),
    spearman=RankCorrelation(0.5, -1.0, 1.0),
    kendall=RankCorrelation(0.3333, -1.0, 1.0),
)


def test_the_newest_check_is_drawn_with_its_numbers() -> None:
    part = proxy_checked(ReportData(events=[replace(EVENT, pairs=()), EVENT]))
    assert isinstance(part, Section)
    (drawing,) = part.drawings
    assert drawing.description == (
        "Scatter plot of 3 networks after 1 and after 30 epochs; rank correlation 0.50 by Spearman, 0.33 by Kendall."
    )
    for text in ("accuracy after 1 epoch (%)", "accuracy after 30 epochs (%)", "trial 3"):
        assert text in drawing.svg
    table = part.body[1]
    assert isinstance(table, Table)
    assert [list(row) for row in table.rows] == [
        ["Spearman", "0.50", "\u22121.00\u20131.00"],
        ["Kendall", "0.33", "\u22121.00\u20131.00"],
    ]


def test_ranks_of_equal_networks_are_no_numbers_and_the_page_stands() -> None:
    none = RankCorrelation(math.nan, math.nan, math.nan)
    text = text_of(proxy_checked(ReportData(events=[replace(EVENT, spearman=none, kendall=none)])))
    assert "rank correlation \u2014 by Spearman" in text
    assert "Of 3 networks" in text


def test_without_a_check_the_option_is_named() -> None:
    part = proxy_checked(ReportData())
    assert isinstance(part, Absent)
    assert part.why.endswith("run with --check-proxy")
