"""The course of the search: losses, accuracy, temperature, entropy and expected latency over epochs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sculptnet.report.facts import Course
from sculptnet.report.style import ACCENT, ALERT, GRID, INK, MUTED, SMALL, grid, new_figure
from sculptnet.report.text import short, significant

PANELS = (
    (("loss", "weights"), ("theta_loss", "architecture"), "loss"),
    (("accuracy", ""), None, "supernet accuracy (%)"),
    (("expected_cost", ""), None, "expected latency (ms)"),
    (("entropy", ""), None, "entropy (nats a decision)"),
    (("tau", ""), None, "temperature \u03c4"),
)


def draw(course: Course, at_most_ms: float | None, uniform_entropy: float | None) -> Figure:
    """Small multiples over the same epochs; the warm-up, in which weights alone are trained, is shaded.

    Args:
        course: the logged epochs.
        at_most_ms: the budget, a line in the panel of the expected latency.
        uniform_entropy: of a distribution that has learned nothing, a line in the panel of the entropy.
    """
    shown = [panel for panel in PANELS if any(part and part[0] in course.columns for part in panel[:2])]
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure = new_figure(880, 30 + 190 * lines)
    cells = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, (first, second, title) in zip(cells, shown, strict=False):
        _panel(axes, course, first, second, title)
        references = {"expected_cost": (at_most_ms, "budget"), "entropy": (uniform_entropy, "uniform")}
        value, name = references.get(first[0], (None, ""))
        if value is not None:
            _reference(axes, value, name, ALERT if name == "budget" else MUTED)
    for axes in cells[len(shown) :]:
        axes.set_visible(False)
    return figure


def _panel(axes: Axes, course: Course, first: tuple[str, str], second: tuple[str, str] | None, title: str) -> None:
    if course.warm_up:
        axes.axvspan(
            course.epochs[0] - 0.5, course.epochs[course.warm_up - 1] + 0.5, color=GRID, alpha=0.7, linewidth=0
        )
    for part, colour in ((first, ACCENT), (second, MUTED)):
        if part is None or part[0] not in course.columns:
            continue
        values = course.columns[part[0]] * (100 if part[0] == "accuracy" else 1)
        axes.plot(course.epochs, values, color=colour, marker="o" if len(values) < 12 else "", markersize=3)
        seen = np.flatnonzero(np.isfinite(values))
        if part[1] and len(seen):
            axes.annotate(
                part[1],
                xy=(course.epochs[seen[-1]], values[seen[-1]]),
                xytext=(0, 5),
                textcoords="offset points",
                ha="right",
                color=colour,
                fontsize=SMALL,
            )
    axes.set_title(title, color=INK, fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.margins(y=0.12)
    grid(axes)


def _reference(axes: Axes, value: float, name: str, colour: str) -> None:
    axes.axhline(value, color=colour, linewidth=1, linestyle=(0, (4, 2)))
    axes.annotate(
        f"{short(name)} {significant(value)}",
        xy=(1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=colour,
        fontsize=SMALL,
    )
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, value - 0.08 * (high - low)), max(high, value + 0.15 * (high - low)))
