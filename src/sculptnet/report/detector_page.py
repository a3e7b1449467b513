"""The page on a detector: how good it is, photographs with boxes drawn, precision over recall, how it was made."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from sculptnet.data.detection import BoxScore
from sculptnet.report.facts import curves
from sculptnet.report.figures import detection
from sculptnet.report.html import Column, Content, Html, definitions, details, element, joined, paragraph, table, tiles
from sculptnet.report.page import write_page
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.render import render
from sculptnet.report.source import ReportData
from sculptnet.report.style import BLOCKS
from sculptnet.report.summary import listed, warned
from sculptnet.report.text import MISSING, count, duration, interval, milliseconds, percent, short, significant
from sculptnet.state import Event

TRUTH = "#ffffff"
LEAST_WIDTH = 380  # of a sample, pixels of the page, where the screen has them


@final
@dataclass(frozen=True)
class Drawn:
    """A box on a photograph.

    Attributes:
        name: of its class.
        box: left, top, right, bottom, pixels of the photograph.
        score: its probability; None of a true one.
    """

    name: str
    box: tuple[float, ...]
    score: float | None


@final
@dataclass(frozen=True)
class Sample:
    """A photograph with the objects in it and what was found.

    Attributes:
        name: of its file.
        jpeg: the photograph, at any size.
        size: width and height that boxes count in.
        truth, found: the boxes.
    """

    name: str
    jpeg: bytes
    size: tuple[int, int]
    truth: tuple[Drawn, ...]
    found: tuple[Drawn, ...]


@final
@dataclass(frozen=True, eq=False)
class DetectorPage:
    """Everything that the page shows.

    Attributes:
        title: such as the name of the run.
        command: that made the run, as typed.
        card: `model/card.json`, parsed.
        events: the event log, in order.
        recipe: `model/recipe.json`, parsed.
        samples: photographs.
        shown_score: boxes of lower probabilities are not in the samples.
        seconds: how long the run took in all.
    """

    title: str
    command: str
    card: Mapping[str, Any]
    events: Sequence[Event]
    recipe: Mapping[str, Any]
    samples: tuple[Sample, ...]
    shown_score: float
    seconds: float


def write_detector_report(page: DetectorPage, folder: Path) -> Path:
    """Writes `report.html` and its figures into `folder`; returns the page's path.

    Raises:
        RunError: a file could not be written.
    """
    score = BoxScore.from_json(page.card["detection"])
    parts = [_samples(page), _precision(score), _classes(score), _training(page), _used(page)]
    return write_page(folder, page.title, _head(page, score), parts)


def _head(page: DetectorPage, score: BoxScore) -> Html:
    card = page.card
    device = card["device"]["name"]
    subtitle = f"SSDLite on {card['network']} for {card['data']['name']}, timed on {device}"
    rows: list[tuple[str, str, str]] = [
        ("mAP@0.5", percent(score.ap50), f"{score.images:,} test photographs"),
        ("mAP", percent(score.ap), "overlaps of 0.5 to 0.95"),
    ]
    rows += [
        (f"Latency, {name}", milliseconds(timing["latency_ms"]), interval(timing["low_ms"], timing["high_ms"]))
        for name, timing in card["measured"].items()
    ]
    rows += [
        ("Multiply-adds", count(card["macs"]), f"{card['preprocessing']['size']} pixels"),
        ("Parameters", count(card["parameters"]), f"{len(score.classes)} classes"),
    ]
    return joined(
        (
            element("h1", None, page.title),
            element("p", {"class": "subtitle"}, subtitle),
            _verdict(card),
            warned(card.get("warnings") or ()),
            tiles(rows),
            element("pre", {"aria-label": "the command"}, element("code", None, page.command)),
        )
    )


def _verdict(card: Mapping[str, Any]) -> Html:
    budget = card["budget"]
    if budget is None:
        return element("p", {"class": "verdict"}, "No budget was given.")
    measured = card["measured"][budget["file"]]["latency_ms"]
    said = f"{budget['file']} was measured at {milliseconds(measured)}; the budget is "
    said += f"{milliseconds(budget['at_most'])}."
    if card["within_budget"]:
        return element("p", {"class": "verdict"}, element("strong", None, "Within budget"), f". {said}")
    return element("p", {"class": "verdict over"}, element("strong", None, "Over budget"), f". {said}")


# ---------------------------------------------------------------------- samples
def _samples(page: DetectorPage) -> Part:
    title = "Sample photographs"
    if not page.samples:
        return Absent(title, "there are no test photographs")
    names = [str(name) for name in page.card["classes"]]
    legend = paragraph(
        "White, dashed: the objects as annotated. Colours: what the exported file finds, with its probability, from "
        f"{percent(page.shown_score, 0)} on. ",
        *(element("strong", {"style": f"color:{colour}"}, f"{name} ") for name, colour in _colours(names).items()),
    )
    columns = f"display:grid;gap:0 20px;grid-template-columns:repeat(auto-fill,minmax(min(100%,{LEAST_WIDTH}px),1fr))"
    grid = element("div", {"style": columns}, *(_sample(sample, names) for sample in page.samples))
    return Section("samples", title, (legend, grid))


def _colours(names: Sequence[str]) -> dict[str, str]:
    return {name: BLOCKS[index % len(BLOCKS)][2] for index, name in enumerate(names)}


def _sample(sample: Sample, names: Sequence[str]) -> Html:
    width, height = sample.size
    colours, unit = _colours(names), max(width, height) / 640
    content = base64.b64encode(sample.jpeg).decode()
    image = {"href": f"data:image/jpeg;base64,{content}", "width": str(width), "height": str(height)}
    shapes = [element("image", image)]
    shapes += [_rectangle(one, TRUTH, 1.5 * unit, dashed=True) for one in sample.truth]
    for one in reversed(sample.found):  # the most probable on top
        shapes += [_rectangle(one, colours[one.name], 2.0 * unit), _label(one, colours[one.name], unit)]
    described = f"{sample.name}: {len(sample.truth)} objects, {len(sample.found)} found"
    svg = element(
        "svg",
        {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": described},
        *shapes,
    )
    return element("figure", None, svg, element("figcaption", None, described))


def _rectangle(one: Drawn, colour: str, line: float, dashed: bool = False) -> Html:
    left, top, right, bottom = one.box
    shape = {
        "x": f"{left:.1f}",
        "y": f"{top:.1f}",
        "width": f"{right - left:.1f}",
        "height": f"{bottom - top:.1f}",
        "fill": "none",
        "stroke": colour,
        "stroke-width": f"{line:.2f}",
    }
    return element("rect", {**shape, "stroke-dasharray": f"{3 * line:.1f} {2 * line:.1f}"} if dashed else shape)


def _label(one: Drawn, colour: str, unit: float) -> Html:
    left, top, _, _ = one.box
    text = short(one.name, 16) + ("" if one.score is None else f" {100 * one.score:.0f}")
    place = {
        "x": f"{left + 2 * unit:.1f}",
        "y": f"{max(top - 3 * unit, 11 * unit):.1f}",
        "fill": colour,
        "stroke": TRUTH,
        "stroke-width": f"{2.5 * unit:.1f}",
        "paint-order": "stroke",
        "font-size": f"{11 * unit:.1f}",
        "font-weight": "600",
    }
    return element("text", place, text)


# ---------------------------------------------------------------------- results
def _precision(score: BoxScore) -> Part:
    most = sorted(score.classes, key=lambda one: -one.boxes)
    found = {one.name: one.precision50 for one in most if one.precision50}
    described = "; ".join(f"{one.name} {percent(one.ap50)}" for one in score.classes if one.ap50 is not None)
    drawing = render(
        "precision",
        "Precision over recall",
        f"Precision over recall at an overlap of 0.5; average precision: {described}.",
        lambda: detection.draw_precision(found),
    )
    caption = "Boxes with an intersection over union of 0.5 at least count as found; test photographs."
    if len(found) > detection.MOST_CURVES:
        caption += f" Of {len(found)} classes the {detection.MOST_CURVES} with the most test boxes."
    return Section("precision", "Precision over recall", (figure(drawing, caption),), (drawing,))


def _classes(score: BoxScore) -> Part:
    columns = [Column("Class", numeric=False), Column("Test boxes"), Column("AP@0.5"), Column("AP")]
    rows = [
        [one.name, f"{one.boxes:,}", *(MISSING if value is None else percent(value) for value in (one.ap50, one.ap))]
        for one in score.classes
    ]
    caption = "Average precision of each class: at an overlap of 0.5, and the mean over 0.5 to 0.95 (COCO)."
    return Section("classes", "Class by class", (table(caption, columns, rows),))


def _training(page: DetectorPage) -> Part:
    found = curves(ReportData(events=page.events, given=str(page.card["network"])))
    if not found:
        return Absent("Training", "no epoch was logged")
    curve = found[-1]
    drawing = render(
        "training",
        "Training curves",
        f"Loss and average precision over {len(curve.epochs)} epochs.",
        lambda: detection.draw_training(curve.epochs, curve.columns),
    )
    return Section("training", "Training", (figure(drawing, "The test photographs had no part in it."),), (drawing,))


def _used(page: DetectorPage) -> Part:
    card, data = page.card, page.card["data"]
    agreement = next(iter(card["parity"].values()))
    notes = [element("li", None, str(note)) for note in data["notes"]]
    splits = ", ".join(
        f"{data[f'{name}_images']:,} {word} photographs with {data[f'{name}_boxes']:,} boxes"
        for name, word in (("train", "training"), ("monitor", "monitoring"), ("test", "test"))
    )
    lines: list[tuple[str, Content]] = [
        ("Device", listed(card["device"])),
        ("Data", joined((splits, element("ul", {"class": "plain"}, *notes) if notes else None))),
        ("Preprocessing", listed(card["preprocessing"])),
        ("First weights", listed(card["starting_weights"])),
        ("Detector", listed(card["detector"])),
        ("Recipe", listed(page.recipe)),
        (
            "Agreement with PyTorch",
            f"{percent(agreement['same'])} of the boxes in {agreement['num_images']} photographs, up to "
            f"{significant(agreement['max_pixels'], 2)} pixels apart",
        ),
        ("Time", duration(page.seconds)),
        ("Versions", listed(card["versions"])),
    ]
    dropped = [element("li", None, str(line)) for line in data["dropped"]]
    folded = details(f"The {len(dropped)} boxes that were dropped", element("ul", {"class": "plain"}, *dropped))
    return Section("used", "What was used", (definitions(lines), folded if dropped else None))
