"""Figures of a detector: precision over recall, and the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sculptnet.report.style import ACCENT, BLOCKS, INK, SMALL, grid, new_figure, spread
from sculptnet.report.text import short

MOST_CURVES = 12
LINES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))


def draw_precision(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Precision over recall, a line for each class with its name at its end; of many, the first `MOST_CURVES`."""
    figure = new_figure(560, 340)
    axes = figure.subplots()
    shown = list(curves.items())[:MOST_CURVES]
    ends, colours = [], []
    for index, (_, precision) in enumerate(shown):
        values = 100 * np.asarray(precision)
        recall = np.linspace(0, 100, len(values))
        last = int(np.flatnonzero(values > 0)[-1]) if (values > 0).any() else 0
        colour = BLOCKS[index % len(BLOCKS)][2]
        axes.plot(recall[: last + 1], values[: last + 1], color=colour, linestyle=LINES[index // len(BLOCKS)])
        ends.append(float(values[last]))
        colours.append(colour)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 102)
    for (name, _), place, colour in zip(shown, spread(ends, 8, 0, 100), colours, strict=True):
        axes.annotate(
            short(name, 18),
            xy=(1.02, float(place) / 102),
            xycoords="axes fraction",
            va="center",
            color=colour,
            fontsize=SMALL,
            annotation_clip=False,
        )
    axes.set_xlabel("recall (%)")
    axes.set_ylabel("precision (%)")
    grid(axes, "both")
    return figure


def draw_training(epochs: npt.NDArray[np.float64], columns: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """Loss and average precision over epochs; the latter where it was looked at."""
    panels = [("loss", "training loss", 1), ("map50", "mAP@0.5 (%), monitoring photographs", 100)]
    shown = [panel for panel in panels if panel[0] in columns]
    figure = new_figure(520, 220)
    for axes, (column, title, factor) in zip(figure.subplots(1, len(shown), squeeze=False).flat, shown, strict=True):
        values = columns[column] * factor
        seen = np.isfinite(values)
        few = int(seen.sum()) <= 25
        axes.plot(epochs[seen], values[seen], color=ACCENT, linewidth=1.8, marker="o" if few else "", markersize=3)
        axes.set_title(title, color=INK, fontsize=SMALL)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("epoch", fontsize=SMALL)
        axes.set_ylim(bottom=0)
        grid(axes)
    return figure
