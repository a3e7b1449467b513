"""The course of reinforcement learning: reward, share within the budget, and the controller's entropy over batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sculptnet.report.facts import Numbers
from sculptnet.report.style import ACCENT, FAINT, INK, MUTED, SMALL, grid, name_at_right, new_figure
from sculptnet.report.text import significant

PANELS = (
    ("reward", "reward", 1.0),
    ("within", "candidates within the budget (%)", 100.0),
    ("entropy", "entropy of the controller (nats a decision)", 1.0),
)


@final
@dataclass(frozen=True, eq=False)
class Batches:
    """What was logged of each batch. `candidates`: how many were drawn up to there; NaN where nothing is known."""

    candidates: Numbers
    columns: Mapping[str, Numbers]


def draw(batches: Batches, uniform_entropy: float | None) -> Figure:
    """Small multiples over the candidates that were drawn.

    Args:
        batches: in order.
        uniform_entropy: of a controller that has learned nothing, a line in its panel.
    """
    shown = [panel for panel in PANELS if np.isfinite(batches.columns.get(panel[0], np.array([]))).any()]
    figure = new_figure(520, 20 + 145 * max(1, len(shown)))
    cells = figure.subplots(max(1, len(shown)), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (name, title, factor) in zip(cells, shown, strict=False):
        _panel(axes, batches.candidates, batches.columns[name] * factor, title)
        if name == "reward":
            _more(axes, batches)
        if name == "entropy" and uniform_entropy is not None:
            axes.axhline(uniform_entropy, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
            axes.set_ylim(0, 1.18 * uniform_entropy)
            name_at_right(axes, f"uniform {significant(uniform_entropy)}", uniform_entropy)
    cells[-1].set_xlabel("candidates drawn", fontsize=SMALL)
    return figure


def _panel(axes: Axes, candidates: Numbers, values: Numbers, title: str) -> None:
    known = np.isfinite(values)
    marker = "o" if known.sum() < 40 else ""  # more points are a line
    axes.plot(candidates[known], values[known], color=ACCENT, marker=marker, markersize=3, label="mean of a batch")
    axes.set_title(title, color=INK, fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(y=0.12)
    grid(axes)


def _more(axes: Axes, batches: Batches) -> None:
    """The best of each batch, and the moving baseline."""
    for name, label, line in (("best_reward", "best of a batch", ":"), ("baseline", "baseline", (0, (4, 2)))):
        values = batches.columns.get(name, np.array([]))
        if np.isfinite(values).any():
            colour = FAINT if name == "best_reward" else MUTED
            axes.plot(batches.candidates, values, color=colour, linewidth=1.2, linestyle=line, label=label)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.01, 0.98), fontsize=SMALL, ncols=3, handlelength=1.6, borderaxespad=0.2
    )
