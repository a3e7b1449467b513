"""The network layer by layer, as in figure 4 of FBNet: colour is the kind of block, height its latency.

Where no table knows that, the height is its multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sculptnet.arch import Architecture, TensorShape
from sculptnet.cost.model import CostModel
from sculptnet.report.palette import AXIS, FIXED, INK, MUTED
from sculptnet.report.style import PATCHES, SMALL, bare, block_colours, grid, natural, new_figure, patch_columns
from sculptnet.report.text import count, milliseconds, short

HEADROOM = 1.34  # of the highest bar, for the names of the stages
BESIDE = 80  # pixels beside the bars: the axis


@final
@dataclass(frozen=True)
class Layer:
    """A block of a network. `stage`: its number, or -1 for stem, head and classifier; `cost`: in a `Unit`."""

    path: str
    label: str
    stage: int
    in_shape: TensorShape
    out_shape: TensorShape
    identity: bool
    cost: float


@final
@dataclass(frozen=True)
class Unit:
    """What the height of a bar is: its name, the axis, a word for the highest, how values and ticks are written."""

    name: str
    axis: str
    most: str
    write: Callable[[float], str]
    tick: Callable[[float], str]


LATENCY = Unit("latency", "latency (ms)", "slowest", milliseconds, "{:g}".format)
MACS = Unit("multiply-adds", "multiply-adds (millions)", "largest", count, lambda value: f"{value / 1e6:g}")


def layers_of(architecture: Architecture, cost: CostModel) -> tuple[Layer, ...]:
    """The layers with what each costs.

    Raises:
        NotMeasured: `cost` lacks one of them.
    """
    return tuple(
        Layer(
            path,
            block.label(),
            int(path.split(".")[1]) if path.startswith("stages.") else -1,
            shape,
            block.out_shape(shape),
            block.is_identity(shape.channels),
            cost.block(path, block, shape),
        )
        for path, block, shape in architecture.blocks()
    )


def draw(layers: Sequence[Layer], unit: Unit = LATENCY) -> Figure:
    """Bars in the order of the network; skips that cost nothing are thin marks on the ground line."""
    width = figure_width(len(layers))
    figure = new_figure(width, 370)
    axes = figure.subplots()
    colours = block_colours(layer.label for layer in layers if layer.stage >= 0)
    top = max(layer.cost for layer in layers) or 1.0
    axes.set(xlim=(-0.7, len(layers) - 0.3), ylim=(0, HEADROOM * top))
    _bars(axes, layers, colours, unit)
    _stages(axes, layers, top)
    axes.set_xticks(range(len(layers)), [short(layer.label, 14) for layer in layers], rotation=90)
    axes.set_ylabel(unit.axis)
    axes.yaxis.set_major_formatter(lambda value, _: unit.tick(value))
    bare(axes, "bottom", "left")
    axes.axhline(0, color=AXIS, linewidth=0.75, clip_on=False)
    grid(axes)
    _key(axes, layers, colours, width - BESIDE)
    return figure


def figure_width(num_layers: int) -> float:
    """Of a figure with a bar for each layer, in pixels."""
    return min(1500, max(480, BESIDE + 25 * num_layers))


def _bars(axes: Axes, layers: Sequence[Layer], colours: Mapping[str, str], unit: Unit) -> None:
    for index, layer in enumerate(layers):
        colour = FIXED if layer.stage < 0 else colours.get(layer.label, FIXED)
        if layer.identity:
            axes.plot([index - 0.3, index + 0.3], [0, 0], color=MUTED, linewidth=2.5, clip_on=False, zorder=4)
        elif layer.label == "skip":
            axes.bar(index, layer.cost, width=0.7, color="none", edgecolor=MUTED, linewidth=1, zorder=3)
        else:
            axes.bar(index, layer.cost, width=0.74, color=colour, linewidth=0, zorder=3)
    highest = max(range(len(layers)), key=lambda index: layers[index].cost)
    axes.annotate(
        unit.write(layers[highest].cost),
        xy=(highest, layers[highest].cost),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=INK,
        fontsize=SMALL,
    )


def _key(axes: Axes, layers: Sequence[Layer], colours: Mapping[str, str], width: float) -> None:
    handles = [Patch(color=colours[kind], label=short(kind, 14)) for kind in sorted(colours, key=natural)]
    if any(layer.label == "skip" and not layer.identity for layer in layers):
        handles.append(Patch(facecolor="none", edgecolor=MUTED, label="projecting skip"))
    handles.append(Patch(color=FIXED, label="stem and head"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=patch_columns((str(handle.get_label()) for handle in handles), width),
        borderaxespad=0.2,
        **PATCHES,
    )


def _stages(axes: Axes, layers: Sequence[Layer], top: float) -> None:
    """A line between stages; above each, what it puts out: channels and size."""
    start = 0
    for index in range(1, len(layers) + 1):
        if index < len(layers) and layers[index].stage == layers[start].stage != -1:
            continue
        if start > 0:
            axes.plot(
                [start - 0.5] * 2,
                [0, (HEADROOM - 0.01) * top],
                color=AXIS,
                linewidth=0.75,
                linestyle=(0, (2, 2)),
                zorder=1,
            )
        channels, height, width = layers[index - 1].out_shape
        if layers[start].stage >= 0:
            size = f"{height}\u00d7{width}" if index - start > 1 else f"{height}\u00b2" if height == width else ""
            axes.text(
                (start + index - 1) / 2,
                (HEADROOM - 0.02) * top,
                f"{size}\n{channels} ch" if index - start > 1 else f"{size}\n{channels}",
                ha="center",
                va="top",
                color=MUTED,
                fontsize=SMALL if index - start > 1 else 0.85 * SMALL,
                linespacing=1.3,
            )
        start = index
