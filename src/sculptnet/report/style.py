"""How figures look: one palette for light and dark schemes, and matplotlib settings that leave no trace.

Figures are drawn in the light colours. In the page every colour of the palette becomes a CSS variable, so the same
drawing follows the reader's scheme. Categories use blue and orange first, which all common kinds of colour vision
tell apart; what matters most is never told by colour alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

SURFACE, INK, MUTED, AXIS, GRID = "#ffffff", "#1d2126", "#5c6670", "#b9c1c9", "#e8ecef"
ACCENT, ALERT, FIXED, FAINT = "#0b62b5", "#b13b08", "#98a2ac", "#aab3bc"
HEAT = ("#f3f6f9", "#dee8f2", "#c4d8eb", "#a2c3e2", "#79a9d5", "#3a79b4", "#26649f", "#174d84", "#0b3765")
ON_LOW_HEAT, ON_HIGH_HEAT = "#1d2127", "#fffffe"
BLOCKS = (
    ("#b4d3f1", "#73abdd", "#3d81c0", "#1f5c9a"),  # blue
    ("#f6d0a4", "#eba75d", "#d07c1e", "#96530a"),  # orange
    ("#abddcd", "#63bea0", "#289575", "#106c53"),  # green
    ("#d7c4e9", "#b294d4", "#8b63b9", "#643d92"),  # purple
)
# Each light colour, the name of its CSS variable and what stands there in the dark scheme.
DARK: Mapping[str, tuple[str, str]] = {
    SURFACE: ("surface", "#14171a"),
    INK: ("ink", "#e7eaed"),
    MUTED: ("muted", "#9da7b1"),
    AXIS: ("axis", "#4a535c"),
    GRID: ("grid", "#262c32"),
    ACCENT: ("accent", "#63aff8"),
    ALERT: ("alert", "#f4956b"),
    FIXED: ("fixed", "#6b757f"),
    FAINT: ("faint", "#66707a"),
    ON_LOW_HEAT: ("on-low-heat", "#e7eaed"),
    ON_HIGH_HEAT: ("on-high-heat", "#0d1115"),
    **{
        light: (f"heat-{level}", dark)
        for level, (light, dark) in enumerate(
            zip(
                HEAT,
                ("#1c2229", "#20303f", "#254159", "#2b5577", "#356c98", "#4f8fc4", "#6fa6d8", "#98c3ea", "#d0e6fb"),
                strict=True,
            )
        )
    },
    **{
        light: (f"block-{hue}-{level}", dark)
        for hue, (ramp, dark_ramp) in enumerate(
            zip(
                BLOCKS,
                (
                    ("#2c4d70", "#3d73a8", "#5f9fdd", "#a9d1fb"),
                    ("#5d4324", "#8f6029", "#cc8c3c", "#f7ca8e"),
                    ("#204c40", "#2f7561", "#4da98b", "#a0e0ca"),
                    ("#423159", "#654b8a", "#9574c3", "#ceb6ee"),
                ),
                strict=True,
            )
        )
        for level, (light, dark) in enumerate(zip(ramp, dark_ramp, strict=True))
    },
}
PROBABILITY_STEPS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)
SHARE_STEPS = (0.0, 0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0)  # small confusions stay visible

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


def css_variables() -> str:
    """The palette as CSS: light by default, dark where the reader's system is."""
    light = "".join(f"--{name}:{colour};" for colour, (name, _) in DARK.items())
    dark = "".join(f"--{name}:{colour};" for name, colour in DARK.values())
    schemes = "color-scheme:light dark;"
    return f":root{{{schemes}{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def heat_map(steps: Sequence[float]) -> tuple[ListedColormap, BoundaryNorm]:
    """The colours of the heat maps and the steps between them."""
    return ListedColormap(HEAT), BoundaryNorm(steps, len(HEAT))


def on_heat(value: float, steps: Sequence[float]) -> str:
    """The colour of text on a cell with `value`."""
    level = min(int(np.searchsorted(steps, value, side="right")) - 1, len(HEAT) - 1)
    return ON_LOW_HEAT if level < 5 else ON_HIGH_HEAT


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


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> npt.NDArray[np.float64]:
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
    result: npt.NDArray[np.float64] = np.empty_like(wanted)
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


def name_at_right(axes: Axes, text: str, height: float, colour: str = MUTED) -> None:
    """The name of a horizontal line at `height`, above its right end."""
    axes.annotate(
        text,
        xy=(1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=colour,
        fontsize=SMALL,
    )


def value_beside(axes: Axes, row: int, text: str) -> None:
    """What a horizontal bar or dot says in numbers, in a column at the right of the axes."""
    axes.annotate(
        text,
        xy=(1.02, row),
        xycoords=("axes fraction", "data"),
        va="center",
        color=INK,
        fontsize=SMALL,
        annotation_clip=False,
    )
