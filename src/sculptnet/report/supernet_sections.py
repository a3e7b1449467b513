"""The sections on a supernet: how its training went, how well accuracies are predicted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sculptnet.records.training_events import AccuracyPredictorChecked, ShrinkPhase, SupernetEpoch
from sculptnet.report.facts import curves, events_of, last_event
from sculptnet.report.figures import accuracy_predictor, phases
from sculptnet.report.figures.phases import PhaseCourse
from sculptnet.report.render import figure
from sculptnet.report.result_sections import training_curves
from sculptnet.report.source import ReportData
from sculptnet.report.text import DASH, MISSING, duration, number, percent, significant
from sculptnet.report.values import Absent, Block, Paragraph, Part, Section, Table, columns


def phase_courses(data: ReportData) -> tuple[PhaseCourse, ...]:
    """The phases in their order; what a resumed run logged twice counts once, the last time."""
    epochs: dict[str, dict[int, SupernetEpoch]] = {}
    for event in events_of(data, SupernetEpoch):
        epochs.setdefault(event.phase, {})[event.epoch] = event
    ends = {event.phase: event.networks for event in events_of(data, ShrinkPhase)}
    return tuple(
        PhaseCourse(
            name,
            max(epochs.get(name, {}), default=1),
            {number: row.loss for number, row in sorted(epochs.get(name, {}).items())},
            {one.network: one.metrics["top1"] for one in ends.get(name, ()) if "top1" in one.metrics},
            sum(row.seconds for row in epochs.get(name, {}).values()),
        )
        for name in dict.fromkeys([*epochs, *ends])
    )


def supernet_phases(data: ReportData) -> Part:
    """Loss over the epochs of all phases, and accuracies of networks when each ended."""
    title = "The supernet, phase by phase"
    found = phase_courses(data)
    if not found:
        return Absent(title, "no epoch of its training was logged yet")
    last = found[-1]
    described = f"Line charts over {sum(phase.epochs for phase in found)} epochs in {len(found)} phases"
    described += "".join(f"; {name} {percent(value)} after {last.name}" for name, value in last.top1.items())
    caption = (
        "Accuracy on training images that were held out, of networks that were copied out when a phase ended, with "
        "batch-norm statistics of their own: the largest and the smallest that the phase had opened, and random ones, "
        "drawn anew each time. All share one set of weights."
    )
    drawn = figure("phases", title, f"{described}.", caption, lambda: phases.draw(found))
    return Section("supernet", title, (drawn, _listed(found)))


def _listed(found: Sequence[PhaseCourse]) -> Table:
    heads = columns("Phase", "Epochs", "Time", "Loss", "Largest", "Smallest", "Random")
    rows = [
        (
            phase.name,
            f"{phase.epochs}",
            duration(phase.seconds) if phase.seconds > 0 else MISSING,
            significant(phase.losses.get(phase.epochs, math.nan)),
            *(percent(phase.top1.get(name, math.nan)) for name in phases.LOOKS),
            f"{100 * min(phase.random):.1f}{DASH}{percent(max(phase.random))}" if phase.random else MISSING,
        )
        for phase in found
    ]
    return Table("Each phase: its last loss, and accuracies when it ended.", heads, rows)


def accuracies_predicted(data: ReportData) -> Part:
    """Predicted against true accuracy of samples that the predictor did not learn from."""
    title = "Predicted against true accuracy"
    event = last_event(data, AccuracyPredictorChecked)
    if event is None or not event.pairs:
        return Absent(title, "no accuracy predictor was checked with samples of the supernet yet")
    rmse, spearman, kendall = (significant(number(v)) for v in (event.rmse_points, event.spearman, event.kendall))
    pairs = event.pairs
    described = (
        f"Scatter plot of {len(pairs)} networks that the predictor did not learn from: {rmse} points RMSE, rank "
        f"correlation {spearman} (Spearman), {kendall} (Kendall)."
    )
    caption = (
        f"The search goes by predictions; the predictor learned from {event.learned:,} random networks of the "
        f"supernet and was checked with these {len(pairs):,}. Their accuracies are those on training images that were "
        "held out. A search needs the order of networks, so the rank correlations matter most."
    )
    lines = (
        f"{len(pairs)} networks it did not learn from",
        f"{rmse} points RMSE",
        f"Spearman {spearman}, Kendall {kendall}",
    )
    true = "accuracy with the supernet's weights (%)"
    drawn = figure("accuracy_predictor", title, described, caption, lambda: accuracy_predictor.draw(pairs, true, lines))
    return Section("accuracy-predictor", title, (drawn, *_doubt(event)))


def _doubt(event: AccuracyPredictorChecked) -> tuple[Block, ...]:
    """Said where predictions are no better than the mean accuracy would be."""
    true = [accuracy for _, accuracy in event.pairs]
    mean = sum(true) / len(true)
    spread = 100 * math.sqrt(sum((accuracy - mean) ** 2 for accuracy in true) / len(true))
    if number(event.rmse_points) < spread:
        return ()
    text = (
        f"These accuracies differ by {significant(spread, 2)} points (standard deviation), no more than predictions "
        "are off: the supernet's networks can hardly be told apart. A longer training or more samples help "
        "(--minutes, --set search.samples)."
    )
    return (Paragraph(text),)


def fine_tuning(data: ReportData) -> Part:
    """The curve of what was trained after it was cut out."""
    if curves(data):
        return training_curves(data)
    return Absent("Training", "the network has the supernet's weights, without fine-tuning of its own")
