"""Where the latencies of drawn candidates lie around the target, as in figure 6 of MnasNet."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, ALERT, MUTED
from sculptnet.report.style import SMALL, grid, new_figure
from sculptnet.report.text import Numbers, significant

BINS = 24
FAR = 0.98  # this part of the latencies is inside the figure; the rest is counted in the last bar


def draw(costs: Numbers, target: float, axis: str) -> Figure:
    """Two histograms, of the first and of the second half of the candidates; the target is a line.

    Args:
        costs: of the candidates, in the order in which they were drawn.
        target: in the same unit.
        axis: what costs are.
    """
    figure = new_figure(520, 260)
    axes = figure.subplots()
    high = max(float(np.quantile(costs, FAR)), 1.1 * target)
    edges = np.linspace(min(float(costs.min()), 0.9 * target), high, BINS + 1)
    shares = [_shares(part, edges) for part in np.split(costs, [len(costs) // 2])]
    axes.stairs(shares[1], edges, fill=True, color=ACCENT, alpha=0.75, linewidth=0, label="second half")
    axes.stairs(shares[0], edges, color=MUTED, linewidth=1.3, label="first half of the candidates")
    axes.axvline(target, color=ALERT, linewidth=1.2, linestyle=(0, (4, 2)))
    top = 1.2 * max(float(share.max()) for share in shares)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, top), xlabel=axis, ylabel="candidates (%)")
    beside: dict[str, Any] = {"xytext": (4, -3), "textcoords": "offset points", "va": "top"}
    axes.annotate(f"target {significant(target)}", xy=(target, top), color=ALERT, fontsize=SMALL, **beside)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), fontsize=SMALL, ncols=2, handlelength=1.4)
    grid(axes)
    return figure


def _shares(costs: Numbers, edges: Numbers) -> Numbers:
    counts, _ = np.histogram(np.clip(costs, edges[0], edges[-1]), edges)
    return np.asarray(100.0 * counts / max(1, len(costs)))
