"""The page of a run: what was asked, what came out, the exported files, and the sections of its method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from sculptnet.records.card import Budget
from sculptnet.report.cells import accuracy_cell, latency_cell
from sculptnet.report.facts import File, Latency, budget, files, judged_file, times
from sculptnet.report.page import write_page
from sculptnet.report.source import ReportData, SectionMaker
from sculptnet.report.text import (
    MISSING,
    NARROW,
    amount,
    count,
    duration,
    interval,
    milliseconds,
    percent,
    percent_interval,
    significant,
)
from sculptnet.report.values import Block, Code, Column, Head, Paragraph, Table, Text, Tiles, Verdict, columns


def write_report(source: ReportData, sections: Sequence[SectionMaker], folder: Path) -> Path:
    """Writes `report.html` and `figures/NAME.png` of `sections` into `folder`; returns the page's path.

    Raises:
        RunError: as `write_page`.
    """
    return write_page(folder, "run.html", head(source), [make(source) for make in sections])


def head(data: ReportData) -> Head:
    """Title, verdict, the main numbers, the table of files."""
    asked, file = budget(data), judged_file(data)
    return Head(
        title=data.title,
        subtitle=_subtitle(data, asked),
        verdict=verdict_of(asked, file.latency if file is not None else None, searched=data.given is None),
        tiles=_tiles(data, file),
        files=_files(data, asked),
        warnings=data.card.warnings if data.card is not None else (),
        command=data.command or "",
    )


def _subtitle(data: ReportData, asked: Budget | None) -> str:
    parts = [f"for {data.card.data.name}"] if data.card is not None else []
    if asked is not None:
        parts.append(f"with at most {milliseconds(asked.at_most)} an image in {asked.precision.value}")
    if data.table is not None:
        parts.append(f"on {data.table.device}")
    elif data.card is not None:
        parts.append(f"on {data.card.device.name}")
    return " ".join([data.given or "A network", *parts]) if parts else ""


def verdict_of(asked: Budget | None, latency: Latency | None, *, searched: bool = False) -> Verdict:
    """Whether a measured latency is within the budget, and by how much; a search has a budget, whether it is known."""
    if asked is None:
        return Verdict("No budget on latency is recorded for this run." if searched else "No budget was given.")
    if latency is None:
        return Verdict(f"{asked.file} was not measured yet, so nothing is known of the budget.")
    room = asked.at_most - latency.ms
    said = f" by {significant(abs(room), 2)}{NARROW}ms ({percent(abs(room) / asked.at_most)}). "
    said += f"{asked.file} was measured at {milliseconds(latency.ms)}; the budget is {milliseconds(asked.at_most)}."
    if room < 0:
        return Verdict(said, "Over budget", over=True)
    doubt = " The upper end of the interval lies over it." if latency.high_ms > asked.at_most else ""
    return Verdict(said + doubt, "Within budget")


def _tiles(data: ReportData, file: File | None) -> Tiles | None:
    rows: list[tuple[str, str, str]] = []
    if file is not None and file.latency is not None:
        rows.append(("Measured latency", milliseconds(file.latency.ms), _latency_range(file.latency)))
    if file is not None and file.accuracy is not None:
        accuracy = file.accuracy
        extra = f"95{NARROW}%: {percent_interval(*accuracy.interval())}; {accuracy.num_images:,} test images"
        rows.append(("Accuracy", percent(accuracy.top1), f"{extra}; balanced {percent(accuracy.balanced)}"))
    if data.card is not None:
        rows.append(("Multiply-adds", count(data.card.macs), f"{count(data.card.parameters)} parameters"))
        for name, cost in data.card.limits.items():
            most = f"at most {amount(cost.at_most)}"
            rows.append((name.replace("_", " ").capitalize(), amount(cost.value), most))
    spent = data.seconds if data.seconds is not None else sum(seconds for _, seconds in times(data))
    if spent > 0:
        rows.append(("Time", duration(spent), "for the whole run" if data.seconds is not None else "timed"))
    return Tiles(rows) if rows else None


def _latency_range(latency: Latency) -> str:
    if not math.isfinite(latency.low_ms):
        return "median"
    return f"median; 95{NARROW}%: {interval(latency.low_ms, latency.high_ms)}{NARROW}ms"


def _files(data: ReportData, asked: Budget | None) -> Block:
    found = files(data)
    if not found:
        return Paragraph("No exported file was measured yet.")
    heads = columns("File", "Latency", "Noise", "Accuracy", "Balanced accuracy")
    verdicts = (Column("Budget", numeric=False),) if asked is not None else ()
    judged = next((index for index, file in enumerate(found) if asked is not None and file.name == asked.file), -1)
    caption = "The files of model/, each measured as it is shipped; ranges are 95\u00a0% intervals."
    return Table(caption, (*heads, *verdicts), [_row(file, asked) for file in found], marked=judged)


def _row(file: File, asked: Budget | None) -> list[Text]:
    latency, accuracy = file.latency, file.accuracy
    noise = f"{significant(latency.noise_percent, 2)}{NARROW}%" if latency is not None else MISSING
    balanced = percent(accuracy.balanced) if accuracy is not None else MISSING
    row: list[Text] = [Code(file.name), latency_cell(latency), noise, accuracy_cell(accuracy), balanced]
    return row if asked is None else [*row, _file_verdict(file, asked)]


def _file_verdict(file: File, asked: Budget) -> str:
    if file.latency is None:
        return MISSING
    found = "within" if file.latency.ms <= asked.at_most else "over"
    return f"{found}, judged" if file.name == asked.file else found
