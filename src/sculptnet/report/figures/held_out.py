"""Predicted against measured latency of networks that the table was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sculptnet.cost.table import HeldOut
from sculptnet.report.palette import ACCENT, FAINT, MUTED
from sculptnet.report.style import diagonal, new_figure, note
from sculptnet.report.text import NARROW, rounded, signed, significant


def draw(held_out: HeldOut | None, finalists: Sequence[tuple[str, float, float]]) -> Figure:
    """The identity is the line of a perfect table.

    Args:
        held_out: the networks that checked the table, and its error.
        finalists: (name, predicted ms, measured ms) of networks that the search proposed.
    """
    figure = new_figure(500, 450)
    axes = figure.subplots()
    pairs = held_out.pairs if held_out is not None else ()
    if pairs:
        x, y = zip(*pairs, strict=True)
        axes.scatter(x, y, s=30, color=FAINT, edgecolors=MUTED, linewidths=0.9, zorder=3, label="held-out network")
    if finalists:
        x, y = zip(*(pair for _, *pair in finalists), strict=True)
        axes.scatter(x, y, s=44, marker="D", color=ACCENT, linewidths=0, zorder=4, label="finalist of the search")
    values = [value for pair in pairs for value in pair] + [value for _, *pair in finalists for value in pair]
    diagonal(axes, values, 0.0, "predicted = measured")
    axes.set(xlabel="predicted latency (ms)", ylabel="measured latency (ms)")
    if held_out is not None:
        error, noise = (f"{significant(v, 2)}{NARROW}%" for v in (held_out.mape_percent, held_out.noise_percent))
        lines = (
            f"{held_out.networks} networks the table was not fitted on",
            f"mean error {error} (noise floor {noise})",
            f"bias {signed(held_out.bias_percent)}{NARROW}%",
            f"rank correlation {rounded(held_out.spearman, 3)}",
        )
        note(axes, lines)
    return figure
