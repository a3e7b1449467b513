"""The course of the search: losses, accuracy, temperature, entropy and expected latency over epochs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sculptnet.report.facts import Course, Numbers
from sculptnet.report.style import ACCENT, ALERT, GRID, INK, MUTED, SMALL, grid, name_at_right, new_figure
from sculptnet.report.text import short, significant

PANELS = (
    ("expected_cost", "", 1),  # titled by the name of the cost
    ("entropy", "entropy (nats a decision)", 1),
    ("accuracy", "accuracy of the supernet (%)", 100),
    ("tau", "temperature \u03c4", 1),
    ("loss", "loss of the weights", 1),
    ("theta_loss", "loss of the architecture", 1),
)


def draw(course: Course, at_most_ms: float | None, uniform_entropy: float | None) -> Figure:
    """Small multiples over the same epochs; the warm-up, in which weights alone are trained, is shaded.

    Args:
        course: the logged epochs.
        at_most_ms: the budget, a line in the panel of the expected latency.
        uniform_entropy: of a distribution that has learned nothing, a line in the panel of the entropy.
    """
    shown = [panel for panel in PANELS if np.isfinite(course.columns.get(panel[0], np.array([]))).any()]
    columns = max(1, min(2, len(shown)))
    lines = max(1, -(-len(shown) // columns))
    figure = new_figure(520, 10 + 165 * lines)
    cells = list(figure.subplots(lines, columns, squeeze=False).flat)
    references = {"expected_cost": (at_most_ms, "budget", ALERT), "entropy": (uniform_entropy, "uniform", MUTED)}
    for axes, (column, title, factor) in zip(cells, shown, strict=False):
        _panel(axes, course, course.columns[column] * factor, title or _cost_title(course.cost))
        value, name, colour = references.get(column, (None, "", MUTED))
        if value is not None:
            _reference(axes, value, name, colour)
    for axes in cells[max(0, len(shown) - columns) : len(shown)]:
        axes.set_xlabel("epoch", fontsize=SMALL)
    for axes in cells[len(shown) :]:
        axes.set_visible(False)
    return figure


def _cost_title(cost: str) -> str:
    return "expected latency (ms)" if cost.startswith("latency_ms") else f"expected {short(cost)}"


def _panel(axes: Axes, course: Course, values: Numbers, title: str) -> None:
    if course.warm_up:
        last = course.epochs[course.warm_up - 1]
        axes.axvspan(course.epochs[0] - 0.5, last + 0.5, color=GRID, alpha=0.7, linewidth=0)
    few = np.isfinite(values).sum() < 12
    axes.plot(course.epochs, values, color=ACCENT, marker="o" if few else "", markersize=3)
    axes.set_xlim(course.epochs[0] - 0.5, course.epochs[-1] + 0.5)
    axes.set_title(title, color=INK, fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.margins(y=0.12)
    grid(axes)


def _reference(axes: Axes, value: float, name: str, colour: str) -> None:
    axes.axhline(value, color=colour, linewidth=1, linestyle=(0, (4, 2)))
    name_at_right(axes, f"{short(name)} {significant(value)}", value, colour)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, value - 0.08 * (high - low)), max(high, value + 0.15 * (high - low)))
