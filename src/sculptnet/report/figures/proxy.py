"""Accuracy after short against accuracy after longer training."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, INK, MUTED
from sculptnet.report.style import SMALL, grid, new_figure
from sculptnet.words import several


def draw(pairs: Sequence[tuple[str, float, float]], epochs: int, longer_epochs: int) -> Figure:
    """A point for each network; where short training ranks as longer training does, they rise from left to right.

    Args:
        pairs: (name, accuracy after short, after longer training), fractions.
        epochs, longer_epochs: how long.
    """
    figure = new_figure(500, 380)
    axes = figure.subplots()
    x, y = [100 * short for _, short, _ in pairs], [100 * longer for *_, longer in pairs]
    axes.scatter(x, y, s=40, color=ACCENT, linewidths=0, zorder=3)
    for (name, _, _), left, bottom in zip(pairs, x, y, strict=True):
        axes.annotate(
            name, (left, bottom), xytext=(5, -9), textcoords="offset points", color=MUTED, fontsize=SMALL, zorder=2
        )
    axes.margins(0.12)
    axes.set_xlabel(f"accuracy after {several(epochs, 'epoch')} (%)", color=INK)
    axes.set_ylabel(f"accuracy after {several(longer_epochs, 'epoch')} (%)", color=INK)
    grid(axes, "both")
    return figure
