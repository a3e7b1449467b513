"""Networks of one supernet for several devices and budgets: accuracy over latency, predicted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, ALERT, FAINT, INK, MUTED
from sculptnet.report.style import SMALL, grid, logarithmic, new_figure
from sculptnet.report.text import Numbers, short

PANEL_WIDTH, PANEL_HEIGHT = 560, 320  # pixels


@final
@dataclass(frozen=True)
class Panel:
    """One device: its front and, network by network, what was predicted and what was measured, as (ms, accuracy)."""

    title: str
    front: Sequence[tuple[float, float]]
    budgets_ms: Sequence[float]
    predicted: Sequence[tuple[float, float]]
    held_out: Sequence[tuple[float, float]]
    tested: Sequence[tuple[float, float]]


def draw(panels: Sequence[Panel]) -> Figure:
    """One panel a device; lines lead from what was predicted of a network to what was measured."""
    figure = new_figure(PANEL_WIDTH, 30 + PANEL_HEIGHT * len(panels))
    for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False).flat, panels, strict=True):
        _panel(axes, panel)
    return figure


def _panel(axes: Axes, panel: Panel) -> None:
    logarithmic(axes, [ms for ms, _ in (*panel.front, *panel.predicted, *panel.held_out)] + list(panel.budgets_ms))
    for budget_ms in panel.budgets_ms:
        axes.axvline(budget_ms, color=ALERT, linewidth=0.9, zorder=1)
    if panel.front:
        axes.step(*_columns(panel.front), where="post", color=MUTED, linewidth=1, zorder=2, label="front, predicted")
    for (before_ms, before), (after_ms, after) in zip(panel.predicted, panel.held_out, strict=True):
        axes.plot([before_ms, after_ms], [100 * before, 100 * after], color=FAINT, linewidth=0.9, zorder=3)
    for points, shape, face, edge, label in (
        (panel.predicted, "o", "none", MUTED, "predicted"),
        (panel.held_out, "o", ACCENT, ACCENT, "measured, held-out training images"),
        (panel.tested, "D", INK, INK, "measured, test images"),
    ):
        look: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge, "markersize": 6, "linestyle": "none"}
        axes.plot(*_columns(points), shape, zorder=4, label=label, **look)
    axes.set_title(short(panel.title, 40), color=INK, fontsize=SMALL)
    axes.set_xlabel("latency (ms); red: the budgets", fontsize=SMALL)
    axes.set_ylabel("top-1 accuracy (%)", fontsize=SMALL)
    axes.legend(loc="lower right", fontsize=SMALL)
    grid(axes)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[Numbers, Numbers]:
    values = np.array(points, dtype=np.float64).reshape(-1, 2)
    return values[:, 0], 100 * values[:, 1]
