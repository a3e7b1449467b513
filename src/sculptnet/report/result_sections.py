"""The sections on training and on what the network gets right."""

from __future__ import annotations

from collections.abc import Sequence

from sculptnet.accuracy import Accuracy
from sculptnet.report.facts import Confused, class_names, curves, files, judged_file, most_confused
from sculptnet.report.figures import confusion, recall, training
from sculptnet.report.html import Column, Content, details, element, paragraph, table
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.render import Drawing, render
from sculptnet.report.source import ReportData
from sculptnet.report.text import percent, percent_interval


def training_curves(data: ReportData) -> Part:
    """Loss, accuracy and learning rate of every training."""
    found = curves(data)
    shown = [curve for curve in found if any(key in curve.columns for key, _, _ in training.PANELS)]
    if not shown:
        return Absent("Training", "no training was logged yet")
    counts = {kind: sum(curve.kind == kind for curve in shown) for kind in ("trial", "final", "baseline")}
    kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    description = f"Line charts of loss, accuracy and learning rate over epochs ({kinds})."
    drawing = render("training", "Training curves", description, lambda: training.draw(shown))
    caption = "Accuracy on held-back training images."
    if data.given is None:
        caption += " Thick: the found network"
        caption += "; thin: the trials of the search" if counts["trial"] else ""
        caption += "; dashed: baselines." if counts["baseline"] else "."
    return Section("training", "Training", (figure(drawing, caption),), (drawing,))


def classes_apart(data: ReportData) -> Part:
    """Confusions and recall of every class, on the test images."""
    title = "Class by class"
    file = judged_file(data)
    if file is None or file.accuracy is None:
        file = next((found for found in files(data) if found.accuracy is not None), None)
    if file is None or file.accuracy is None:
        return Absent(title, "no exported file was run on the test images yet")
    accuracy = file.accuracy
    names = class_names(data, accuracy)
    recalls = [
        recall.Recall(name, *found, sum(row))
        for name, found, row in zip(names, accuracy.per_class(), accuracy.confusion, strict=True)
        if sum(row)
    ]
    worst = min(recalls, key=lambda item: item.recall)
    intro = paragraph(
        element("code", None, file.name),
        f" on {accuracy.num_images:,} test images: accuracy {percent(accuracy.top1)}, balanced accuracy (the mean "
        f"recall of all classes) {percent(accuracy.balanced)}. Recognised worst: {worst.name}, "
        f"{percent(worst.recall)}.",
    )
    described = (
        f"Recall of {len(recalls)} classes with 95 % intervals; lowest {worst.name} with {percent(worst.recall)}."
    )
    dots = render("recall", "Recall of each class", described, lambda: recall.draw(recalls, accuracy.balanced))
    caption = "Share of the images of each class that were recognised, worst first."
    if len(recalls) > recall.MOST_ROWS:
        caption += f" Of {len(recalls)} classes the worst {recall.MOST_ROWS}."
    body: list[Content] = [intro, figure(dots, caption)]
    pairs = most_confused(accuracy, names)
    listing = _confusions(pairs)
    if len(names) > confusion.MOST_CLASSES:
        return Section("classes", title, (*body, listing, _every_class(recalls)), (dots,))
    matrix = _matrix(accuracy, names, pairs)
    caption = "Percent of the images of each true class (rows) by what they were taken for (columns); shares below "
    caption += "0.5\u00a0% carry no number. The steps of colour widen towards 100\u00a0%."
    body += [figure(matrix, caption), details("The most frequent confusions as a table", listing)]
    return Section("classes", title, (*body, _every_class(recalls)), (dots, matrix))


def _matrix(accuracy: Accuracy, names: Sequence[str], pairs: Sequence[Confused]) -> Drawing:
    often = f"; most often {pairs[0][0]} is taken for {pairs[0][1]}" if pairs else ""
    described = f"Confusion matrix of {len(names)} classes{often}."
    return render("confusion", "Confusion matrix", described, lambda: confusion.draw(accuracy.confusion, names))


def _confusions(pairs: Sequence[Confused]) -> Content:
    if not pairs:
        return paragraph("No image was taken for another class.")
    heads = ("True class", "Taken for", "Images", "Share of the class")
    columns = [Column(head, numeric=index > 1) for index, head in enumerate(heads)]
    rows = [[true, other, f"{images:,}", percent(share)] for true, other, images, share in pairs]
    return table("The most frequent confusions.", columns, rows)


def _every_class(recalls: list[recall.Recall]) -> Content:
    columns = [Column("Class", numeric=False), Column("Test images"), Column("Recall"), Column("95\u00a0% interval")]
    rows = [
        [item.name, f"{item.images:,}", percent(item.recall), percent_interval(item.low, item.high)] for item in recalls
    ]
    return details("Every class as a table", table("Recall of every class.", columns, rows))
