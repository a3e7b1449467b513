"""Figures of a detector: precision over recall, and the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, BLOCKS
from sculptnet.report.style import finite, grid, marker, names_at_right, new_figure, panels
from sculptnet.report.text import Numbers

MOST_CURVES = 12
LINES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
PANELS = (("loss", "training loss", 1), ("map50", "mAP@0.5 (%), monitoring photographs", 100))


def draw_precision(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Precision over recall, a line for each class with its name at its end; of many, the first `MOST_CURVES`."""
    figure = new_figure(560, 340)
    axes = figure.subplots()
    ends = []
    for index, (name, precision) in enumerate(list(curves.items())[:MOST_CURVES]):
        values = 100 * np.asarray(precision)
        recall = np.linspace(0, 100, len(values))
        last = int(np.flatnonzero(values > 0)[-1]) if (values > 0).any() else 0
        colour = BLOCKS[index % len(BLOCKS)][2]
        axes.plot(recall[: last + 1], values[: last + 1], color=colour, linestyle=LINES[index // len(BLOCKS)])
        ends.append((name, float(values[last]), colour))
    axes.set(xlim=(0, 100), ylim=(0, 102), xlabel="recall (%)", ylabel="precision (%)")
    names_at_right(axes, ends, 0.08)
    grid(axes, "both")
    return figure


def draw_training(epochs: Numbers, columns: Mapping[str, Numbers]) -> Figure:
    """Loss and average precision over epochs; the latter where it was looked at."""
    shown = [one for one in PANELS if finite(columns, one[0])]
    figure = new_figure(520, 220)
    for axes, (column, title, factor) in zip(panels(figure, len(shown), 2, "epoch"), shown, strict=False):
        values = columns[column] * factor
        seen = np.isfinite(values)
        axes.plot(epochs[seen], values[seen], color=ACCENT, linewidth=1.8, marker=marker(values, 26), markersize=3)
        axes.set_title(title)
        axes.set_ylim(bottom=0)
    return figure
