"""Where the latencies of drawn candidates lie around the target, as in figure 6 of MnasNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.figure import Figure

from sculptnet.report.facts import Numbers
from sculptnet.report.style import ACCENT, ALERT, MUTED, SMALL, grid, new_figure
from sculptnet.report.text import significant

BINS = 24
FAR = 0.98  # this part of the latencies is inside the figure; the rest is counted in the last bar


@final
@dataclass(frozen=True, eq=False)
class Around:
    """Costs of the candidates in the order in which they were drawn, the target, and what the axis says."""

    costs: Numbers
    target: float
    axis: str


def draw(around: Around) -> Figure:
    """Two histograms, of the first and of the second half of the candidates; the target is a line."""
    figure = new_figure(520, 260)
    axes = figure.subplots()
    half = len(around.costs) // 2
    high = max(float(np.quantile(around.costs, FAR)), 1.1 * around.target)
    edges = np.linspace(min(float(around.costs.min()), 0.9 * around.target), high, BINS + 1)
    shares = [_shares(part, edges) for part in (around.costs[:half], around.costs[half:])]
    axes.stairs(shares[1], edges, fill=True, color=ACCENT, alpha=0.75, linewidth=0, label="second half")
    axes.stairs(shares[0], edges, color=MUTED, linewidth=1.3, label="first half of the candidates")
    axes.axvline(around.target, color=ALERT, linewidth=1.2, linestyle=(0, (4, 2)))
    top = 1.2 * max(float(share.max()) for share in shares)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, top))
    axes.annotate(
        f"target {significant(around.target)}",
        xy=(around.target, top),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
        color=ALERT,
        fontsize=SMALL,
    )
    axes.set_xlabel(around.axis)
    axes.set_ylabel("candidates (%)")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), fontsize=SMALL, ncols=2, handlelength=1.4)
    grid(axes)
    return figure


def _shares(costs: Numbers, edges: Numbers) -> Numbers:
    counts, _ = np.histogram(np.clip(costs, edges[0], edges[-1]), edges)
    return np.asarray(100.0 * counts / max(1, len(costs)))
