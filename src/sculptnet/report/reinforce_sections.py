"""What a controller learned, and how diverse the layers of a found network are (MnasNet)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from sculptnet.arch import Architecture, Block, SearchSpace, first_open
from sculptnet.cost import Macs
from sculptnet.errors import NotMeasured
from sculptnet.report.facts import columns_of, events_of, shipped_choices
from sculptnet.report.figures import diversity, latencies_around, layers, reward
from sculptnet.report.figures.latencies_around import Around
from sculptnet.report.figures.reward import Batches
from sculptnet.report.html import Content
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.render import Drawing, render
from sculptnet.report.source import ReportData
from sculptnet.report.text import percent, short, significant
from sculptnet.state import Event

NEAR = 0.1  # of the target
LEAST = 4  # candidates whose distribution says something
WIDTHS = ("depth", "out_channels")  # decisions that make no other kind of layer


def batches_of(data: ReportData) -> tuple[Batches, tuple[Event, ...]] | None:
    """The batches of reinforcement learning in order, a batch that was logged twice as it was the last time."""
    rows = {int(event["batch"]): event for event in events_of(data, "search_batch")}
    if not rows:
        return None
    _, columns = columns_of(rows)
    return Batches(columns["candidates"], columns), tuple(rows[number] for number in sorted(rows))


def search_over_batches(data: ReportData) -> Part:
    """The reward curve, the latencies of what was drawn, the controller's entropy."""
    title = "What the search learned"
    found = batches_of(data)
    if found is None:
        return Absent(title, "no course of a search was logged; methods without epochs show in their trials alone")
    batches, events = found
    rewards, entropies = (batches.columns.get(name, np.array([math.nan])) for name in ("reward", "entropy"))
    description = (
        f"Line charts over {len(events)} batches: mean reward from {_first(rewards)} to {_last(rewards)}, entropy of "
        f"the controller from {_first(entropies)} to {_last(entropies)} nats a decision."
    )
    uniform = _uniform_entropy(data.space)
    curves = render("reward", "Reward over batches", description, lambda: reward.draw(batches, uniform))
    text = f"Accuracy times a power of latency over the target, over {int(batches.candidates[-1]):,} candidates drawn. "
    failed = sum(int(event.get("failed", 0)) for event in events)
    text += f"{failed} of them failed and taught nothing. " if failed else ""
    text += "Entropy: 0 is a controller that always draws the same network."
    body: list[Content] = [figure(curves, text)]
    drawings = [curves]
    latencies = _around(events)
    if latencies is not None:
        drawings.append(latencies)
        body.append(figure(latencies, latencies.description))
    return Section("search", title, tuple(body), tuple(drawings))


def _around(events: Sequence[Event]) -> Drawing | None:
    """The distribution of the costs of candidates around the target."""
    costs = np.array([cost for event in events for cost in event.get("costs") or ()], dtype=np.float64)
    named = next((event for event in reversed(events) if event.get("cost")), None)
    if named is None or len(costs) < LEAST:
        return None
    name, target = str(named["cost"]), float(named["at_most"])
    axis = "latency (ms)" if name.startswith("latency_ms") else short(name)
    first, last = (_shares(part, target) for part in np.split(costs, [len(costs) // 2]))
    description = (
        f"Drawn candidates over {axis}, as in figure 6 of MnasNet. Of the first half {first[0]} are within the target "
        f"of {significant(target)} and {first[1]} near it (10\u00a0%); of the second half {last[0]} and {last[1]}. The "
        "reward weighs the target and does not enforce it; the network that is shipped is within the budget."
    )
    title = "Latencies around the target"
    return render("latencies_around", title, description, lambda: latencies_around.draw(Around(costs, target, axis)))


def _shares(costs: np.ndarray[tuple[int, ...], np.dtype[np.float64]], target: float) -> tuple[str, str]:
    near = np.abs(costs / target - 1) <= NEAR
    return percent(float((costs <= target).mean()), 0), percent(float(near.mean()), 0)


def _first(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    known = values[np.isfinite(values)]
    return significant(float(known[0])) if len(known) else "unknown"


def _last(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return _first(values[::-1])


def _uniform_entropy(space: SearchSpace | None) -> float | None:
    """Of a decision, where every option is equally likely."""
    return None if space is None else float(np.log(space.num_options).mean())


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
        named = {"found": layers.layers_of(data.architecture, cost), "repeated": layers.layers_of(repeated, cost)}
    except NotMeasured as error:
        return Absent(title, str(error))
    described = {name: _kinds_and_total(found, cost.constant, unit) for name, found in named.items()}
    titles = {
        f"found: {described['found']}": named["found"],
        f"its commonest decisions everywhere: {described['repeated']}": named["repeated"],
    }
    description = f"Two rows of bars, one a layer. Above, {'; below, '.join(titles)}."
    drawing = render("diversity", title, description, lambda: diversity.draw(titles, unit))
    caption = (
        "Colour is the kind of layer. Below, the same widths and depths, with one kind repeated wherever the space "
        "allows. In MnasNet (table 6) networks of one kind were slower or less accurate than the diverse one; which it "
        "is here, only training both would tell."
    )
    return Section("diversity", title, (figure(drawing, caption),), (drawing,))


def repeating(space: SearchSpace, architecture: Architecture) -> Architecture | None:
    """`architecture` with the commonest option wherever the same is decided several times; widths and depths stay.

    None if nothing is decided more than once.
    """
    row = np.array([space.encode(architecture)], dtype=np.int64)
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for column, (path, node) in enumerate(space.decisions.items()):
        name = path.rpartition(".")[2]
        if path.startswith("stages.") and name not in WIDTHS:
            kind = "block" if name.isdigit() else name
            groups.setdefault((kind, tuple(option_name(option) for option in node.options)), []).append(column)
    repeated = row.copy()
    for columns in groups.values():
        picks = Counter(int(row[0, column]) for column in columns if matters(space, row, column))
        if picks:
            repeated[0, columns] = picks.most_common(1)[0][0]
    if all(len(columns) == 1 for columns in groups.values()):
        return None
    return space.decode(space.canonical(repeated)[0]).architecture


def option_name(option: object) -> str:
    """The name of an option: the label of a decided block, the class of one that is still open, else its value."""
    if isinstance(option, Block):
        return option.label() if first_open(option) is None else type(option).__name__
    return str(option)


def matters(space: SearchSpace, row: np.ndarray[tuple[int, ...], np.dtype[np.int64]], column: int) -> bool:
    """Whether another option of that decision makes another candidate; `row`: one row of choices, `(1, decisions)`."""
    other = row.copy()
    other[0, column] = 1 if row[0, column] == 0 else 0
    return bool((space.canonical(other) != row).any())


def _kinds_and_total(found: Sequence[layers.Layer], constant: float, unit: layers.Unit) -> str:
    kinds = len({layer.label for layer in found if layer.stage >= 0})
    total = unit.write(constant + sum(layer.cost for layer in found))
    return f"{kinds} kind{'s' if kinds > 1 else ''} of layers, {total}{' multiply-adds' if unit is layers.MACS else ''}"
