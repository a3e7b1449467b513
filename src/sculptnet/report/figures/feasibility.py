"""Where the budget lies between the fastest and the slowest network of the space."""

from __future__ import annotations

from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, ALERT, FAINT, INK, MUTED
from sculptnet.report.style import SMALL, new_figure, spread
from sculptnet.report.text import milliseconds


def draw(fastest_ms: float, median_ms: float, slowest_ms: float, at_most_ms: float) -> Figure:
    """A strip from 0 to the slowest network; the part within the budget is coloured."""
    figure = new_figure(520, 96)
    axes = figure.subplots()
    right = max(slowest_ms, at_most_ms) * 1.02
    axes.set(xlim=(0, right), ylim=(-1.3, 1.3), yticks=[], xticks=[])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.plot([0, right], [0, 0], color=FAINT, linewidth=0.75, zorder=1)
    axes.plot([fastest_ms, slowest_ms], [0, 0], color=FAINT, linewidth=8, solid_capstyle="butt", zorder=2)
    within = min(at_most_ms, slowest_ms)
    if within > fastest_ms:
        axes.plot([fastest_ms, within], [0, 0], color=ACCENT, linewidth=8, solid_capstyle="butt", zorder=3)
    axes.plot([median_ms, median_ms], [-0.42, 0.42], color=INK, linewidth=1.2, zorder=4)
    axes.plot([at_most_ms, at_most_ms], [-0.42, 0.62], color=ALERT, linewidth=1.8, zorder=5)
    marks = (("fastest", fastest_ms), ("median", median_ms), ("slowest", slowest_ms))
    places = spread([value for _, value in marks], 0.24 * right, 0.11 * right, 0.89 * right)
    for (name, value), place in zip(marks, places, strict=True):
        axes.text(
            float(place), -0.55, f"{name} {milliseconds(value)}", ha="center", va="top", color=MUTED, fontsize=SMALL
        )
    place = min(max(at_most_ms, 0.09 * right), 0.91 * right)
    axes.text(place, 0.72, f"budget {milliseconds(at_most_ms)}", ha="center", va="bottom", color=ALERT, fontsize=SMALL)
    return figure
