"""What the search learned: the probability of every candidate in every layer, at several epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.palette import INK, SURFACE
from sculptnet.report.style import PROBABILITY_STEPS, SMALL, bare, heat_key, heat_map, new_figure, on_heat
from sculptnet.report.text import short

LABELLED_ROWS = 64
PANELS = 5


@final
@dataclass(frozen=True)
class Snapshot:
    """The distribution after one epoch. `rows`: one vector of probabilities per decision."""

    title: str
    rows: tuple[tuple[float, ...], ...]


def snapshots(
    epochs: Sequence[float],
    probabilities: Sequence[Mapping[str, Sequence[float]]],
    decisions: Sequence[str],
    first_learned: int,
) -> tuple[Snapshot, ...]:
    """At most five: before the distribution learns, evenly between, and the last; epochs without one are skipped."""
    logged = [index for index, found in enumerate(probabilities) if all(path in found for path in decisions)]
    usable = [index for index in logged if index >= first_learned - 1] or logged
    if not usable:
        return ()
    picks = np.unique(np.round(np.linspace(0, len(usable) - 1, PANELS)).astype(int))
    return tuple(
        Snapshot(
            f"epoch {epochs[usable[pick]]:.0f}",
            tuple(tuple(float(p) for p in probabilities[usable[pick]][path]) for path in decisions),
        )
        for pick in picks
    )


def draw(
    panels: Sequence[Snapshot], rows: Sequence[str], columns: Sequence[str], chosen: Sequence[int] | None
) -> Figure:
    """Small multiples over epochs, one row a decision, one column a candidate.

    Args:
        panels: of `snapshots`.
        rows: names of the decisions.
        columns: names of the candidates, or numbers where decisions differ in them.
        chosen: the candidate of the shipped network in each decision; marked in the last panel.
    """
    cell = max(7.0, min(14.0, 900 / max(1, len(rows))))
    figure = new_figure(720, 110 + cell * len(rows) + 7 * max(len(short(name, 12)) for name in columns))
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    colours, steps = heat_map(PROBABILITY_STEPS)
    for axes, panel in zip(grid, panels, strict=True):
        values = np.full((len(rows), len(columns)), np.nan)
        for index, row in enumerate(panel.rows):
            values[index, : len(row)] = row
        axes.pcolormesh(np.ma.masked_invalid(values), cmap=colours, norm=steps, edgecolors="face", linewidth=0.2)
        _frame(axes, panel.title, rows if axes is grid[0] else (), columns)
        axes.set_ylim(len(rows), 0)
    _groups(grid, rows)
    if chosen is not None:
        grid[-1].scatter(
            [index + 0.5 for index in chosen],
            [row + 0.5 for row in range(len(rows))],
            s=(0.42 * cell) ** 2,
            facecolors="none",
            edgecolors=[on_heat(panels[-1].rows[row][pick], PROBABILITY_STEPS) for row, pick in enumerate(chosen)],
            linewidths=1.2,
        )
    heat_key(figure, list(grid), PROBABILITY_STEPS, "probability")
    return figure


def _frame(axes: Axes, title: str, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set_title(title, color=INK, fontsize=SMALL)
    axes.set_xticks(np.arange(len(columns)) + 0.5, [short(name, 12) for name in columns], rotation=90)
    named = rows if len(rows) <= LABELLED_ROWS else ()
    axes.set_yticks(np.arange(len(named)) + 0.5, [short(name, 24) for name in named])
    bare(axes, "left", "bottom")


def _groups(grid: Sequence[Axes], rows: Sequence[str]) -> None:
    """A gap of one line between the decisions of different stages."""
    stages = [row.split(".")[:2] if row.startswith("stages.") else [row] for row in rows]
    for index in range(1, len(rows)):
        if stages[index] != stages[index - 1]:
            for axes in grid:
                axes.axhline(index, color=SURFACE, linewidth=2.5)
