"""Predicted against measured latency of networks that the table was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sculptnet.cost.table import HeldOut
from sculptnet.report.style import ACCENT, FAINT, INK, MUTED, SMALL, grid, new_figure
from sculptnet.report.text import NARROW, signed, significant


def draw(held_out: HeldOut | None, finalists: Sequence[tuple[str, float, float]]) -> Figure:
    """The identity is the line of a perfect table.

    Args:
        held_out: the networks that checked the table, and its error.
        finalists: (name, predicted ms, measured ms) of networks that the search proposed.
    """
    figure = new_figure(500, 450)
    axes = figure.subplots()
    pairs = held_out.pairs if held_out is not None else ()
    values = [value for pair in pairs for value in pair] + [v for _, *pair in finalists for v in pair]
    margin = 0.07 * (max(values) - min(values)) or 0.1 * max(values)
    low, high = max(0.0, min(values) - margin), max(values) + margin
    if pairs:
        x, y = zip(*pairs, strict=True)
        axes.scatter(x, y, s=30, color=FAINT, edgecolors=MUTED, linewidths=0.9, zorder=3, label="held-out network")
    if finalists:
        x, y = zip(*(pair for _, *pair in finalists), strict=True)
        axes.scatter(x, y, s=44, marker="D", color=ACCENT, linewidths=0, zorder=4, label="finalist of the search")
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, zorder=2, label="predicted = measured")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("predicted latency (ms)")
    axes.set_ylabel("measured latency (ms)")
    grid(axes, "both")
    axes.legend(loc="lower right", fontsize=SMALL, handletextpad=0.5, handlelength=1.2)
    if held_out is not None:
        axes.text(
            0.03,
            0.97,
            _figures(held_out),
            transform=axes.transAxes,
            va="top",
            color=INK,
            fontsize=SMALL,
            linespacing=1.5,
        )
    return figure


def _figures(held_out: HeldOut) -> str:
    return "\n".join(
        (
            f"{held_out.networks} networks the table was not fitted on",
            f"mean error {significant(held_out.mape_percent, 2)}{NARROW}%"
            f" (noise floor {significant(held_out.noise_percent, 2)}{NARROW}%)",
            f"bias {signed(held_out.bias_percent)}{NARROW}%",
            f"rank correlation {held_out.spearman:.3f}",
        )
    )
