"""Predicted against true accuracy of networks that an accuracy predictor did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.style import FAINT, INK, MUTED, SMALL, grid, new_figure
from sculptnet.report.text import significant


@final
@dataclass(frozen=True)
class Checked:
    """How a predictor was checked.

    Attributes:
        pairs: predicted and true accuracy of each network, fractions.
        learned: how many others it learned from.
        rmse_points: root mean square error, percentage points.
        spearman, kendall: rank correlations; nan where they are not defined.
    """

    pairs: Sequence[tuple[float, float]]
    learned: int
    rmse_points: float
    spearman: float
    kendall: float


def draw(checked: Checked) -> Figure:
    """The identity is the line of a perfect predictor."""
    figure = new_figure(500, 450)
    axes = figure.subplots()
    scatter(axes, checked.pairs, "accuracy with the supernet's weights (%)")
    lines = (
        f"{len(checked.pairs)} networks it did not learn from",
        f"{significant(checked.rmse_points)} points RMSE",
        f"Spearman {significant(checked.spearman)}, Kendall {significant(checked.kendall)}",
    )
    text = axes.text(0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", color=INK, fontsize=SMALL)
    text.set_linespacing(1.5)
    return figure


def scatter(axes: Axes, pairs: Sequence[tuple[float, float]], true_label: str) -> None:
    """Predicted and true accuracies, fractions, as percent; the identity is the line of a perfect predictor."""
    predicted, true = ([100 * value for value in values] for values in zip(*pairs, strict=True))
    margin = 0.07 * (max(*predicted, *true) - min(*predicted, *true)) or 1.0
    low, high = min(*predicted, *true) - margin, max(*predicted, *true) + margin
    axes.scatter(predicted, true, s=30, color=FAINT, edgecolors=MUTED, linewidths=0.9, zorder=3)
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, zorder=2, label="predicted = true")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("predicted accuracy (%)")
    axes.set_ylabel(true_label)
    grid(axes, "both")
    axes.legend(loc="lower right", fontsize=SMALL, handletextpad=0.5, handlelength=1.2)
