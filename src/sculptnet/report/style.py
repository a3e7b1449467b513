"""How figures look: matplotlib settings that leave no trace, and the parts that figures share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sculptnet.report.palette import AXIS, BLOCKS, GRID, HEAT, INK, MUTED, ON_HIGH_HEAT, ON_LOW_HEAT
from sculptnet.report.text import Numbers, percent, short, significant

PROBABILITY_STEPS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)
SHARE_STEPS = (0.0, 0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0)  # small confusions stay visible

LOGARITHMIC_FROM = 6.0  # ratio of the highest to the lowest latency
PX = 0.75  # points in a pixel of the page
SMALL, NORMAL = 11.5 * PX, 12.5 * PX
# Legends of coloured patches, lengths in font sizes.
PATCHES: dict[str, Any] = {
    "fontsize": SMALL,
    "handlelength": 0.9,
    "handleheight": 0.9,
    "handletextpad": 0.4,
    "columnspacing": 1.2,
}
PATCH_COLUMNS = 5  # at most
_SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": NORMAL,
    "text.color": INK,
    "text.parse_math": False,  # class names may hold dollar signs
    "axes.edgecolor": AXIS,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.75,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": NORMAL,
    "axes.titlepad": 6,
    "grid.color": GRID,
    "grid.linewidth": 0.75,
    "xtick.color": AXIS,
    "ytick.color": AXIS,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "figure.facecolor": "none",
    "figure.dpi": 96,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
}


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib as the report wants it, whatever the user's settings are; these come back afterwards."""
    with style.context(_SETTINGS, after_reset=True), mpl.rc_context({"svg.hashsalt": "sculptnet"}):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many pixels of the page, outside pyplot's registry."""
    return Figure(figsize=(width / 96, height / 96), layout="constrained")


