"""The sections on latency: against accuracy, against other networks, within the space, against the table."""

from __future__ import annotations

from sculptnet.records.run_events import Feasibility
from sculptnet.report.cells import accuracy_cell, latency_cell
from sculptnet.report.facts import (
    FOUND,
    baseline_points,
    baselines,
    budget,
    failed_trials,
    final_point,
    front,
    last_event,
    latency_of,
    predicted_and_measured,
    trial_points,
    untrained_trials,
)
from sculptnet.report.figures import feasibility, held_out
from sculptnet.report.figures import front as front_figure
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, count, milliseconds, percent, percent_interval, rounded, signed, significant
from sculptnet.report.values import Absent, Block, Listing, Paragraph, Part, Ranged, Section, Table, Text, columns


def accuracy_over_latency(data: ReportData) -> Part:
    """The main figure: trials, the network found, baselines, the budget."""
    title = "Accuracy over latency"
    trials, final, others = trial_points(data), final_point(data), baseline_points(data)
    if not trials and final is None:
        return Absent(title, "no trial has both an accuracy and a latency, and no exported file was measured")
    description = f"Scatter plot of {len(trials)} trials, {len(front(trials))} of them on the Pareto front"
    for point in (*((final,) if final is not None else ()), *others):
        description += f"; {point.name}: {percent(point.accuracy)} at {milliseconds(point.latency.ms)}"
    failed, untrained = failed_trials(data), untrained_trials(data)
    caption = "Trials: accuracy on held-back training images, by which the network was chosen. " if trials else ""
    caption += (
        "Found network and baselines: accuracy of the exported file on the test images; bars are 95\u00a0% intervals."
    )
    if any(point.shipped for point in trials):
        caption += " Ring: the trial with the architecture that is shipped."
    if untrained and trials:
        caption += f" {untrained} more networks were measured but not trained."
    if failed:
        caption += f" {failed} of {len(data.trials)} trials ended in an error and are not shown."
    asked = budget(data)
    at_most_ms = asked.at_most if asked is not None else None
    drawn = figure(
        "accuracy_latency",
        title,
        f"{description}.",
        caption,
        lambda: front_figure.draw(trials, final, others, at_most_ms),
    )
    return Section("accuracy-latency", title, (drawn,))


def baselines_compared(data: ReportData) -> Part:
    """The comparison with other networks."""
    others, final = baselines(data), final_point(data)
    if not others:
        return Absent("Baselines", "no baselines were trained; run with --baselines")
    rows: list[list[Text]] = []
    if final is not None and data.card is not None:
        accuracy = Ranged(percent(final.accuracy), percent_interval(final.low, final.high))
        counts = (count(data.card.macs), count(data.card.parameters))
        rows.append([FOUND, latency_cell(final.latency), accuracy, MISSING, *counts])
    for one in others:
        apart = MISSING if final is None else f"{signed(100 * (one.accuracy.top1 - final.accuracy))} points"
        counts = (count(one.macs), count(one.parameters))
        rows.append([one.name, latency_cell(latency_of(one)), accuracy_cell(one.accuracy), apart, *counts])
    heads = columns("Network", "Latency", "Accuracy", "Difference", "Multiply-adds", "Parameters")
    caption = "Measured on the same device and the same test images; ranges are 95\u00a0% intervals."
    table = Table(caption, heads, rows, marked=0 if final is not None else -1)
    note = "Where the intervals of two networks overlap, these test images do not tell which is better."
    return Section("baselines", "Baselines", (table, Paragraph(note)))


def nothing_compared(data: ReportData) -> Part:
    """Why there are no baselines, and what to run instead."""
    return Absent(
        "Baselines",
        "no other network is trained like one that is cut out of a supernet, so --baselines is refused; "
        "`sculptnet train RUN/model/architecture.json DATA` trains the same network alone, `sculptnet train "
        "mobilenet_v2 DATA` another one, to compare with",
    )


def budget_in_space(data: ReportData) -> Part:
    """Where the budget lies among the networks of the space."""
    title = "The budget within the search space"
    event = last_event(data, Feasibility)
    if event is None:
        return Absent(title, "the fastest and slowest networks of the space were not looked for; `sculptnet fit` does")
    description = (
        f"Predicted latency of the space's networks: fastest {milliseconds(event.fastest)}, median "
        f"{milliseconds(event.median)}, slowest {milliseconds(event.slowest)}. The budget is "
        f"{milliseconds(event.at_most)}."
    )
    caption = "Predicted by the latency table, before anything was trained. The median is that of random networks."
    ends = (event.fastest, event.median, event.slowest, event.at_most)
    drawn = figure("feasibility", title, description, caption, lambda: feasibility.draw(*ends))
    return Section("feasibility", title, (drawn,))


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
            f"{signed(checked.bias_percent)} %, rank correlation {rounded(checked.spearman, 3)}, noise floor "
            f"{significant(checked.noise_percent, 2)} %"
        )
    caption = (
        "The table predicts a network as the sum of its blocks. The noise floor is how far two halves of the same "
        "measurement differ: no table can be better. Bias above 0: the table predicts too much."
    )
    body: list[Block] = [
        figure("predicted_measured", title, f"{description}.", caption, lambda: held_out.draw(checked, pairs))
    ]
    doubts = data.table.warnings() if data.table is not None else ()
    if doubts:
        body.append(Listing(doubts))
    return Section("table", title, body)
