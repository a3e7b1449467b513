"""The sections on training, on what the network gets right, and on what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sculptnet.accuracy import Accuracy
from sculptnet.arch import to_json
from sculptnet.records.card import Agreement, AnyCard, ClassifierCard, ImageSource
from sculptnet.report.cells import listed
from sculptnet.report.facts import class_names, curves, files, judged_file, most_confused, times
from sculptnet.report.figures import confusion, recall, training
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData
from sculptnet.report.text import count, duration, percent, percent_interval, significant
from sculptnet.report.values import (
    Absent,
    Block,
    Code,
    Definitions,
    Details,
    Notes,
    Paragraph,
    Part,
    Section,
    Table,
    Text,
    columns,
)


def training_curves(data: ReportData) -> Part:
    """Loss, accuracy and learning rate of every training."""
    shown = [curve for curve in curves(data) if any(key in curve.columns for key, _, _ in training.PANELS)]
    if not shown:
        return Absent("Training", "no training was logged yet")
    counts = {kind: sum(curve.kind == kind for curve in shown) for kind in ("trial", "final", "baseline")}
    kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    description = f"Line charts of loss, accuracy and learning rate over epochs ({kinds})."
    caption = "Accuracy on held-back training images."
    if data.given is None:
        caption += " Thick: the found network"
        caption += "; thin: the trials of the search" if counts["trial"] else ""
        caption += "; dashed: baselines." if counts["baseline"] else "."
    drawn = figure("training", "Training curves", description, caption, lambda: training.draw(shown))
    return Section("training", "Training", (drawn,))


# ---------------------------------------------------------------------- class by class
def classes_apart(data: ReportData) -> Part:
    """Confusions and recall of every class, on the test images."""
    title, judged = "Class by class", judged_file(data)
    file = next((one for one in (judged, *files(data)) if one is not None and one.accuracy is not None), None)
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
    intro = (
        Code(file.name),
        f" on {accuracy.num_images:,} test images: accuracy {percent(accuracy.top1)}, balanced accuracy (the mean "
        f"recall of all classes) {percent(accuracy.balanced)}. Recognised worst: {worst.name}, "
        f"{percent(worst.recall)}.",
    )
    described = (
        f"Recall of {len(recalls)} classes with 95 % intervals; lowest {worst.name} with {percent(worst.recall)}."
    )
    caption = "Share of the images of each class that were recognised, worst first."
    if len(recalls) > recall.MOST_ROWS:
        caption += f" Of {len(recalls)} classes the worst {recall.MOST_ROWS}."
    dots = figure("recall", "Recall of each class", described, caption, lambda: recall.draw(recalls, accuracy.balanced))
    every = Details("Every class as a table", _every_class(recalls))
    return Section("classes", title, (Paragraph(intro), dots, *_confusions(accuracy, names), every))


def _confusions(accuracy: Accuracy, names: Sequence[str]) -> list[Block]:
    """The confusion matrix and its largest numbers; of many classes the numbers alone."""
    pairs = most_confused(accuracy, names)
    rows = [[true, other, f"{images:,}", percent(share)] for true, other, images, share in pairs]
    heads = columns("True class", "Taken for", "Images", "Share of the class", words=2)
    listing: Block = Paragraph("No image was taken for another class.")
    if pairs:
        listing = Table("The most frequent confusions.", heads, rows)
    if len(names) > confusion.MOST_CLASSES:
        return [listing]
    often = f"; most often {pairs[0][0]} is taken for {pairs[0][1]}" if pairs else ""
    described = f"Confusion matrix of {len(names)} classes{often}."
    caption = (
        "Percent of the images of each true class (rows) by what they were taken for (columns); shares below "
        "0.5\u00a0% carry no number. The steps of colour widen towards 100\u00a0%."
    )
    matrix = figure(
        "confusion", "Confusion matrix", described, caption, lambda: confusion.draw(accuracy.confusion, names)
    )
    return [matrix, Details("The most frequent confusions as a table", listing)]


def _every_class(recalls: Sequence[recall.Recall]) -> Table:
    heads = columns("Class", "Test images", "Recall", "95\u00a0% interval")
    rows = [
        [item.name, f"{item.images:,}", percent(item.recall), percent_interval(item.low, item.high)] for item in recalls
    ]
    return Table("Recall of every class.", heads, rows)


# ---------------------------------------------------------------------- what was used
def what_was_used(data: ReportData) -> Part:
    """Device, data, preprocessing, recipe, time, versions."""
    card = data.card if isinstance(data.card, ClassifierCard) else None
    pairs: list[tuple[str, Text]] = [] if card is None else of_card(card, _data(card.data))
    if card is None and data.table is not None:
        pairs.append(("Device", listed(data.table.details)))
    if data.recipe is not None:
        pairs.append(("Recipe", listed(to_json(data.recipe))))
    if card is not None and card.parity:
        pairs.append(("Agreement with PyTorch", _agreement(card.parity)))
    spent = times(data)
    if spent:
        pairs.append(("Time", "; ".join(f"{title} {duration(seconds)}" for title, seconds in spent)))
    if card is not None:
        pairs.append(("Versions", listed(card.versions)))
    pairs = [(term, meaning) for term, meaning in pairs if meaning]
    if not pairs:
        return Absent("What was used", "there is no model card yet; it is written when the network is exported")
    return Section("used", "What was used", (Definitions(pairs),))


def of_card(card: AnyCard, data: Notes) -> list[tuple[str, Text]]:
    """What the card of any model says of where it comes from; `data`: what it was trained with."""
    return [
        ("Device", listed({"name": card.device.name, **card.device.details})),
        ("Data", data),
        ("Preprocessing", listed(to_json(card.preprocessing))),
        ("First weights", card.starting_weights or ""),
    ]


def _data(source: ImageSource) -> Notes:
    line = f"{source.name}, {source.train_images:,} training images, {source.test_images:,} test images"
    notes = ["grey images, repeated to three channels"] if source.grey else []
    notes += [*source.notes, *(f"Warning: {warning}" for warning in source.warnings)]
    return Notes(line, tuple(dict.fromkeys(notes)))


def _agreement(parity: Mapping[str, Agreement]) -> str:
    return "; ".join(
        f"{name}: same class for {percent(found.same_class)} of {count(found.num_images)} images, "
        f"logits up to {significant(found.max_difference, 2)} apart"
        for name, found in parity.items()
    )
