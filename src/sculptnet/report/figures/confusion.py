"""The confusion matrix, as shares of each true class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from sculptnet.report.palette import INK, SURFACE
from sculptnet.report.style import SHARE_STEPS, SMALL, bare, heat_key, heat_map, new_figure, on_heat
from sculptnet.report.text import short

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
    axes.pcolormesh(shares, cmap=colours, norm=steps, edgecolors=SURFACE, linewidth=1)
    for row, column in zip(*np.nonzero(shares >= SHOWN_FROM), strict=True):
        value = float(shares[row, column])
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{math.floor(100 * value + 0.5)}",
            ha="center",
            va="center",
            fontsize=SMALL if cell > 30 else 0.85 * SMALL,
            color=on_heat(value, SHARE_STEPS),
        )
    axes.set_xticks(np.arange(len(classes)) + 0.5, names, rotation=90 if len(classes) > 6 else 0)
    axes.set_yticks(np.arange(len(classes)) + 0.5, names)
    axes.set_ylim(len(classes), 0)
    axes.tick_params(labelcolor=INK)
    axes.set(xlabel="predicted class", ylabel="true class")
    bare(axes, "left", "bottom")
    heat_key(figure, [axes], SHARE_STEPS, "share of the true class", width=1.0)
    return figure
