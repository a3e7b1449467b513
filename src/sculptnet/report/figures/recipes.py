"""How much each setting mattered, and predicted against true accuracy of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from sculptnet.report.figures.accuracy_predictor import scatter
from sculptnet.report.style import ACCENT, INK, MUTED, bare, grid, new_figure, value_beside
from sculptnet.report.text import percent, short

MOST_ROWS = 24


def draw_importance(lost: Mapping[str, float]) -> Figure:
    """A bar a setting, the most important first; of many settings, only the first."""
    shown = sorted(lost.items(), key=lambda item: -item[1])[:MOST_ROWS]
    figure = new_figure(520, 80 + 24 * len(shown))
    axes = figure.subplots()
    axes.barh(range(len(shown)), [100 * value for _, value in shown], height=0.62, color=ACCENT, zorder=3)
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=4)
    for row, (_, value) in enumerate(shown):
        value_beside(axes, row, percent(value))
    axes.set_yticks(range(len(shown)), [short(name, 34) for name, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlabel("variance of accuracy that is no longer explained (%)")
    bare(axes, "left")
    grid(axes, "x")
    return figure


def draw_predictions(pairs: Sequence[tuple[float, float]]) -> Figure:
    """(predicted, true) accuracies, fractions; the identity is the line of a perfect predictor."""
    figure = new_figure(460, 420)
    scatter(figure.subplots(), pairs, "accuracy of the trial (%)")
    return figure
