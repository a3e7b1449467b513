"""The head of the page: what was asked, what came out, the exported files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sculptnet.accuracy import Accuracy
from sculptnet.report.facts import Budget, File, Latency, budget, files, judged_file, last_event, times
from sculptnet.report.figures import feasibility
from sculptnet.report.html import Column, Content, Html, definitions, element, joined, paragraph, table, tiles
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.render import render
from sculptnet.report.source import ReportData
from sculptnet.report.text import (
    MISSING,
    NARROW,
    count,
    duration,
    interval,
    milliseconds,
    number,
    percent,
    percent_interval,
    significant,
)


def header(data: ReportData) -> Html:
    """Title, verdict, the main figures, the table of files."""
    asked, file = budget(data), judged_file(data)
    device = data.table.device if data.table is not None else ((data.card or {}).get("device") or {}).get("name")
    return joined(
        (
            element("h1", None, data.title),
            _subtitle(data, asked, device),
            _verdict(asked, file, data.given),
            _tiles(data, asked, file),
            _files(data, asked),
            warned((data.card or {}).get("warnings") or ()),
            element("pre", {"aria-label": "the command"}, element("code", None, data.command))
            if data.command
            else None,
        )
    )


def warned(texts: Sequence[str]) -> Html | None:
    """The warnings of a card."""
    if not texts:
        return None
    lines = (element("li", None, element("strong", None, "Warning: "), text) for text in texts)
    return element("ul", {"class": "plain"}, *lines)


def _subtitle(data: ReportData, asked: Budget | None, device: str | None) -> Html | None:
    source = (data.card or {}).get("data") or {}
    parts = [f"for {source['name']}"] if "name" in source else []
    if asked is not None:
        parts.append(f"with at most {milliseconds(asked.at_most_ms)} an image in {asked.precision}")
    if device is not None:
        parts.append(f"on {device}")
    return element("p", {"class": "subtitle"}, " ".join([data.given or "A network", *parts])) if parts else None


def _verdict(asked: Budget | None, file: File | None, given: str | None) -> Html:
    latency = file.latency if file is not None else None
    if asked is None:
        known = "No budget was given." if given is not None else "No budget on latency is recorded for this run."
        return element("p", {"class": "verdict"}, known)
    if latency is None:
        return element(
            "p", {"class": "verdict"}, f"{asked.file} was not measured yet, so nothing is known of the budget."
        )
    room = asked.at_most_ms - latency.ms
    share = f"{significant(abs(room), 2)}{NARROW}ms ({percent(abs(room) / asked.at_most_ms)})"
    if room < 0:
        parts = (element("strong", None, "Over budget"), f" by {share}. {_sentence(asked, latency)}.")
        return element("p", {"class": "verdict over"}, *parts)
    doubt = " The upper end of the interval lies over it." if latency.high_ms > asked.at_most_ms else ""
    parts = (element("strong", None, "Within budget"), f" by {share}. {_sentence(asked, latency)}.{doubt}")
    return element("p", {"class": "verdict"}, *parts)


def _sentence(asked: Budget, latency: Latency) -> str:
    return f"{asked.file} was measured at {milliseconds(latency.ms)}; the budget is {milliseconds(asked.at_most_ms)}"


def _tiles(data: ReportData, asked: Budget | None, file: File | None) -> Html:
    card = data.card or {}
    rows: list[tuple[str, str, str]] = []
    if file is not None and file.latency is not None:
        rows.append(("Measured latency", milliseconds(file.latency.ms), _latency_range(file.latency)))
    if file is not None and file.accuracy is not None:
        accuracy = file.accuracy
        extra = f"95{NARROW}%: {percent_interval(*accuracy.interval())}; {accuracy.num_images:,} test images"
        rows.append(("Accuracy", percent(accuracy.top1), f"{extra}; balanced {percent(accuracy.balanced)}"))
    if math.isfinite(number(card.get("macs"))):
        parameters = number(card.get("parameters"))
        extra = f"{count(parameters)} parameters" if math.isfinite(parameters) else ""
        rows.append(("Multiply-adds", count(number(card.get("macs"))), extra))
    for name, cost in (card.get("limits") or {}).items():
        rows.append(
            (name.replace("_", " ").capitalize(), _amount(number(cost["value"])), f"at most {_amount(cost['at_most'])}")
        )
    spent = data.seconds if data.seconds is not None else sum(seconds for _, seconds in times(data))
    if spent > 0:
        rows.append(("Time", duration(spent), "for the whole run" if data.seconds is not None else "timed"))
    return tiles(rows) if rows else Html("")


def _amount(value: float) -> str:
    """Counts as `count` has them, measured amounts to three digits."""
    return count(value) if value >= 100 else significant(value)


def _latency_range(latency: Latency) -> str:
    if not math.isfinite(latency.low_ms):
        return "median"
    return f"median; 95{NARROW}%: {interval(latency.low_ms, latency.high_ms)}{NARROW}ms"


def _files(data: ReportData, asked: Budget | None) -> Html:
    found = files(data)
    if not found:
        return paragraph("No exported file was measured yet.")
    columns = [
        Column("File", numeric=False),
        Column("Latency"),
        Column("Noise"),
        Column("Accuracy"),
        Column("Balanced accuracy"),
        *([Column("Budget", numeric=False)] if asked is not None else []),
    ]
    judged = next((index for index, file in enumerate(found) if asked is not None and file.name == asked.file), -1)
    caption = "The files of model/, each measured as it is shipped; ranges are 95\u00a0% intervals."
    return table(caption, columns, [_row(file, asked) for file in found], marked=judged)


def _row(file: File, asked: Budget | None) -> list[Content]:
    latency, accuracy = file.latency, file.accuracy
    noise = f"{significant(latency.noise_percent, 2)}{NARROW}%" if latency and latency.noise_percent >= 0 else MISSING
    return [
        element("code", None, file.name),
        latency_cell(latency),
        noise,
        accuracy_cell(accuracy),
        percent(accuracy.balanced) if accuracy is not None else MISSING,
        *([_file_verdict(file, asked)] if asked is not None else []),
    ]


def _file_verdict(file: File, asked: Budget) -> str:
    if file.latency is None:
        return MISSING
    verdict = "within" if file.latency.ms <= asked.at_most_ms else "over"
    return f"{verdict}, judged" if file.name == asked.file else verdict


def latency_cell(latency: Latency | None) -> Content:
    """A latency with its interval, for tables."""
    if latency is None:
        return MISSING
    if not math.isfinite(latency.low_ms):
        return milliseconds(latency.ms)
    ends = interval(latency.low_ms, latency.high_ms)
    return joined((milliseconds(latency.ms), " ", element("span", {"class": "range"}, ends)))


def accuracy_cell(accuracy: Accuracy | None) -> Content:
    """An accuracy with its interval, for tables."""
    if accuracy is None:
        return MISSING
    ends = percent_interval(*accuracy.interval())
    return joined((percent(accuracy.top1), " ", element("span", {"class": "range"}, ends)))


def budget_in_space(data: ReportData) -> Part:
    """Where the budget lies among the networks of the space."""
    title = "The budget within the search space"
    event = last_event(data, "feasibility")
    if event is None:
        return Absent(title, "the fastest and slowest networks of the space were not looked for; `sculptnet fit` does")
    fastest, median, slowest, at_most = (number(event.get(key)) for key in ("fastest", "median", "slowest", "at_most"))
    asked = budget(data)
    at_most = at_most if math.isfinite(at_most) or asked is None else asked.at_most_ms
    if not all(math.isfinite(value) for value in (fastest, median, slowest, at_most)):
        return Absent(title, "the log of the feasibility check is incomplete")
    description = (
        f"Predicted latency of the space's networks: fastest {milliseconds(fastest)}, median {milliseconds(median)}, "
        f"slowest {milliseconds(slowest)}. The budget is {milliseconds(at_most)}."
    )
    drawing = render("feasibility", title, description, lambda: feasibility.draw(fastest, median, slowest, at_most))
    caption = "Predicted by the latency table, before anything was trained. The median is that of random networks."
    return Section("feasibility", title, (figure(drawing, caption),), (drawing,))


def what_was_used(data: ReportData) -> Part:
    """Device, data, preprocessing, recipe, time, versions."""
    card = data.card or {}
    described: list[tuple[str, Content]] = []
    device = card.get("device") or (dict(data.table.details) if data.table is not None else None)
    for term, value in (
        ("Device", device),
        ("Data", _data(card.get("data"))),
        ("Preprocessing", card.get("preprocessing")),
        ("First weights", card.get("starting_weights")),
        ("Recipe", data.recipe),
    ):
        if value:
            described.append((term, listed(value)))
    if card.get("parity"):
        described.append(("Agreement with PyTorch", _agreement(card["parity"])))
    spent = times(data)
    if spent:
        described.append(("Time", "; ".join(f"{title} {duration(seconds)}" for title, seconds in spent)))
    if card.get("versions"):
        described.append(("Versions", listed(card["versions"])))
    if not described:
        return Absent("What was used", "there is no model card yet; it is written when the network is exported")
    return Section("used", "What was used", (definitions(described),))


def _data(source: Mapping[str, Any] | None) -> Content:
    if not source:
        return None
    sizes = [
        f"{int(source[key]):,} {word} images"
        for key, word in (("train_images", "training"), ("test_images", "test"))
        if key in source
    ]
    line = ", ".join([str(source.get("name", "")), *sizes])
    notes = [str(note) for note in source.get("notes") or ()]
    notes += [f"Warning: {warning}" for warning in source.get("warnings") or ()]
    if source.get("grey"):
        notes.insert(0, "grey images, repeated to three channels")
    items = (element("li", None, note) for note in dict.fromkeys(notes))
    return joined((line, element("ul", {"class": "plain"}, *items) if notes else None))


def _agreement(parity: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, found in parity.items():
        same, images, apart = (number(found.get(key)) for key in ("same_class", "num_images", "max_difference"))
        line = f"{name}: same class for {percent(same)} of {count(images)} images"
        lines.append(f"{line}, logits up to {significant(apart, 2)} apart")
    return "; ".join(lines)


def listed(value: Any) -> Content:
    """JSON data as one line of text: names and values."""
    if isinstance(value, Html):
        return value
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_one(item)}" for key, item in value.items() if item is not None and key != "kind")
    return _one(value)


def _one(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_one(item)}" for key, item in value.items()) + ")"
    if isinstance(value, (list, tuple)):
        return ", ".join(_one(item) for item in value)
    return str(value)
