"""Accuracy over latency, with the Pareto front of the trials."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.facts import FOUND, Point, front
from sculptnet.report.palette import ACCENT, ALERT, FAINT, GRID, INK, MUTED
from sculptnet.report.style import SMALL, grid, logarithmic, new_figure, spread
from sculptnet.report.text import milliseconds, percent, short

MANY = 200  # trials; smaller, fainter dots
RASTERISED_FROM = 2000  # points; more would make the page heavy
LABEL_GAP = 0.13  # of the height of the axes
WIDTH = 520  # pixels


def draw(
    trials: Sequence[Point],
    final: Point | None,
    baselines: Sequence[Point],
    budget_ms: float | None,
    metric: str = "top-1 accuracy",
) -> Figure:
    """Trials (accuracy on held-back training images), the shipped network and baselines (on test images).

    Args:
        trials: filled where the latency was measured, hollow where it was predicted; ringed if shipped.
        final, baselines: with interval bars in both directions.
        budget_ms: drawn as a line; what lies beyond is shaded.
        metric: what is shown over latency, of values from 0 to 1.
    """
    figure = new_figure(WIDTH, 410)
    axes = figure.subplots()
    _limits(axes, [*trials, *baselines, *([final] if final is not None else [])], budget_ms)
    _trials(axes, trials)
    for point in baselines:
        _with_intervals(axes, point, INK, "s", 6)
    if final is not None:
        _with_intervals(axes, final, ACCENT, "D", 8)
    named = [*([final] if final is not None else []), *baselines]
    _names(axes, named)
    if budget_ms is not None:
        _budget(axes, budget_ms)
    _key(axes, trials, final, baselines)
    axes.set(xlabel="latency (ms)", ylabel=f"{metric} (%)")
    grid(axes)
    return figure


def _limits(axes: Axes, points: Sequence[Point], budget_ms: float | None) -> None:
    latencies = [point.latency.ms for point in points] + ([budget_ms] if budget_ms is not None else [])
    low, high = min(latencies), max(latencies)
    if logarithmic(axes, latencies):
        margin = (high / low) ** 0.06
        axes.set_xlim(low / margin, high * margin)
    else:
        margin = 0.08 * (high - low) or 0.1 * high
        axes.set_xlim(low - margin, high + margin)
    heights = [100 * value for point in points for value in (point.accuracy, point.low, point.high)]
    finite = [value for value in heights if math.isfinite(value)]
    margin = 0.1 * (max(finite) - min(finite)) or 1.0
    axes.set_ylim(min(finite) - margin, min(max(finite) + 1.6 * margin, 101))


def _trials(axes: Axes, trials: Sequence[Point]) -> None:
    many = len(trials) > MANY
    for measured in (False, True):
        group = [point for point in trials if point.measured is measured]
        axes.scatter(
            [point.latency.ms for point in group],
            [100 * point.accuracy for point in group],
            s=8 if many else 30,
            facecolors=FAINT if measured else "none",
            edgecolors=MUTED,
            linewidths=0.5 if many else 0.9,
            alpha=0.6 if many else 1.0,
            rasterized=len(trials) > RASTERISED_FROM,
            zorder=3,
        )
    best = front(trials)
    if len(best) > 1:
        x, y = [point.latency.ms for point in best], [100 * point.accuracy for point in best]
        axes.step(
            [*x, axes.get_xlim()[1]], [*y, y[-1]], where="post", color=INK if many else MUTED, linewidth=1, zorder=3
        )
    for point in trials:
        if not many:
            _intervals(axes, point, MUTED, 0.9)
        if point.shipped:
            axes.scatter(
                [point.latency.ms],
                [100 * point.accuracy],
                s=110,
                facecolors="none",
                edgecolors=ACCENT,
                linewidths=1.3,
                zorder=4,
            )


def _intervals(axes: Axes, point: Point, colour: str, width: float) -> None:
    x, y, ends = point.latency.ms, 100 * point.accuracy, (point.latency.low_ms, point.latency.high_ms)
    if all(map(math.isfinite, ends)):
        axes.plot(ends, [y, y], color=colour, linewidth=width, zorder=2)
    if math.isfinite(point.low):
        axes.plot([x, x], [100 * point.low, 100 * point.high], color=colour, linewidth=width, zorder=5)


def _with_intervals(axes: Axes, point: Point, colour: str, marker: str, size: float) -> None:
    _intervals(axes, point, colour, 1.2)
    x, y = point.latency.ms, 100 * point.accuracy
    axes.plot([x], [y], marker=marker, markersize=size, color=colour, markeredgewidth=0, linestyle="none", zorder=6)


def _names(axes: Axes, points: Sequence[Point]) -> None:
    """Names in the right margin, so that they never cover a point; thin lines lead to them."""
    low, high = axes.get_ylim()
    heights = [(100 * point.accuracy - low) / (high - low) for point in points]
    for point, height in zip(points, spread(heights, LABEL_GAP, 0.06, 0.94), strict=True):
        first = point is points[0] and point.name == FOUND
        axes.annotate(
            f"{short(point.name, 24)}\n{percent(point.accuracy)}, {milliseconds(point.latency.ms)}",
            xy=(point.latency.ms, 100 * point.accuracy),
            xytext=(1.03, float(height)),
            textcoords="axes fraction",
            annotation_clip=False,
            verticalalignment="center",
            color=ACCENT if first else INK,
            fontsize=SMALL,
            linespacing=1.25,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "shrinkB": 7, "shrinkA": 2},
        )


def _budget(axes: Axes, budget_ms: float) -> None:
    high = axes.get_xlim()[1]
    crowded = axes.transAxes.inverted().transform(axes.transData.transform((budget_ms, 0.0)))[0] < 0.3
    axes.axvspan(budget_ms, high, color=GRID, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(budget_ms, color=ALERT, linewidth=1.2, zorder=1)
    axes.annotate(
        f"budget {milliseconds(budget_ms)}",
        xy=(budget_ms, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(5 if crowded else -5, -4),
        textcoords="offset points",
        horizontalalignment="left" if crowded else "right",
        verticalalignment="top",
        color=ALERT,
        fontsize=SMALL,
    )


def _key(axes: Axes, trials: Sequence[Point], final: Point | None, baselines: Sequence[Point]) -> None:
    def entry(shown: bool, label: str, marker: str, size: float, face: str, edge: str) -> None:
        if shown:
            axes.plot(
                [np.nan], [np.nan], marker, markersize=size, markerfacecolor=face, markeredgecolor=edge, label=label
            )

    entry(any(point.measured for point in trials), "trial, measured", "o", 5.5, FAINT, MUTED)
    entry(any(not point.measured for point in trials), "trial, predicted", "o", 5.5, "none", MUTED)
    entry(any(point.shipped for point in trials), "chosen trial", "o", 9, "none", ACCENT)
    if len(front(trials)) > 1:
        axes.plot([np.nan], [np.nan], color=MUTED, linewidth=1, label="front of the trials")
    entry(final is not None, FOUND, "D", 6.5, ACCENT, ACCENT)
    entry(bool(baselines), "baseline", "s", 5.5, INK, INK)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=3,
            fontsize=SMALL,
            handletextpad=0.3,
            columnspacing=1.3,
            borderaxespad=0.2,
            handlelength=1.2,
        )
