"""The numbers that a search chose: widths, expansions and the resolution, each in the range it was chosen from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sculptnet.arch import SearchSpace
from sculptnet.blocks import Skip
from sculptnet.report.choices import matters
from sculptnet.report.facts import course, shipped_choices
from sculptnet.report.figures import ranges
from sculptnet.report.figures.ranges import Panel, Range
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, percent
from sculptnet.report.values import Absent, Details, Part, Section, Table, columns

RESOLUTION = "resolution"
KINDS = {"out_channels": "channels", "expansion": "expansion"}


def numbers_are_open(data: ReportData) -> bool:
    """Whether widths were searched."""
    return data.space is not None and any(path.endswith(".out_channels") for path in data.space.decisions)


def numbers_chosen(data: ReportData) -> Part:
    """What is shipped and what the search learned, against everything there was to choose from."""
    space = data.space
    title = "Widths and resolution" if space is not None and RESOLUTION in space.decisions else "Widths"
    if space is None or not numbers_are_open(data):
        return Absent(title, "the space leaves no widths open")
    found = course(data)
    chances = found.probabilities[-1] if found is not None else {}
    shipped, skipped = _shipped(data, space), _skipped(data)

    def panel(axis: str, paths: Sequence[str]) -> Panel:
        return Panel(axis, tuple(_range(space, path, chances, shipped, skipped) for path in paths))

    paths = {kind: [path for path in space.decisions if path.rpartition(".")[2] == kind] for kind in KINDS}
    panels = [panel(axis, paths[kind]) for kind, axis in KINDS.items() if paths[kind]]
    alone = panel("resolution (px)", [RESOLUTION]) if RESOLUTION in space.decisions else None
    caption = "Every layer's options as cells"
    caption += ", coloured by the probability that the search ended with" if chances else ""
    caption += ". Dots: what is shipped; rings: layers whose block is a skip." if shipped else "."
    caption += "" if alone is None else _about(alone.ranges[0])
    drawn = figure("ranges", title, _described(panels), caption, lambda: ranges.draw(panels, alone))
    return Section("ranges", title, (drawn, Details("All ranges as a table", _table(panels))))


def _table(panels: Sequence[Panel]) -> Table:
    heads = columns("Layer", "Number", "Options", "Chosen", "Its probability", words=3)
    rows = [
        [found.name, panel.title, ", ".join(f"{option:g}" for option in found.options), *_chosen(found)]
        for panel in panels
        for found in panel.ranges
    ]
    return Table("Every layer's widths and expansions.", heads, rows)


def _chosen(found: Range) -> tuple[str, str]:
    chance = found.chance
    return MISSING if found.chosen is None else f"{found.chosen:g}", MISSING if chance is None else percent(chance)


def _range(
    space: SearchSpace,
    path: str,
    chances: Mapping[str, Sequence[float]],
    shipped: Mapping[str, int],
    skipped: Collection[str],
) -> Range:
    """The decision, in increasing order of its options."""
    options = space.decisions[path].options
    order = sorted(range(len(options)), key=options.__getitem__)
    place, own = path.rpartition(".")[0].partition("[")[0] or path, chances.get(path)
    return Range(
        place.removeprefix("stages."),
        tuple(float(options[index]) for index in order),
        float(options[shipped[path]]) if path in shipped else None,
        tuple(float(own[index]) for index in order) if own is not None else None,
        place in skipped,
    )


def _shipped(data: ReportData, space: SearchSpace) -> dict[str, int]:
    """The options of the shipped network, of those decisions that make a difference in it."""
    choices = shipped_choices(data)
    if choices is None or data.architecture is None:
        return {}
    row = space.encode(data.architecture)
    return {path: index for path, index in choices.items() if matters(space, row, path)}


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


def _about(resolution: Range) -> str:
    """The resolution that was decided, in words; a picture of one column says little."""
    if resolution.chosen is None:
        return ""
    options = ", ".join(f"{option:g}" for option in resolution.options)
    chance = "" if resolution.chance is None else f", with a probability of {percent(resolution.chance)}"
    return f" Images of {resolution.chosen:g} pixels were chosen among {options}{chance}."
