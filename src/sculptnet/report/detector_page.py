"""The page on a detector: how good it is, photographs with boxes drawn, precision over recall, how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from sculptnet.average_precision import BoxScore
from sculptnet.records import Event
from sculptnet.records.card import DetectorCard
from sculptnet.report.cells import listed
from sculptnet.report.detector_search import search_parts
from sculptnet.report.facts import curves, latency_of
from sculptnet.report.figures import detection
from sculptnet.report.page import write_page
from sculptnet.report.palette import BLOCKS
from sculptnet.report.render import figure
from sculptnet.report.result_sections import of_card
from sculptnet.report.run_page import verdict_of
from sculptnet.report.source import ReportData, SectionMaker
from sculptnet.report.text import MISSING, count, duration, interval, milliseconds, percent, short, significant
from sculptnet.report.values import (
    Absent,
    Block,
    Box,
    Definitions,
    Details,
    Head,
    Inline,
    Listing,
    Notes,
    Paragraph,
    Part,
    Photograph,
    Photographs,
    Section,
    Strong,
    Table,
    Text,
    Tiles,
    columns,
)

TRUTH = "#ffffff"


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
        card: of the model.
        events: the event log, in order.
        recipe: how the detector was trained, as its file has it.
        samples: photographs.
        shown_score: boxes of lower probabilities are not in the samples.
        seconds: how long the run took in all.
        searched: what the page tells of a search; None where the network was given.
        course: the sections that tell how its search went.
    """

    title: str
    command: str
    card: DetectorCard
    events: Sequence[Event]
    recipe: Mapping[str, object]
    samples: tuple[Sample, ...]
    shown_score: float
    seconds: float
    searched: ReportData | None = None
    course: tuple[SectionMaker, ...] = ()


def write_detector_report(page: DetectorPage, folder: Path) -> Path:
    """Writes `report.html` and its figures into `folder`; returns the page's path.

    Raises:
        RunError: a file could not be written.
    """
    score = page.card.detection
    search = [] if page.searched is None else search_parts(page.searched, page.card, page.course)
    parts = [_samples(page), _precision(score), _classes(score), *search, _training(page), _used(page)]
    return write_page(folder, "detector.html", _head(page), parts)


def _head(page: DetectorPage) -> Head:
    card, score = page.card, page.card.detection
    rows: list[tuple[str, str, str]] = [
        ("mAP@0.5", percent(score.ap50), f"{score.images:,} test photographs"),
        ("mAP", percent(score.ap), "overlaps of 0.5 to 0.95"),
    ]
    rows += [
        (f"Latency, {name}", milliseconds(timing.latency_ms), interval(timing.low_ms, timing.high_ms))
        for name, timing in card.measured.items()
    ]
    rows += [
        ("Multiply-adds", count(card.macs), f"{card.preprocessing.size} pixels"),
        ("Parameters", count(card.parameters), f"{len(score.classes)} classes"),
    ]
    return Head(
        title=page.title,
        subtitle=f"SSDLite on {_backbone(card)} for {card.data.name}, timed on {card.device.name}",
        verdict=verdict_of(card.budget, None if card.budget is None else latency_of(card.judged())),
        tiles=Tiles(rows),
        warnings=card.warnings,
        command=page.command,
    )


def _backbone(card: DetectorCard) -> str:
    return card.network or f"a network that {card.method} found"


# ---------------------------------------------------------------------- samples
def _samples(page: DetectorPage) -> Part:
    title = "Sample photographs"
    if not page.samples:
        return Absent(title, "there are no test photographs")
    colours = {name: BLOCKS[index % len(BLOCKS)][2] for index, name in enumerate(page.card.classes)}
    legend: tuple[Inline, ...] = (
        "White, dashed: the objects as annotated. Colours: what the exported file finds, with its probability, from "
        f"{percent(page.shown_score, 0)} on. ",
        *(Strong(f"{name} ", colour) for name, colour in colours.items()),
    )
    photographs = Photographs([_photograph(sample, colours) for sample in page.samples])
    return Section("samples", title, (Paragraph(legend), photographs))


def _photograph(sample: Sample, colours: Mapping[str, str]) -> Photograph:
    boxes = [Box(one.box, TRUTH) for one in sample.truth]
    found = reversed(sample.found)  # the most probable on top
    boxes += [Box(one.box, colours[one.name], _label(one)) for one in found]
    described = f"{sample.name}: {len(sample.truth)} objects, {len(sample.found)} found"
    return Photograph(sample.jpeg, *sample.size, boxes, described)


def _label(one: Drawn) -> str:
    return short(one.name, 16) + ("" if one.score is None else f" {100 * one.score:.0f}")


# ---------------------------------------------------------------------- results
def _precision(score: BoxScore) -> Part:
    title = "Precision over recall"
    most = sorted(score.classes, key=lambda one: -one.boxes)
    found = {one.name: one.precision50 for one in most if one.precision50}
    described = "; ".join(f"{one.name} {percent(one.ap50)}" for one in score.classes if one.ap50 is not None)
    caption = "Boxes with an intersection over union of 0.5 at least count as found; test photographs."
    if len(found) > detection.MOST_CURVES:
        caption += f" Of {len(found)} classes the {detection.MOST_CURVES} with the most test boxes."
    described = f"Precision over recall at an overlap of 0.5; average precision: {described}."
    drawn = figure("precision", title, described, caption, lambda: detection.draw_precision(found))
    return Section("precision", title, (drawn,))


def _classes(score: BoxScore) -> Part:
    rows = [
        [one.name, f"{one.boxes:,}", *(MISSING if value is None else percent(value) for value in (one.ap50, one.ap))]
        for one in score.classes
    ]
    caption = "Average precision of each class: at an overlap of 0.5, and the mean over 0.5 to 0.95 (COCO)."
    return Section("classes", "Class by class", (Table(caption, columns("Class", "Test boxes", "AP@0.5", "AP"), rows),))


def _training(page: DetectorPage) -> Part:
    found = curves(ReportData(events=page.events))
    if not found:
        return Absent("Training", "no epoch was logged")
    curve = found[-1]
    drawn = figure(
        "training",
        "Training curves",
        f"Loss and average precision over {len(curve.epochs)} epochs.",
        "The test photographs had no part in it.",
        lambda: detection.draw_training(curve.epochs, curve.columns),
    )
    return Section("training", "Training", (drawn,))


def _used(page: DetectorPage) -> Part:
    card, data = page.card, page.card.data
    agreement = next(iter(card.parity.values()))
    splits = (
        f"{data.train_images:,} training photographs with {data.train_boxes:,} boxes, {data.monitor_images:,} "
        f"monitoring photographs with {data.monitor_boxes:,} boxes, {data.test_images:,} test photographs with "
        f"{data.test_boxes:,} boxes"
    )
    agreed = (
        f"{percent(agreement.same)} of the boxes in {agreement.num_images} photographs, up to "
        f"{significant(agreement.max_pixels, 2)} pixels apart"
    )
    pairs: list[tuple[str, Text]] = [
        *of_card(card, Notes(splits, data.notes)),
        ("Detector", listed(asdict(card.detector))),
        ("Recipe", listed(page.recipe)),
        ("Agreement with PyTorch", agreed),
        ("Time", duration(page.seconds)),
        ("Versions", listed(card.versions)),
    ]
    body: list[Block] = [Definitions(pairs)]
    if data.dropped:
        body.append(Details(f"The {len(data.dropped)} boxes that were dropped", Listing(data.dropped)))
    return Section("used", "What was used", body)
