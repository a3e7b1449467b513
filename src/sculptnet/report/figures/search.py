"""The course of the search: losses, accuracy, temperature, entropy and expected latency over epochs."""

from __future__ import annotations

from matplotlib.figure import Figure

from sculptnet.report.facts import Course
from sculptnet.report.palette import ACCENT, ALERT, GRID, MUTED
from sculptnet.report.style import finite, marker, new_figure, panels, reference
from sculptnet.report.text import cost_name

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
    shown = [one for one in PANELS if finite(course.columns, one[0])]
    figure, epochs = new_figure(520, 10 + 165 * max(1, -(-len(shown) // 2))), course.epochs
    lines = {"expected_cost": (at_most_ms, "budget", ALERT), "entropy": (uniform_entropy, "uniform", MUTED)}
    for axes, (column, title, factor) in zip(panels(figure, len(shown), 2, "epoch"), shown, strict=False):
        if course.warm_up:
            axes.axvspan(epochs[0] - 0.5, epochs[course.warm_up - 1] + 0.5, color=GRID, alpha=0.7, linewidth=0)
        values = course.columns[column] * factor
        axes.plot(epochs, values, color=ACCENT, marker=marker(values), markersize=3)
        axes.set(xlim=(epochs[0] - 0.5, epochs[-1] + 0.5), title=title or f"expected {cost_name(course.cost)}")
        axes.margins(y=0.12)
        value, name, colour = lines.get(column, (None, "", MUTED))
        if value is not None:
            reference(axes, value, name, colour)
    return figure
