"""How much each setting of the training mattered."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, MUTED
from sculptnet.report.style import new_figure, rows
from sculptnet.report.text import percent, short

MOST_ROWS = 24


def draw(lost: Mapping[str, float]) -> Figure:
    """A bar a setting, the most important first; of many settings, only the first."""
    shown = sorted(lost.items(), key=lambda item: -item[1])[:MOST_ROWS]
    figure = new_figure(520, 80 + 24 * len(shown))
    axes = figure.subplots()
    axes.barh(range(len(shown)), [100 * value for _, value in shown], height=0.62, color=ACCENT, zorder=3)
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=4)
    rows(axes, [short(name, 34) for name, _ in shown], [percent(value) for _, value in shown])
    axes.set_xlabel("variance of accuracy that is no longer explained (%)")
    return figure
