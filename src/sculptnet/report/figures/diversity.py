"""Two networks above each other, layer by layer: the one found, and one that repeats a single kind of layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sculptnet.report.figures.layers import LATENCY, Layer, Unit, figure_width
from sculptnet.report.palette import AXIS, INK
from sculptnet.report.style import PATCHES, SMALL, bare, block_colours, grid, natural, new_figure, patch_columns
from sculptnet.report.text import short


def draw(networks: Mapping[str, Sequence[Layer]], unit: Unit = LATENCY) -> Figure:
    """One row of bars a network, on one scale; colour is the kind of layer. Stem, head and classifier are left out.

    Args:
        networks: the layers by the title of the row.
        unit: of the layers' costs.
    """
    shown = {title: [layer for layer in layers if layer.stage >= 0] for title, layers in networks.items()}
    colours = block_colours(layer.label for layers in shown.values() for layer in layers)
    longest = max(len(layers) for layers in shown.values())
    width = figure_width(longest)
    figure = new_figure(width, 90 + 130 * len(shown))
    rows = figure.subplots(len(shown), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (title, layers) in zip(rows, shown.items(), strict=True):
        axes.set_title(title, color=INK, fontsize=SMALL)
        _bars(axes, layers, colours)
        axes.yaxis.set_major_formatter(lambda value, _: unit.tick(value))
        bare(axes, "bottom", "left")
        grid(axes)
    rows[0].set(xlim=(-0.7, longest - 0.3), ylim=(0, None))
    rows[-1].set_xticks([])
    figure.supylabel(unit.axis, fontsize=SMALL)
    _key(figure, colours, width, skips=any(one.label == "skip" for layers in shown.values() for one in layers))
    return figure


def _bars(axes: Axes, layers: Sequence[Layer], colours: Mapping[str, str]) -> None:
    for index, layer in enumerate(layers):
        if not layer.identity:
            axes.bar(index, layer.cost, width=0.74, color=colours.get(layer.label, AXIS), linewidth=0, zorder=3)
        if index > 0 and layers[index - 1].stage != layer.stage:
            axes.axvline(index - 0.5, color=AXIS, linewidth=0.75, linestyle=(0, (2, 2)), zorder=1)
    axes.axhline(0, color=AXIS, linewidth=0.75)


def _key(figure: Figure, colours: Mapping[str, str], width: float, *, skips: bool) -> None:
    handles = [Patch(color=colours[kind], label=short(kind, 16)) for kind in sorted(colours, key=natural)]
    if skips:
        handles.append(Patch(color=AXIS, label="projecting skip"))
    columns = patch_columns((str(handle.get_label()) for handle in handles), width)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **PATCHES)
