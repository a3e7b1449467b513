"""Published networks in the terminal: all of them as a table, one of them layer by layer."""

from __future__ import annotations

from typing import Any

from sculptnet import zoo
from sculptnet.arch import Architecture
from sculptnet.cost import Macs, conv_fc_weights, macs, parameters
from sculptnet.errors import InvalidValue, suggestion
from sculptnet.state import Progress
from sculptnet.zoo import Published

BAR = 40  # characters of the widest layer
HEADINGS = ("name", "input", "M MACs", "M parameters", "top-1 %", "paper")


def list_zoo(progress: Progress) -> tuple[str, list[dict[str, Any]]]:
    """Every published network: its table for people, a list of objects for machines."""
    rows = []
    for done, entry in enumerate(zoo.BY_NAME.values(), start=1):
        rows.append(describe_published(entry))
        progress("counting networks", done, len(zoo.BY_NAME))
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS) - 1)]
    return "\n".join(_line(row, widths) for row in cells), rows


def describe_published(entry: Published) -> dict[str, Any]:
    """What scripts may rely on; `top1` is what the authors state, in percent, the counts are ours."""
    architecture = entry.architecture
    return {
        "name": entry.name,
        "resolution": architecture.resolution,
        "macs": macs(architecture),
        "conv_fc_weights": conv_fc_weights(architecture),
        "parameters": parameters(architecture),
        "top1": entry.top1,
        "paper": entry.paper,
    }


def show_published(name: str) -> tuple[str, dict[str, Any]]:
    """One published network, drawn layer by layer.

    Raises:
        InvalidValue: the zoo has none of that name; near misses are suggested.
    """
    if name not in zoo.BY_NAME:
        raise InvalidValue(f"the zoo has no {name!r}; {suggestion(name, zoo.BY_NAME)}")
    entry = zoo.BY_NAME[name]
    stated = "none stated" if entry.top1 is None else f"{entry.top1:g} % top-1"
    lines = [f"{entry.name}: {entry.paper}", f"published: {stated}; {entry.evidence}", draw(entry.architecture)]
    return "\n".join(lines), describe_published(entry)


def draw(architecture: Architecture) -> str:
    """The network layer by layer, each with its share of the multiply-adds as a bar."""
    count = Macs()
    rows = [
        (path, block.label(), f"{shape} -> {block.out_shape(shape)}", count.block(path, block, shape))
        for path, block, shape in architecture.blocks()
    ]
    widths = [max(len(str(row[column])) for row in rows) for column in range(3)]
    largest = max(row[3] for row in rows)
    lines = [
        f"{path:<{widths[0]}}  {label:<{widths[1]}}  {shapes:<{widths[2]}}  {value / 1e6:8.2f} M  "
        f"{'█' * round(BAR * value / largest)}".rstrip()
        for path, label, shapes, value in rows
    ]
    total = f"{macs(architecture) / 1e6:.1f} M MACs, {parameters(architecture) / 1e6:.2f} M parameters"
    return "\n".join([*lines, total])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    top1 = "" if row["top1"] is None else f"{row['top1']:.1f}"
    counts = (f"{row['macs'] / 1e6:.1f}", f"{row['parameters'] / 1e6:.2f}")
    return (row["name"], str(row["resolution"]), *counts, top1, row["paper"])


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """The name to the left, numbers to the right, the paper as it is."""
    numbers = (f"{cell:>{width}}" for cell, width in zip(cells[1:-1], widths[1:], strict=True))
    return "  ".join([f"{cells[0]:<{widths[0]}}", *numbers, cells[-1]])
