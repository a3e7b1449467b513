"""The section on short training: whether it tells which network is better after longer training."""

from __future__ import annotations

from sculptnet.records.training_events import ProxyChecked
from sculptnet.report.facts import last_event
from sculptnet.report.figures import proxy
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData
from sculptnet.report.text import DASH, rounded
from sculptnet.report.values import Absent, Part, Section, Table, columns


def proxy_checked(data: ReportData) -> Part:
    """Accuracies of the same networks after short and longer training, and how their ranks agree."""
    title = "Short against longer training"
    event = last_event(data, ProxyChecked)
    if event is None:
        return Absent(title, "trials were not compared with longer training; run with --check-proxy")
    pairs = [(f"trial {trial}", short, longer) for trial, short, longer in event.pairs]
    epochs, longer_epochs = event.epochs, event.longer_epochs
    description = (
        f"Scatter plot of {len(pairs)} networks after {epochs} and after {longer_epochs} epochs; rank correlation "
        f"{rounded(event.spearman.value)} by Spearman, {rounded(event.kendall.value)} by Kendall."
    )
    caption = (
        "The same networks on the same held-back training images. A search by short training is worth as much as its "
        "ranks agree with those of longer training."
    )
    drawn = figure("proxy", title, description, caption, lambda: proxy.draw(pairs, epochs, longer_epochs))
    rows = [
        [name, rounded(found.value), f"{rounded(found.low)}{DASH}{rounded(found.high)}"]
        for name, found in (("Spearman", event.spearman), ("Kendall", event.kendall))
    ]
    few = f"Of {len(pairs)} networks; intervals from networks drawn with replacement."
    table = Table(few, columns("Rank correlation", "Value", "95\u00a0% interval"), rows)
    return Section("proxy", title, (drawn, table))
