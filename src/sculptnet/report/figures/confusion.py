"""The confusion matrix, as shares of each true class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from sculptnet.report.style import INK, MUTED, SHARE_STEPS, SMALL, SURFACE, heat_map, new_figure, on_heat
from sculptnet.report.text import percent, short

MOST_CLASSES = 25
SHOWN_FROM = 0.005  # smaller shares would print as 0


def draw(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Rows are true classes, columns predicted ones; every cell is a percentage of its row."""
    counts = np.array(confusion, dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    cell = 36 if len(classes) <= 12 else 26
    names = [short(name, 18) for name in classes]
    margin = 30 + 7 * max(map(len, names))
    size = max(260, cell * len(classes))
    figure = new_figure(size + margin, 0.86 * size + margin + 60)
    axes = figure.subplots()
    colours, steps = heat_map(SHARE_STEPS)
    mesh = axes.pcolormesh(shares, cmap=colours, norm=steps, edgecolors=SURFACE, linewidth=1)
    for row, column in zip(*np.nonzero(shares >= SHOWN_FROM), strict=True):
        value = float(shares[row, column])
        digits = f"{math.floor(100 * value + 0.5)}"
        axes.text(
            column + 0.5,
            row + 0.5,
            digits,
            ha="center",
            va="center",
            fontsize=SMALL if cell > 30 else 0.85 * SMALL,
            color=on_heat(value, SHARE_STEPS),
        )
    axes.set_xticks(np.arange(len(classes)) + 0.5, names, rotation=90 if len(classes) > 6 else 0)
    axes.set_yticks(np.arange(len(classes)) + 0.5, names)
    axes.set_ylim(len(classes), 0)
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", fraction=0.03, aspect=45, pad=0.02)
    bar.set_ticks(list(SHARE_STEPS), labels=[percent(step, 1 if 0 < step < 0.01 else 0) for step in SHARE_STEPS])
    bar.ax.tick_params(length=0, labelsize=SMALL)
    bar.outline.set_visible(False)
    bar.set_label("share of the true class", fontsize=SMALL, color=MUTED)
    return figure
