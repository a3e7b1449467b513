"""The recall of every class, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, INK, MUTED
from sculptnet.report.style import SMALL, new_figure, rows
from sculptnet.report.text import percent, short

MOST_ROWS = 30


@final
@dataclass(frozen=True)
class Recall:
    """How many images of a class were recognised: a fraction and the ends of its interval."""

    name: str
    recall: float
    low: float
    high: float
    images: int


def draw(recalls: Sequence[Recall], balanced: float) -> Figure:
    """The worst class first; of many classes, only the worst."""
    shown = sorted(recalls, key=lambda item: item.recall)[:MOST_ROWS]
    figure = new_figure(520, 90 + 22 * len(shown))
    axes = figure.subplots()
    for row, item in enumerate(shown):
        axes.plot([100 * item.low, 100 * item.high], [row, row], color=MUTED, linewidth=1.4, zorder=3)
        axes.plot([100 * item.recall], [row], "o", color=ACCENT, markersize=6, zorder=4)
    axes.axvline(100 * balanced, color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=2)
    axes.annotate(
        f"mean of all classes {percent(balanced)}",
        xy=(100 * balanced, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right" if balanced > 0.5 else "left",
        color=INK,
        fontsize=SMALL,
        annotation_clip=False,
    )
    names = [f"{short(item.name, 24)} ({item.images:,})" for item in shown]
    rows(axes, names, [percent(item.recall) for item in shown])
    axes.set_xlim(right=min(101.0, axes.get_xlim()[1]))
    axes.set_xlabel("recall (%), bars: 95 % interval; in brackets: test images")
    return figure
