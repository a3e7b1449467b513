"""The course of reinforcement learning: reward, share within the budget, and the controller's entropy over batches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, FAINT, MUTED
from sculptnet.report.style import SMALL, finite, marker, new_figure, panels, reference
from sculptnet.report.text import Numbers

PANELS = (
    ("reward", "reward", 1.0),
    ("within", "candidates within the budget (%)", 100.0),
    ("entropy", "entropy of the controller (nats a decision)", 1.0),
)


def draw(columns: Mapping[str, Numbers], uniform_entropy: float | None) -> Figure:
    """Small multiples over the candidates that were drawn.

    Args:
        columns: what was logged of each batch, in order; NaN where nothing is known. `candidates`: drawn so far.
        uniform_entropy: of a controller that has learned nothing, a line in its panel.
    """
    shown = [one for one in PANELS if finite(columns, one[0])]
    figure, candidates = new_figure(520, 20 + 145 * max(1, len(shown))), columns["candidates"]
    for axes, (name, title, factor) in zip(panels(figure, len(shown), 1, "candidates drawn"), shown, strict=False):
        values = columns[name] * factor
        known = np.isfinite(values)
        axes.plot(
            candidates[known], values[known], color=ACCENT, marker=marker(values, 40), markersize=3,
            label="mean of a batch",
        )  # fmt: skip
        axes.set_title(title)
        axes.margins(y=0.12)
        if name == "reward":
            _more(axes, candidates, columns)
        if name == "entropy" and uniform_entropy is not None:
            axes.set_ylim(bottom=0)
            reference(axes, uniform_entropy, "uniform", MUTED)
    return figure


def _more(axes: Axes, candidates: Numbers, columns: Mapping[str, Numbers]) -> None:
    """The best of each batch, and the moving baseline."""
    for name, label, line, colour in (
        ("best_reward", "best of a batch", ":", FAINT),
        ("baseline", "baseline", (0, (4, 2)), MUTED),
    ):
        if finite(columns, name):
            axes.plot(candidates, columns[name], color=colour, linewidth=1.2, linestyle=line, label=label)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.01, 0.98), fontsize=SMALL, ncols=3, handlelength=1.6, borderaxespad=0.2
    )
