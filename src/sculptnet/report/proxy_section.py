"""The section on short training: whether it tells which network is better after longer training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sculptnet.report.facts import last_event
from sculptnet.report.figures import proxy
from sculptnet.report.html import Column, table
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.render import render
from sculptnet.report.source import ReportData
from sculptnet.report.text import number


def proxy_checked(data: ReportData) -> Part:
    """Accuracies of the same networks after short and longer training, and how their ranks agree."""
    title = "Short against longer training"
    event = last_event(data, "proxy_check")
    if event is None:
        return Absent(title, "trials were not compared with longer training; run with --check-proxy")
    pairs = [(f"trial {trial}", number(short), number(longer)) for trial, short, longer in event["pairs"]]
    epochs, longer_epochs = int(event["epochs"]), int(event["longer_epochs"])
    by = {name: _value(event[key]) for name, key in (("Spearman", "spearman"), ("Kendall", "kendall"))}
    description = (
        f"Scatter plot of {len(pairs)} networks after {epochs} and after {longer_epochs} epochs; rank correlation "
        f"{by['Spearman']} by Spearman, {by['Kendall']} by Kendall."
    )
    drawing = render("proxy", title, description, lambda: proxy.draw(pairs, epochs, longer_epochs))
    caption = (
        "The same networks on the same held-back training images. A search by short training is worth as much as its "
        "ranks agree with those of longer training."
    )
    columns = [Column("Rank correlation", numeric=False), Column("Value"), Column("95\u00a0% interval")]
    rows = [
        [name, _value(event[key]), f"{number(event[key]['low']):.2f}\u2013{number(event[key]['high']):.2f}"]
        for name, key in (("Spearman", "spearman"), ("Kendall", "kendall"))
    ]
    few = f"Of {len(pairs)} networks; intervals from networks drawn with replacement."
    return Section("proxy", title, (figure(drawing, caption), table(few, columns, rows)), (drawing,))


def _value(correlation: Mapping[str, Any]) -> str:
    return f"{number(correlation['value']):.2f}"
