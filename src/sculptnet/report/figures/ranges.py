"""Numbers that were chosen for each layer, in the ranges they were chosen from: widths, expansions, the resolution."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sculptnet.report.palette import AXIS, GRID, HEAT, INK, SURFACE
from sculptnet.report.style import PROBABILITY_STEPS, bare, heat_key, heat_level, new_figure

ROOM, OPTION_ROOM, DOUBLING_ROOM = 90, 18, 56  # pixels: of a panel at least, of an option, of a factor of two
WIDE = 8  # times the lowest: beyond, the axis is logarithmic


@final
@dataclass(frozen=True)
class Range:
    """One decision between numbers.

    Attributes:
        name: of the layer.
        options: in increasing order.
        chosen: the number that is shipped; None where it makes no difference, and before anything is shipped.
        chances: the probability of each option at the end of the search; None where none was learned.
        skipped: the layer that was chosen is a skip.
    """

    name: str
    options: tuple[float, ...]
    chosen: float | None = None
    chances: tuple[float, ...] | None = None
    skipped: bool = False

    @property
    def chance(self) -> float | None:
        """The probability of the number that is shipped."""
        if self.chosen is None or self.chances is None:
            return None
        return self.chances[self.options.index(self.chosen)]


@final
@dataclass(frozen=True)
class Panel:
    """Ranges of one kind, one beside the other. `title`: of the axis of numbers."""

    title: str
    ranges: tuple[Range, ...]


def draw(panels: Sequence[Panel], alone: Panel | None = None) -> Figure:
    """Panels below each other: a column for each layer, a cell for each option; what is shipped is marked.

    Args:
        panels: of layers; those of one name stand in one column.
        alone: beside the first one: numbers that belong to no layer.
    """
    names = in_order(found.name for panel in panels for found in panel.ranges)
    heights = list(map(_height, panels))
    widths = [max(6, len(names)), *((1.6,) if alone else ())]
    figure = new_figure(min(1500, max(520, 130 + 26 * sum(widths))), 130 + sum(heights))
    cells = figure.subplots(len(panels), len(widths), squeeze=False, height_ratios=heights, width_ratios=widths)
    for axes, panel in zip(cells[:, 0], panels, strict=True):
        _panel(axes, panel, names)
    if alone:
        _panel(cells[0, 1], alone, [found.name for found in alone.ranges])
        cells[0, 1].set_xticks([])
        for axes in cells[1:, 1]:
            axes.set_axis_off()
    if any(found.chances is not None for panel in panels for found in panel.ranges):
        heat_key(figure, cells.ravel().tolist(), PROBABILITY_STEPS, "probability")
    return figure


def in_order(names: Iterable[str]) -> list[str]:
    """Every name once: layers by stage and number, and what is no layer where it came, before or after all of them."""
    found = list(dict.fromkeys(names))
    layers = sorted((name for name in found if name[0].isdigit()), key=_numbers)
    first = next((index for index, name in enumerate(found) if name[0].isdigit()), len(found))
    return [*found[:first], *layers, *(name for name in found[first:] if not name[0].isdigit())]


def _numbers(name: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", name)]


def _height(panel: Panel) -> float:
    if is_wide(panel):
        options = [option for found in panel.ranges for option in found.options]
        return DOUBLING_ROOM * math.log2(2 * max(options) / min(options))
    return max(ROOM, OPTION_ROOM * max(len(found.options) for found in panel.ranges))


def is_wide(panel: Panel) -> bool:
    """Whether its numbers need a logarithmic axis."""
    options = [option for found in panel.ranges for option in found.options]
    return max(options) > WIDE * min(options)


def _panel(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    low = min(edges_of(found.options)[0] for found in panel.ranges)
    high = max(edges_of(found.options)[-1] for found in panel.ranges)
    if is_wide(panel):
        axes.set_yscale("log", base=2)
        high *= 1.05
        axes.set_yticks([2.0**power for power in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)])
    else:
        axes.set_yticks(sorted({option for found in panel.ranges for option in found.options}))
    axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(low, high))
    for found in panel.ranges:
        _cells(axes, names.index(found.name), found)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_ylabel(panel.title)
    bare(axes, "bottom", "left")


def _cells(axes: Axes, column: int, found: Range) -> None:
    edges = edges_of(found.options)
    for index, option in enumerate(found.options):
        chance = None if found.chances is None else found.chances[index]
        axes.add_patch(
            Rectangle(
                (column - 0.36, edges[index]),
                0.72,
                edges[index + 1] - edges[index],
                facecolor=GRID if chance is None else colour_of(chance),
                edgecolor=SURFACE,
                linewidth=0.75,
            )
        )
        if option == found.chosen:
            axes.plot(
                [column],
                [option],
                marker="o",
                markersize=5.5,
                markerfacecolor=SURFACE if found.skipped else INK,
                markeredgecolor=INK if found.skipped else SURFACE,  # seen on every colour of its cell and the next ones
                markeredgewidth=1.2,
                linestyle="none",
                zorder=4,
            )
    axes.add_patch(
        Rectangle((column - 0.36, edges[0]), 0.72, edges[-1] - edges[0], fill=False, edgecolor=AXIS, linewidth=0.75)
    )


def colour_of(chance: float) -> str:
    """The colour of a probability."""
    return HEAT[heat_level(chance, PROBABILITY_STEPS)]


def edges_of(options: Sequence[float]) -> list[float]:
    """The borders of the options' cells: halfway between neighbours, and as far beyond the first and the last one.

    The first border is at least half the first option, for logarithmic axes.
    """
    if len(options) == 1:
        return [0.9 * options[0], 1.1 * options[0]]
    inner = [(low + high) / 2 for low, high in pairwise(options)]
    return [max(2 * options[0] - inner[0], options[0] / 2), *inner, 2 * options[-1] - inner[-1]]
