"""The sections on latency, the search and the network that came out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sculptnet.accuracy import Accuracy
from sculptnet.arch import SearchSpace
from sculptnet.cost import Macs
from sculptnet.errors import NotMeasured
from sculptnet.report.facts import (
    Course,
    baseline_points,
    budget,
    course,
    events_of,
    failed_trials,
    final_point,
    front,
    last_event,
    latency_of,
    predicted_and_measured,
    shipped_choices,
    trial_points,
    untrained_trials,
)
from sculptnet.report.figures import distribution, held_out, layers, search
from sculptnet.report.figures import front as front_figure
from sculptnet.report.html import Column, Content, Html, details, element, paragraph, table
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.reinforce_sections import option_name, search_over_batches
from sculptnet.report.render import Drawing, render
from sculptnet.report.source import ReportData
from sculptnet.report.summary import accuracy_cell, latency_cell
from sculptnet.report.text import MISSING, count, milliseconds, number, percent, signed, significant


def accuracy_over_latency(data: ReportData) -> Part:
    """The main figure: trials, the network found, baselines, the budget."""
    title = "Accuracy over latency"
    trials, final, baselines = trial_points(data), final_point(data), baseline_points(data)
    if not trials and final is None:
        return Absent(title, "no trial has both an accuracy and a latency, and no exported file was measured")
    description = f"Scatter plot of {len(trials)} trials, {len(front(trials))} of them on the Pareto front"
    for point in (*((final,) if final is not None else ()), *baselines):
        description += f"; {point.name}: {percent(point.accuracy)} at {milliseconds(point.latency.ms)}"
    drawing = render(
        "accuracy_latency",
        title,
        description + ".",
        lambda: front_figure.draw(trials, final, baselines, budget(data)),
    )
    failed, untrained = failed_trials(data), untrained_trials(data)
    caption = "Trials: accuracy on held-back training images, by which the network was chosen. " if trials else ""
    caption += (
        "Found network and baselines: accuracy of the exported file on the test images; bars are 95\u00a0% intervals."
    )
    caption += (
        " Ring: the trial with the architecture that is shipped." if any(point.shipped for point in trials) else ""
    )
    if untrained and trials:
        caption += f" {untrained} more networks were measured but not trained."
    if failed:
        caption += f" {failed} of {len(data.trials)} trials ended in an error and are not shown."
    return Section("accuracy-latency", title, (figure(drawing, caption),), (drawing,))


def baselines_compared(data: ReportData) -> Part:
    """The comparison with other networks."""
    newest = {str(event["name"]): event for event in events_of(data, "baseline")}
    if not newest:
        return Absent("Baselines", "no baselines were trained; run with --baselines")
    final, card = final_point(data), data.card or {}
    rows: list[list[Content]] = []
    if final is not None:
        ends = f"{100 * final.low:.1f}\u2013{100 * final.high:.1f}\u202f%"
        accuracy = element("span", None, percent(final.accuracy), " ", element("span", {"class": "range"}, ends))
        macs, parameters = (count(number(card.get(key))) for key in ("macs", "parameters"))
        rows.append(["found network", latency_cell(final.latency), accuracy, MISSING, macs, parameters])
    for name, event in newest.items():
        result = Accuracy.from_json(event["accuracy"]) if event.get("accuracy") else None
        known = final is not None and result is not None
        rows.append(
            [
                name,
                latency_cell(latency_of(event)),
                accuracy_cell(result),
                f"{signed(100 * (result.top1 - final.accuracy))} points" if known and result and final else MISSING,
                count(number(event.get("macs"))),
                count(number(event.get("parameters"))),
            ]
        )
    heads = ("Network", "Latency", "Accuracy", "Difference", "Multiply-adds", "Parameters")
    columns = [Column(head, numeric=index > 0) for index, head in enumerate(heads)]
    caption = "Measured on the same device and the same test images; ranges are 95\u00a0% intervals."
    note = paragraph("Where the intervals of two networks overlap, these test images do not tell which is better.")
    marked = 0 if final is not None else -1
    return Section("baselines", "Baselines", (table(caption, columns, rows, marked), note))


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
    drawing = render("layers", title, description, lambda: layers.draw(found, unit))
    caption = f"Multiply-adds of each layer; together {unit.write(total)}. "
    if data.table is not None:
        caption = (
            f"Latency of each layer on {data.table.device} by its table; together with "
            f"{milliseconds(data.table.constant)} outside the layers {milliseconds(total)}. "
        )
    if skipped:
        caption += "A short line on the ground is a layer that was skipped and costs nothing. "
    caption += "Above the bars: size and channels that a stage puts out."
    return Section("network", title, (figure(drawing, caption), _every_layer(found, unit, total)), (drawing,))


def _every_layer(found: Sequence[layers.Layer], unit: layers.Unit, total: float) -> Html:
    heads = ("Layer", "Block", "Input", "Output", unit.name.capitalize(), "Share")
    columns = [Column(head, numeric=index > 1) for index, head in enumerate(heads)]
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
    return details("All layers as a table", table("Channels\u00d7height\u00d7width of every layer.", columns, rows))


def table_checked(data: ReportData) -> Part:
    """Predicted against measured latency."""
    title = "Predicted against measured latency"
    checked = data.table.held_out if data.table is not None else None
    pairs = predicted_and_measured(data)
    if (checked is None or not checked.pairs) and not pairs:
        return Absent(title, "the latency table was not checked on whole networks; `sculptnet measure` does that")
    description = f"Scatter plot of predicted and measured latency with {len(pairs)} networks that the search proposed"
    if checked is not None:
        description += (
            f" and {checked.networks} held-out ones: mean error {significant(checked.mape_percent, 2)} %, bias "
            f"{signed(checked.bias_percent)} %, rank correlation {checked.spearman:.3f}, noise floor "
            f"{significant(checked.noise_percent, 2)} %"
        )
    drawing = render("predicted_measured", title, description + ".", lambda: held_out.draw(checked, pairs))
    caption = (
        "The table predicts a network as the sum of its blocks. The noise floor is how far two halves of the same "
    )
    caption += "measurement differ: no table can be better. Bias above 0: the table predicts too much."
    doubts = data.table.warnings() if data.table is not None else ()
    notes = element("ul", {"class": "plain"}, *(element("li", None, doubt) for doubt in doubts)) if doubts else None
    return Section("table", title, (figure(drawing, caption), notes), (drawing,))


def search_over_epochs(data: ReportData) -> Part:
    """The learned distribution and the curves of the search, over epochs or over batches."""
    title = "What the search learned"
    found = course(data)
    if found is None:
        return search_over_batches(data)
    drawings: list[Drawing] = []
    body: list[Content] = []
    heat = _distribution(data, found)
    if heat is not None:
        drawings.append(heat)
        caption = "Probability of each candidate (columns, in the order of the space) in each decision (rows)."
        if shipped_choices(data) is not None:
            caption += " Rings: the network that is shipped; it need not be the likeliest one."
        body.append(figure(heat, caption))
    sizes = [len(row) for row in found.probabilities[-1].values()]
    uniform = sum(map(math.log, sizes)) / len(sizes) if sizes else None
    asked = budget(data)
    at_most = asked.at_most_ms if asked is not None and found.cost.startswith("latency_ms") else None
    curves = render("search", "The search over epochs", _described(found), lambda: search.draw(found, at_most, uniform))
    drawings.append(curves)
    caption = "The course of the search."
    if found.warm_up:
        caption += " Shaded: the warm-up, in which only weights are trained."
    body.append(figure(curves, caption))
    draws = last_event(data, "search_draws")
    rate = number((draws or {}).get("pass_rate"))
    if math.isfinite(rate):
        body.append(
            paragraph(
                f"{percent(rate)} of the networks in the final distribution keep the budget; trials are drawn from "
                "these alone."
            )
        )
    return Section("search", title, tuple(body), tuple(drawings))


def _described(found: Course) -> str:
    parts = [f"Line charts over {len(found.epochs)} epochs"]
    for key, name in (("entropy", "entropy"), ("expected_cost", "expected latency"), ("tau", "temperature")):
        values = found.columns.get(key)
        if values is not None:
            parts.append(f"{name} from {significant(float(values[0]))} to {significant(float(values[-1]))}")
    return "; ".join(parts) + "."


def _distribution(data: ReportData, found: Course) -> Drawing | None:
    last = found.probabilities[-1]
    decisions = tuple(path for path in last if not path.startswith("recipe."))
    panels = distribution.snapshots(found.epochs.tolist(), found.probabilities, decisions, found.warm_up)
    if not decisions or not panels:
        return None
    columns = _candidates(data.space, decisions, max(len(last[path]) for path in decisions))
    row = shipped_choices(data)
    chosen = [row[path] for path in decisions] if row is not None and all(path in row for path in decisions) else None
    sure = sum(max(last[path]) >= 0.9 for path in decisions)
    description = (
        f"Heat maps of {len(decisions)} decisions and up to {len(columns)} candidates at {len(panels)} epochs. At the "
        f"end {sure} decisions give one candidate at least 90 %."
    )
    title = "The learned distribution over epochs"
    return render("distribution", title, description, lambda: distribution.draw(panels, decisions, columns, chosen))


def _candidates(space: SearchSpace | None, decisions: tuple[str, ...], size: int) -> tuple[str, ...]:
    """The names of the candidates where all decisions have the same; else their numbers."""
    names = set()
    for path in decisions:
        node = space.decisions.get(path) if space is not None else None
        names.add(tuple(option_name(option) for option in node.options) if node is not None else ())
    (first, *others) = names
    return first if not others and len(first) == size else tuple(f"{index + 1}" for index in range(size))
