"""Predicted against true accuracy of networks that an accuracy predictor did not learn from."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sculptnet.report.palette import FAINT, MUTED
from sculptnet.report.style import diagonal, new_figure, note


def draw(pairs: Sequence[tuple[float, float]], true_label: str, lines: Sequence[str] = ()) -> Figure:
    """The identity is the line of a perfect predictor.

    Args:
        pairs: predicted and true accuracy of each network, fractions.
        true_label: of the axis of true accuracies.
        lines: what else there is to say.
    """
    figure = new_figure(500, 450)
    axes = figure.subplots()
    predicted, true = ([100 * value for value in values] for values in zip(*pairs, strict=True))
    axes.scatter(predicted, true, s=30, color=FAINT, edgecolors=MUTED, linewidths=0.9, zorder=3)
    diagonal(axes, [*predicted, *true], -1e9, "predicted = true")
    axes.set(xlabel="predicted accuracy (%)", ylabel=true_label)
    note(axes, lines)
    return figure
