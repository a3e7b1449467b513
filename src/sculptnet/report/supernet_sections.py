"""The sections on a supernet: how its training went, how well accuracies are predicted, what was not compared."""

from __future__ import annotations

import math

from sculptnet.report.facts import curves, events_of, last_event
from sculptnet.report.figures import accuracy_predictor, phases
from sculptnet.report.figures.accuracy_predictor import Checked
from sculptnet.report.figures.phases import PhaseCourse
from sculptnet.report.html import Column, Html, paragraph, table
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.render import render
from sculptnet.report.result_sections import training_curves
from sculptnet.report.source import ReportData
from sculptnet.report.text import DASH, MISSING, duration, number, percent, significant


def phase_courses(data: ReportData) -> tuple[PhaseCourse, ...]:
    """The phases in their order; what a resumed run logged twice counts once, the last time."""
    epochs: dict[str, dict[int, dict[str, float]]] = {}
    for event in events_of(data, "supernet_epoch"):
        row = {key: number(event.get(key)) for key in ("loss", "seconds")}
        epochs.setdefault(str(event["phase"]), {})[int(event["epoch"])] = row
    ends = {str(event["phase"]): event for event in events_of(data, "shrink_phase")}
    found = []
    for name in dict.fromkeys([*epochs, *ends]):
        rows = dict(sorted(epochs.get(name, {}).items()))
        networks = ends[name]["networks"] if name in ends else ()
        top1 = {str(one["network"]): number(one["metrics"].get("top1")) for one in networks}
        found.append(
            PhaseCourse(
                name,
                max(rows, default=1),
                {epoch: row["loss"] for epoch, row in rows.items()},
                {network: value for network, value in top1.items() if math.isfinite(value)},
                sum(row["seconds"] for row in rows.values() if math.isfinite(row["seconds"])),
            )
        )
    return tuple(found)


def supernet_phases(data: ReportData) -> Part:
    """Loss over the epochs of all phases, and accuracies of networks when each ended."""
    title = "The supernet, phase by phase"
    found = phase_courses(data)
    if not found:
        return Absent(title, "no epoch of its training was logged yet")
    last = found[-1]
    described = f"Line charts over {sum(phase.epochs for phase in found)} epochs in {len(found)} phases"
    described += "".join(f"; {name} {percent(value)} after {last.name}" for name, value in last.top1.items())
    drawing = render("phases", title, described + ".", lambda: phases.draw(found))
    caption = (
        "Accuracy on training images that were held out, of networks that were copied out when a phase ended, with "
        "batch-norm statistics of their own: the largest and the smallest that the phase had opened, and random ones, "
        "drawn anew each time. All share one set of weights."
    )
    return Section("supernet", title, (figure(drawing, caption), _listed(found)), (drawing,))


def _listed(found: tuple[PhaseCourse, ...]) -> Html:
    heads = ("Phase", "Epochs", "Time", "Loss", "Largest", "Smallest", "Random")
    columns = [Column(head, numeric=index > 0) for index, head in enumerate(heads)]
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
    return table("Each phase: its last loss, and accuracies when it ended.", columns, rows)


def accuracies_predicted(data: ReportData) -> Part:
    """Predicted against true accuracy of samples that the predictor did not learn from."""
    title = "Predicted against true accuracy"
    event = last_event(data, "accuracy_predictor") or {}
    pairs = tuple((number(predicted), number(true)) for predicted, true in event.get("pairs") or ())
    if not pairs:
        return Absent(title, "no accuracy predictor was checked with samples of the supernet yet")
    rmse, spearman, kendall = (number(event.get(key)) for key in ("rmse_points", "spearman", "kendall"))
    checked = Checked(pairs, int(event["learned"]), rmse, spearman, kendall)
    described = (
        f"Scatter plot of {len(pairs)} networks that the predictor did not learn from: {significant(rmse)} points "
        f"RMSE, rank correlation {significant(spearman)} (Spearman), {significant(kendall)} (Kendall)."
    )
    drawing = render("accuracy_predictor", title, described, lambda: accuracy_predictor.draw(checked))
    caption = (
        f"The search goes by predictions; the predictor learned from {checked.learned:,} random networks of the "
        f"supernet and was checked with these {len(pairs):,}. Their accuracies are those on training images that were "
        "held out. A search needs the order of networks, so the rank correlations matter most."
    )
    return Section("accuracy-predictor", title, (figure(drawing, caption), *_doubt(checked)), (drawing,))


def _doubt(checked: Checked) -> tuple[Html, ...]:
    """Said where predictions are no better than the mean accuracy would be."""
    true = [accuracy for _, accuracy in checked.pairs]
    mean = sum(true) / len(true)
    spread = 100 * math.sqrt(sum((accuracy - mean) ** 2 for accuracy in true) / len(true))
    if checked.rmse_points < spread:
        return ()
    text = (
        f"These accuracies differ by {significant(spread, 2)} points (standard deviation), no more than predictions "
        "are off: the supernet's networks can hardly be told apart. A longer training or more samples help "
        "(--minutes, --set search.samples)."
    )
    return (paragraph(text),)


def nothing_compared(data: ReportData) -> Part:
    """Why there are no baselines, and what to run instead."""
    return Absent(
        "Baselines",
        "no other network is trained like one that is cut out of a supernet, so --baselines is refused; "
        "`sculptnet train RUN/model/architecture.json DATA` trains the same network alone, `sculptnet train "
        "mobilenet_v2 DATA` another one, to compare with",
    )


def fine_tuning(data: ReportData) -> Part:
    """The curve of what was trained after it was cut out."""
    if curves(data):
        return training_curves(data)
    return Absent("Training", "the network has the supernet's weights, without fine-tuning of its own")
