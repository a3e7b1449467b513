"""The sections on the network: layer by layer, and how diverse its layers are (MnasNet)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.cost import Macs
from sculptnet.errors import NotMeasured
from sculptnet.report.choices import matters, option_name
from sculptnet.report.facts import shipped_choices
from sculptnet.report.figures import diversity, layers
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData
from sculptnet.report.text import milliseconds, percent
from sculptnet.report.values import Absent, Details, Part, Section, Table, columns
from sculptnet.words import several

WIDTHS = ("depth", "out_channels")  # decisions that make no other kind of layer


def network(data: ReportData) -> Part:
    """The network, layer by layer."""
    title = "The network, layer by layer"
    if data.architecture is None:
        return Absent(title, "no network was chosen yet")
    if data.table is None and data.given is None:
        return Absent(title, "there is no latency table; `sculptnet measure` makes one")
    cost, unit = (Macs(), layers.MACS) if data.table is None else (data.table, layers.LATENCY)
    try:
        found = layers.layers_of(data.architecture, cost)
    except NotMeasured as error:
        return Absent(title, str(error))
    total = cost.constant + sum(layer.cost for layer in found)
    skipped = sum(layer.identity for layer in found)
    largest = max(found, key=lambda layer: layer.cost)
    description = (
        f"Bar chart of {len(found)} layers, {skipped} of them skipped; the {unit.most} is {largest.path} "
        f"({largest.label}) with {unit.write(largest.cost)}."
    )
    caption = f"Multiply-adds of each layer; together {unit.write(total)}. "
    if data.table is not None:
        caption = (
            f"Latency of each layer on {data.table.device} by its table; together with "
            f"{milliseconds(data.table.constant)} outside the layers {milliseconds(total)}. "
        )
    if skipped:
        caption += "A short line on the ground is a layer that was skipped and costs nothing. "
    caption += "Above the bars: size and channels that a stage puts out."
    drawn = figure("layers", title, description, caption, lambda: layers.draw(found, unit))
    return Section("network", title, (drawn, Details("All layers as a table", _every_layer(found, unit, total))))


def _every_layer(found: Sequence[layers.Layer], unit: layers.Unit, total: float) -> Table:
    heads = columns("Layer", "Block", "Input", "Output", unit.name.capitalize(), "Share", words=2)
    rows = [
        [
            layer.path,
            layer.label,
            "\u00d7".join(map(str, layer.in_shape)),
            "\u00d7".join(map(str, layer.out_shape)),
            unit.write(layer.cost),
            percent(layer.cost / total),
        ]
        for layer in found
    ]
    return Table("Channels\u00d7height\u00d7width of every layer.", heads, rows)


# ---------------------------------------------------------------------- diversity
def layer_diversity(data: ReportData) -> Part:
    """The found network beside one that repeats its commonest kind of layer (MnasNet, table 6)."""
    title = "Layer diversity"
    if data.space is None or data.architecture is None or shipped_choices(data) is None:
        return Absent(title, "no network of the space was chosen yet")
    repeated = repeating(data.space, data.architecture)
    if repeated is None:
        return Absent(title, "the space decides the kind of a layer only once")
    cost, unit = (Macs(), layers.MACS) if data.table is None else (data.table, layers.LATENCY)
    try:
        above, below = (layers.layers_of(one, cost) for one in (data.architecture, repeated))
    except NotMeasured as error:
        return Absent(title, str(error))
    titles = {
        f"found: {_kinds_and_total(above, cost.constant, unit)}": above,
        f"its commonest decisions everywhere: {_kinds_and_total(below, cost.constant, unit)}": below,
    }
    description = f"Two rows of bars, one a layer. Above, {'; below, '.join(titles)}."
    caption = (
        "Colour is the kind of layer. Below, the same widths and depths, with one kind repeated wherever the space "
        "allows. In MnasNet (table 6) networks of one kind were slower or less accurate than the diverse one; which it "
        "is here, only training both would tell."
    )
    drawn = figure("diversity", title, description, caption, lambda: diversity.draw(titles, unit))
    return Section("diversity", title, (drawn,))


def repeating(space: SearchSpace, architecture: Architecture) -> Architecture | None:
    """`architecture` with the commonest option wherever the same is decided several times; widths and depths stay.

    None if nothing is decided more than once.
    """
    row = space.encode(architecture)
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for path, node in space.decisions.items():
        name = path.rpartition(".")[2]
        if path.startswith("stages.") and name not in WIDTHS:
            kind = "block" if name.isdigit() else name
            groups.setdefault((kind, tuple(map(option_name, node.options))), []).append(path)
    if all(len(paths) == 1 for paths in groups.values()):
        return None
    repeated = np.array(row)
    for paths in groups.values():
        picks = Counter(row[space.column[path]] for path in paths if matters(space, row, path))
        if picks:
            repeated[[space.column[path] for path in paths]] = picks.most_common(1)[0][0]
    return space.decode(space.canonical([repeated])[0]).architecture


def _kinds_and_total(found: Sequence[layers.Layer], constant: float, unit: layers.Unit) -> str:
    kinds = len({layer.label for layer in found if layer.stage >= 0})
    total = unit.write(constant + sum(layer.cost for layer in found))
    return f"{several(kinds, 'kind')} of layers, {total}{' multiply-adds' if unit is layers.MACS else ''}"
