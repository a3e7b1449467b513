"""What the page on a detector tells of the search for its backbone: trials, comparisons, the table, the course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sculptnet.average_precision import BoxScore
from sculptnet.records.card import DetectorCard
from sculptnet.records.run_events import BoxBaselineJudged
from sculptnet.report.cells import latency_cell
from sculptnet.report.facts import Point, budget, events_of, failed_trials, front, latency_of, trial_points
from sculptnet.report.figures import front as front_figure
from sculptnet.report.latency_sections import budget_in_space, table_checked
from sculptnet.report.network_sections import network
from sculptnet.report.proxy_section import proxy_checked
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData, SectionMaker
from sculptnet.report.text import count, milliseconds, percent
from sculptnet.report.values import Absent, Part, Section, Table, Text, columns

FOUND = "found detector"


def search_parts(data: ReportData, card: DetectorCard, course: Sequence[SectionMaker]) -> list[Part]:
    """The sections, in order; `course` tells how the search went."""
    told = [make(data) for make in (network, budget_in_space, table_checked, *course, proxy_checked)]
    return [precision_over_latency(data, card), comparisons(data, card), *told]


def precision_over_latency(data: ReportData, card: DetectorCard) -> Part:
    """Trials, the detector found, the comparisons, the budget."""
    title, trials = "Average precision over latency", trial_points(data)
    final = None if card.budget is None else Point(FOUND, latency_of(card.judged()), card.detection.ap)
    others = [Point(name, latency_of(one), one.detection.ap) for name, one in _newest(data).items()]
    named = [point for point in (final, *others) if point is not None]
    if not trials and not named:
        return Absent(title, "no trial has both an average precision and a latency")
    description = f"Scatter plot of {len(trials)} trials, {len(front(trials))} of them on the Pareto front"
    for point in named:
        description += f"; {point.name}: {percent(point.accuracy)} at {milliseconds(point.latency.ms)}"
    asked = budget(data)
    at_most_ms = asked.at_most if asked is not None else None
    caption = (
        "Trials: mAP on training photographs that were kept back, after a short training, by which the network was "
        "chosen; timed untrained, with what a good detector would say of a typical photograph. The found detector and "
        "comparisons: the exported file, trained in full, on the test photographs."
    )
    failed = failed_trials(data)
    if failed:
        caption += f" {failed} of {len(data.trials)} trials were over the budget or ended in an error."
    drawn = figure(
        "precision_latency",
        title,
        f"{description}.",
        caption,
        lambda: front_figure.draw(trials, final, others, at_most_ms, "mAP"),
    )
    return Section("precision-latency", title, (drawn,))


def comparisons(data: ReportData, card: DetectorCard) -> Part:
    """The found detector beside others of about the same latency."""
    title, newest = "Baselines", _newest(data)
    if not newest:
        return Absent(title, "no baselines were trained; run with --baselines")
    latency = None if card.budget is None else latency_of(card.judged())
    rows: list[list[Text]] = [[FOUND, latency_cell(latency), *_numbers(card.detection, card.macs, card.parameters)]]
    for name, one in newest.items():
        rows.append([name, latency_cell(latency_of(one)), *_numbers(one.detection, one.macs, one.parameters)])
    heads = columns("Backbone", "Latency", "mAP", "mAP@0.5", "Multiply-adds", "Parameters")
    caption = "Trained alike, judged on the same test photographs, measured on the same device; one training each."
    return Section("baselines", title, (Table(caption, heads, rows, marked=0),))


def _numbers(score: BoxScore, macs: int, parameters: int) -> tuple[str, ...]:
    return percent(score.ap), percent(score.ap50), count(macs), count(parameters)


def _newest(data: ReportData) -> Mapping[str, BoxBaselineJudged]:
    return {event.name: event for event in events_of(data, BoxBaselineJudged)}
