"""Training curves: loss, accuracy and learning rate over epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sculptnet.report.facts import Curve
from sculptnet.report.style import ACCENT, FAINT, INK, MUTED, SMALL, grid, new_figure, spread
from sculptnet.report.text import short

PANELS = (("loss", "training loss", 1), ("top1", "accuracy (%)", 100), ("learning_rate", "learning rate", 1))
LOOKS = {"trial": (FAINT, 1.0, "-"), "baseline": (INK, 1.1, (0, (4, 2))), "final": (ACCENT, 2.0, "-")}


def draw(curves: Sequence[Curve]) -> Figure:
    """One panel a quantity; the shipped network stands out, the trials are a background."""
    shown = [panel for panel in PANELS if any(panel[0] in curve.columns for curve in curves)]
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    figure = new_figure(520, 20 + 200 * lines)
    cells = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, (column, title, factor) in zip(cells, shown, strict=False):
        for curve in curves:
            if column in curve.columns:
                _line(axes, curve, curve.columns[column] * factor)
        axes.set_title(title, color=INK, fontsize=SMALL)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        grid(axes)
    for axes in cells[max(0, len(shown) - columns) : len(shown)]:
        axes.set_xlabel("epoch", fontsize=SMALL)
    for axes in cells[len(shown) :]:
        axes.set_visible(False)
    _names(cells[columns - 1], curves, shown[columns - 1])
    return figure


def _line(axes: Axes, curve: Curve, values: np.ndarray) -> None:
    colour, width, style = LOOKS[curve.kind]
    few = len(values) < 12
    axes.plot(
        curve.epochs, values, color=colour, linewidth=width, linestyle=style, marker="o" if few else "", markersize=3
    )


def _names(axes: Axes, curves: Sequence[Curve], panel: tuple[str, str, int]) -> None:
    """Names at the ends of the lines; the trials share one."""
    column, _, factor = panel
    ends: list[tuple[str, float, float, str]] = []
    trials: list[tuple[str, float, float, str]] = []
    for curve in curves:
        values = curve.columns.get(column, np.array([]))
        seen = np.flatnonzero(np.isfinite(values))
        if len(seen):
            colour = LOOKS[curve.kind][0] if curve.kind != "trial" else MUTED
            end = (curve.name, float(curve.epochs[seen[-1]]), float(values[seen[-1]]) * factor, colour)
            (trials if curve.kind == "trial" else ends).append(end)
    if trials:
        best = max(trials, key=lambda end: end[2])
        ends.append((f"{len(trials)} trials" if len(trials) > 1 else best[0], *best[1:]))
    low, high = axes.get_ylim()
    places = spread([end[2] for end in ends], 0.1 * (high - low), low, high)
    for (name, x, y, colour), place in zip(ends, places, strict=True):
        axes.annotate(
            short(name, 18),
            xy=(x, y),
            xytext=(1.02, (float(place) - low) / (high - low)),
            textcoords="axes fraction",
            annotation_clip=False,
            va="center",
            color=colour,
            fontsize=SMALL,
        )
