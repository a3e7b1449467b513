"""Training curves: loss, accuracy and learning rate over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.facts import Curve
from sculptnet.report.palette import ACCENT, FAINT, INK, MUTED
from sculptnet.report.style import finite, marker, names_at_right, new_figure, panels

PANELS = (("loss", "training loss", 1), ("top1", "accuracy (%)", 100), ("learning_rate", "learning rate", 1))
LOOKS = {"trial": (FAINT, 1.0, "-"), "baseline": (INK, 1.1, (0, (4, 2))), "final": (ACCENT, 2.0, "-")}


def draw(curves: Sequence[Curve]) -> Figure:
    """One panel a quantity; the shipped network stands out, the trials are a background."""
    shown = [one for one in PANELS if any(finite(curve.columns, one[0]) for curve in curves)]
    figure = new_figure(520, 20 + 200 * -(-len(shown) // 2))
    cells = panels(figure, len(shown), 2, "epoch")
    for axes, (column, title, factor) in zip(cells, shown, strict=False):
        for curve in curves:
            if column in curve.columns:
                colour, width, style = LOOKS[curve.kind]
                values = curve.columns[column] * factor
                look: dict[str, Any] = {"color": colour, "linewidth": width, "linestyle": style}
                axes.plot(curve.epochs, values, marker=marker(values), markersize=3, **look)
        axes.set_title(title)
    last = min(2, len(shown)) - 1
    _names(cells[last], curves, *shown[last])
    return figure


def _names(axes: Axes, curves: Sequence[Curve], column: str, _: str, factor: float) -> None:
    """Names at the ends of the lines; the trials share one."""
    ends: list[tuple[str, float, str]] = []
    trials: list[tuple[str, float, str]] = []
    for curve in curves:
        if finite(curve.columns, column):
            values = curve.columns[column]
            colour = LOOKS[curve.kind][0] if curve.kind != "trial" else MUTED
            end = (curve.name, float(values[np.isfinite(values)][-1]) * factor, colour)
            (trials if curve.kind == "trial" else ends).append(end)
    if trials:
        best = max(trials, key=lambda end: end[1])
        ends.append((f"{len(trials)} trials" if len(trials) > 1 else best[0], *best[1:]))
    names_at_right(axes, ends)
