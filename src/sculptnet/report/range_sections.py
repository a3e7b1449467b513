"""The numbers that a search chose: widths, expansions and the resolution, each in the range it was chosen from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from sculptnet.blocks import Skip
from sculptnet.report.facts import course, shipped_choices
from sculptnet.report.figures import ranges
from sculptnet.report.figures.ranges import Panel, Range
from sculptnet.report.html import Column, Html, details, table
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.reinforce_sections import matters
from sculptnet.report.render import render
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, percent

RESOLUTION = "resolution"
KINDS = {"out_channels": "channels", "expansion": "expansion"}


def numbers_are_open(data: ReportData) -> bool:
    """Whether widths were searched."""
    return data.space is not None and any(path.endswith(".out_channels") for path in data.space.decisions)


def numbers_chosen(data: ReportData) -> Part:
    """What is shipped and what the search learned, against everything there was to choose from."""
    title = "Widths and resolution" if data.space is not None and RESOLUTION in data.space.decisions else "Widths"
    if data.space is None or not numbers_are_open(data):
        return Absent(title, "the space leaves no widths open")
    found = course(data)
    chances = found.probabilities[-1] if found is not None else {}
    shipped, skipped = _shipped(data), _skipped(data)
    panels = []
    for kind, axis in KINDS.items():
        own = tuple(
            _range(data, path, chances, shipped, skipped)
            for path in data.space.decisions
            if path.rpartition(".")[2] == kind
        )
        panels += [Panel(axis, own)] if own else []
    alone = None
    if RESOLUTION in data.space.decisions:
        alone = Panel("resolution (px)", (_range(data, RESOLUTION, chances, shipped, skipped),))
    drawing = render("ranges", title, _described(panels), lambda: ranges.draw(panels, alone))
    caption = "Every layer's options as cells"
    caption += ", coloured by the probability that the search ended with" if chances else ""
    caption += ". Dots: what is shipped; rings: layers whose block is a skip." if shipped else "."
    every = details("All ranges as a table", _table(panels))
    return Section("ranges", title, (figure(drawing, caption, about_resolution(alone)), every), (drawing,))


def _table(panels: Sequence[Panel]) -> Html:
    heads = ("Layer", "Number", "Options", "Chosen", "Its probability")
    columns = [Column(head, numeric=index > 2) for index, head in enumerate(heads)]
    rows = [
        [found.name, panel.title, ", ".join(f"{option:g}" for option in found.options), *_chosen(found)]
        for panel in panels
        for found in panel.ranges
    ]
    return table("Every layer's widths and expansions.", columns, rows)


def _chosen(found: Range) -> tuple[str, str]:
    if found.chosen is None:
        return MISSING, MISSING
    chance = None if found.chances is None else found.chances[found.options.index(found.chosen)]
    return f"{found.chosen:g}", MISSING if chance is None else percent(chance)


def _range(
    data: ReportData,
    path: str,
    chances: Mapping[str, Sequence[float]],
    shipped: Mapping[str, int],
    skipped: Collection[str],
) -> Range:
    """The decision, in increasing order of its options."""
    assert data.space is not None
    options = data.space.decisions[path].options
    order = sorted(range(len(options)), key=options.__getitem__)
    place, own = path.rpartition(".")[0].partition("[")[0] or path, chances.get(path)
    return Range(
        place.removeprefix("stages."),
        tuple(float(options[index]) for index in order),
        float(options[shipped[path]]) if path in shipped else None,
        tuple(float(own[index]) for index in order) if own is not None else None,
        place in skipped,
    )


def _shipped(data: ReportData) -> dict[str, int]:
    """The options of the shipped network, of those decisions that make a difference in it."""
    choices = shipped_choices(data)
    if choices is None or data.space is None or data.architecture is None:
        return {}
    row = np.array([data.space.encode(data.architecture)], dtype=np.int64)
    return {path: index for path, index in choices.items() if matters(data.space, row, data.space.column[path])}


def _skipped(data: ReportData) -> set[str]:
    """The places of the shipped network whose block is a skip."""
    blocks = data.architecture.blocks() if data.architecture is not None else ()
    return {path for path, block, _ in blocks if isinstance(block, Skip)}


def _described(panels: Sequence[Panel]) -> str:
    parts = []
    for panel in panels:
        known = [found for found in panel.ranges if found.chosen is not None]
        least = sum(found.chosen == found.options[0] for found in known)
        most = sum(found.chosen == found.options[-1] for found in known)
        chosen = f", {least} of {len(known)} chosen at the low end and {most} at the high end" if known else ""
        parts.append(f"{panel.title} of {len(panel.ranges)} decisions{chosen}")
    return f"Columns of cells: {'; '.join(parts)}."


def about_resolution(panel: Panel | None) -> str:
    """The resolution that was decided, in words; a picture of one column says little."""
    decided = None if panel is None else panel.ranges[0]
    if decided is None or decided.chosen is None:
        return ""
    options = ", ".join(f"{option:g}" for option in decided.options)
    text = f" Images of {decided.chosen:g} pixels were chosen among {options}"
    if decided.chances is not None:
        text += f", with a probability of {percent(decided.chances[decided.options.index(decided.chosen)])}"
    return f"{text}."