def patch_columns(labels: Iterable[str], width: float) -> int:
    """How many columns of a legend of `PATCHES` fit into `width` pixels, one at least."""
    widest = max(TextPath((0, 0), label, size=SMALL).get_extents().width for label in labels)
    around, between = (PATCHES["handlelength"] + PATCHES["handletextpad"]) * SMALL, PATCHES["columnspacing"] * SMALL
    fitting = int((width * PX + between) // (around + widest + between))
    return min(PATCH_COLUMNS, max(1, fitting))


def heat_map(steps: Sequence[float]) -> tuple[ListedColormap, BoundaryNorm]:
    """The colours of the heat maps and the steps between them."""
    return ListedColormap(HEAT), BoundaryNorm(steps, len(HEAT))


def on_heat(value: float, steps: Sequence[float]) -> str:
    """The colour of text on a cell with `value`."""
    return ON_LOW_HEAT if heat_level(value, steps) < 5 else ON_HIGH_HEAT


def heat_level(value: float, steps: Sequence[float]) -> int:
    """Which colour of a heat map `value` has."""
    return min(int(np.searchsorted(steps, value, side="right")) - 1, len(HEAT) - 1)


def block_colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for every kind of block: the hue tells what stands before the first `_`, the depth the rest.

    For `k3_e1`, `k3_e6`, `k5_e1`, `k5_e6` the hue is the kernel and the depth the expansion. A skip has no colour.
    """
    families: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels) - {"skip"}, key=natural):
        families[label.partition("_")[0]].append(label)
    colours: dict[str, str] = {}
    for hue, members in enumerate(families.values()):
        ramp = LinearSegmentedColormap.from_list("depths", BLOCKS[hue % len(BLOCKS)])
        for index, label in enumerate(members):
            colours[label] = to_hex(ramp(index / (len(members) - 1) if len(members) > 1 else 0.67))
    return colours


def natural(text: str) -> list[tuple[int, float, str]]:
    """A sorting key that orders numbers inside names by value: k3, k5, k11."""
    parts = re.findall(r"\d+(?:\.\d+)?|\D+", text)
    return [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> Numbers:
    """Positions for labels, at least `gap` apart and inside `low`..`high`, as near as possible to the given ones."""
    wanted = np.asarray(positions, dtype=np.float64)
    if len(wanted) == 0:
        return wanted
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = np.argsort(wanted, kind="stable")
    # With i * gap taken off, "at least gap apart" is "not decreasing": pool neighbours that violate it.
    targets = wanted[order] - gap * np.arange(len(wanted))
    pools: list[tuple[float, int]] = []
    for target in targets:
        mean, size = float(target), 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    fitted = np.concatenate([np.full(size, mean) for mean, size in pools])
    fitted = np.clip(fitted, low, high - gap * (len(wanted) - 1)) + gap * np.arange(len(wanted))
    result: Numbers = np.empty_like(wanted)
    result[order] = fitted
    return result


def grid(axes: Axes, which: str = "y") -> None:
    """Faint lines behind the data."""
    axes.grid(visible=True, axis="both" if which == "both" else "x" if which == "x" else "y")


def bare(axes: Axes, *sides: str) -> None:
    """Takes the lines and tick marks of those sides away; their labels stay."""
    for side in sides:
        axes.spines[side].set_visible(False)
        axes.tick_params(axis="y" if side in ("left", "right") else "x", length=0)


# ---------------------------------------------------------------------- parts that figures share
def panel(axes: Axes, title: str = "", below: str = "") -> None:
    """One of several small charts over epochs or the like: a title, few ticks at whole numbers, faint lines."""
    axes.set_title(title, color=INK, fontsize=SMALL)
    axes.set_xlabel(below, fontsize=SMALL)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    grid(axes)


def panels(figure: Figure, count: int, columns: int, below: str) -> list[Axes]:
    """`count` small charts in rows of at most `columns`, over the same quantity, which stands `below` the last ones."""
    columns = max(1, min(columns, count))
    cells = list(figure.subplots(max(1, -(-count // columns)), columns, squeeze=False).flat)
    for index, axes in enumerate(cells):
        panel(axes, below=below if count - columns <= index < count else "")
        axes.set_visible(index < count)
    return cells


def finite(columns: Mapping[str, Numbers], name: str) -> bool:
    """Whether anything is known of a column."""
    return name in columns and bool(np.isfinite(columns[name]).any())


def marker(values: Sequence[float] | Numbers, fewer_than: int = 12) -> str:
    """Few points are dots on their line, many are a line."""
    return "o" if np.isfinite(values).sum() < fewer_than else ""


def logarithmic(axes: Axes, latencies: Sequence[float]) -> bool:
    """A logarithmic axis of latencies where they differ by much; whether it is one."""
    low, high = min(latencies), max(latencies)
    if low <= 0 or high / low <= LOGARITHMIC_FROM:
        return False
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""))
    axes.tick_params(axis="x", which="both", length=3, pad=4, labelsize=SMALL)
    return True


def diagonal(axes: Axes, values: Sequence[float], least: float, label: str) -> None:
    """A square plane of two quantities in one unit; the identity is the line of a perfect prediction."""
    margin = 0.07 * (max(values) - min(values)) or 0.1 * max(map(abs, values)) or 1.0
    low, high = max(least, min(values) - margin), max(values) + margin
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, zorder=2, label=label)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    grid(axes, "both")
    axes.legend(loc="lower right", fontsize=SMALL, handletextpad=0.5, handlelength=1.2)


def note(axes: Axes, lines: Sequence[str]) -> None:
    """Numbers in the upper left corner."""
    axes.text(
        0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", color=INK, fontsize=SMALL, linespacing=1.5
    )


def heat_key(figure: Figure, axes: Sequence[Axes], steps: Sequence[float], label: str, width: float = 0.8) -> None:
    """The colours of a heat map of fractions, below it. `width`: a fraction of the heat map's."""
    colours, norm = heat_map(steps)
    mesh = ScalarMappable(norm, colours)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", fraction=0.03, aspect=50, shrink=width, pad=0.02)
    bar.set_ticks(list(steps), labels=[percent(step, 1 if 0 < step < 0.01 else 0) for step in steps])
    bar.ax.tick_params(length=0, labelsize=SMALL)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=SMALL, color=MUTED)


def names_at_right(axes: Axes, names: Sequence[tuple[str, float, str]], gap: float = 0.1) -> None:
    """Names of lines, their heights and colours, in the margin; at least `gap` of the axes' height apart."""
    low, high = axes.get_ylim()
    heights = [(height - low) / (high - low) for _, height, _ in names]
    for (name, _, colour), height in zip(names, spread(heights, gap, 0, 1), strict=True):
        axes.annotate(
            short(name, 18),
            xy=(1.02, float(height)),
            xycoords="axes fraction",
            va="center",
            color=colour,
            fontsize=SMALL,
            annotation_clip=False,
        )


def reference(axes: Axes, height: float, name: str, colour: str) -> None:
    """A horizontal line to compare with, named above its right end; the axes grow where it needs room."""
    low, high = axes.get_ylim()
    axes.axhline(height, color=colour, linewidth=1, linestyle=(0, (4, 2)))
    axes.annotate(
        f"{name} {significant(height)}",
        xy=(1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=colour,
        fontsize=SMALL,
    )
    axes.set_ylim(min(low, height - 0.08 * (high - low)), max(high, height + 0.15 * (high - low)))


def rows(axes: Axes, names: Sequence[str], values: Sequence[str]) -> None:
    """A named row for each bar or dot from the top down, and what each says in numbers in a column at the right."""
    for row, value in enumerate(values):
        axes.annotate(
            value,
            xy=(1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            color=INK,
            fontsize=SMALL,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", labelcolor=INK)
    bare(axes, "left")
    grid(axes, "x")
