"""What a search of recipes says: which settings mattered, the best recipe, how well accuracies were predicted."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np

from sculptnet.arch import Choices, OneOf, Recipe, SearchSpace
from sculptnet.learn import rescaled
from sculptnet.records import TrialRecord
from sculptnet.report.choices import matters, option_name
from sculptnet.report.figures import accuracy_predictor
from sculptnet.report.figures import recipes as importance_figure
from sculptnet.report.importance import LEAST_TRIALS, Importances, Matrix, importances
from sculptnet.report.recipe_options import set_options
from sculptnet.report.render import figure
from sculptnet.report.search_sections import rounds_of
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, number, percent
from sculptnet.report.values import Absent, Block, Code, Column, Command, Figure, Paragraph, Part, Section, Table

TITLE = "Recipes"
ARCHITECTURE = "the architecture"
PREDICTED = "Each trial as the search predicted it before it was trained, from the trials of earlier rounds."
LEFT_OUT = "trials that were stopped early are left out."
ALL_SHORT = "these trials were stopped early, and so are less accurate."
LITTLE = 0.1  # of the variance; a model that explains less says nothing about its settings


def recipe_is_open(data: ReportData) -> bool:
    """Whether the run searched over recipes."""
    return data.space is not None and any(path.startswith("recipe.") for path in data.space.decisions)


def recipes(data: ReportData) -> Part:
    """Which settings of the training mattered, the best recipe, predicted against true accuracy."""
    trials = scored_trials(data)
    if data.space is None or not trials:
        return Absent(TITLE, "no trial with an open recipe came out with an accuracy")
    found = importances(features_of(data.space, [row for row, _ in trials]), np.array([top1 for _, top1 in trials]))
    few = f"{len(trials)} trials of one length do not tell which settings mattered; {LEAST_TRIALS} may."
    importance = [Paragraph(few)] if found is None else _importance(found)
    return Section("recipes", TITLE, (*importance, *_best(data, data.space), *_predictions(data)))


def scored_trials(data: ReportData) -> list[tuple[Choices, float]]:
    """Rows and accuracies of the trials that came out, of the commonest length of training.

    A trial that diverged has no accuracy and is none of them, and so is one whose row is of another space.
    """
    good = _that_came_out(data)
    if not good:
        return []
    epochs = Counter(record.epochs for record in good).most_common(1)[0][0]
    return [(record.choices, record.metrics["top1"]) for record in good if record.epochs == epochs]


def _that_came_out(data: ReportData) -> list[TrialRecord]:
    columns = 0 if data.space is None else len(data.space.decisions)
    return [
        record
        for record in data.trials
        if record.error is None and math.isfinite(number(record.metrics.get("top1"))) and len(record.choices) == columns
    ]


def features_of(space: SearchSpace, rows: list[Choices]) -> dict[str, Matrix]:
    """The features of each setting of the recipe, by its name, and those of the architecture together."""
    features, start = space.features(rows), 0
    parts: dict[str, list[Matrix]] = {}
    for path, node in space.decisions.items():
        width = 1 if node.ordered else len(node.options)
        name = setting_name(space, path) if path.startswith("recipe.") else ARCHITECTURE
        parts.setdefault(name, []).append(features[:, start : start + width])
        start += width
    return {name: np.concatenate(columns, axis=1) for name, columns in parts.items()}


def setting_name(space: SearchSpace, path: str) -> str:
    """`optimizer[Sgd].learning_rate` for `recipe.optimizer[1].learning_rate`."""

    def named(match: re.Match[str]) -> str:
        return f"[{option_name(space.decisions[path[: match.start()]].options[int(match.group(1))])}]"

    return re.sub(r"\[(\d+)\]", named, path).removeprefix("recipe.")


# ---------------------------------------------------------------------- importance
def _importance(found: Importances) -> list[Block]:
    order = sorted(found.lost, key=lambda name: -found.lost[name])
    named = ", ".join(f"{name} {percent(found.lost[name])}" for name in order[:3])
    description = f"Bar chart of {len(order)} settings; the most important are {named}."
    caption = (
        "Permutation importance: how much of the variance between trials is no longer explained when a setting's "
        f"values are swapped among trials. The model is a ridge regression with squares; it explains "
        f"{percent(max(0.0, found.explained), 0)} of the variance between the {found.trials} trials, each predicted by "
        "a model that did not learn from it. Within the ranges that were searched, and without what settings do "
        "together. Below 0 is chance. A weight decay that several optimisers share stands under the first."
    )
    title = "Which settings mattered"
    body: list[Block] = [figure("recipes", title, description, caption, lambda: importance_figure.draw(found.lost))]
    if found.explained < LITTLE:
        text = "The model explains next to nothing, so the bars say nothing: these trials do not tell which setting "
        body.append(Paragraph(f"{text}mattered. More trials, or longer ones, may."))
    return body


# ---------------------------------------------------------------------- the best recipe
def _best(data: ReportData, space: SearchSpace) -> list[Block]:
    row = _shipped_row(data, space, data.recipe)
    recipe, what = data.recipe, "The recipe of the network that is shipped"
    if row is None or recipe is None:
        # accuracies after trainings of different lengths do not compare
        longest = max(_that_came_out(data), key=lambda trial: (len(trial.curve), trial.metrics["top1"]))
        top1 = percent(longest.metrics["top1"])
        row, what = longest.choices, f"The recipe of the best trial ({top1} on held-back training images)"
        recipe = space.decode(row).recipe
    heads = [Column(title, numeric=False) for title in ("Setting", "Searched", "Best")]
    lines = " \\\n  ".join(f"--set {entry}" for entry in set_options(recipe))
    note = ("As options of ", Code("sculptnet train NETWORK DATA"), " and of other runs:")
    return [Table(f"{what}.", heads, _rows(space, row)), Paragraph(note), Command(lines)]


def _shipped_row(data: ReportData, space: SearchSpace, recipe: Recipe | None) -> Choices | None:
    """The row of the shipped network among the trials; its recipe may be as long as none of theirs."""
    if recipe is None:
        return None
    for row in dict.fromkeys(record.choices for record in _that_came_out(data)):
        candidate = space.decode(row)
        if candidate.architecture == data.architecture and rescaled(candidate.recipe, recipe.epochs) == recipe:
            return row
    return None


def _rows(space: SearchSpace, row: Choices) -> list[list[str]]:
    """Every setting, what was searched, and what the row has; a setting that another one switches off has nothing."""
    return [
        [
            setting_name(space, path),
            _searched(node),
            option_name(node.options[row[space.column[path]]]) if matters(space, row, path) else MISSING,
        ]
        for path, node in space.decisions.items()
        if path.startswith("recipe.")
    ]


def _searched(node: OneOf) -> str:
    if node.ordered:
        return f"{node.options[0]} to {node.options[-1]}, {len(node.options)} values"
    return ", ".join(map(option_name, node.options))


# ---------------------------------------------------------------------- predictions
def _predictions(data: ReportData) -> tuple[Figure, ...]:
    """Of the search's own predictor, where it has one.

    Predictions are of whole trainings, so rounds that were stopped early stand in only if there are no others.
    """
    told = [event for event in rounds_of(data) if event.pairs]
    whole = [event for event in told if event.epochs is None]
    pairs = [pair for event in whole or told for pair in event.pairs or ()]
    if not pairs:
        return ()
    caption = PREDICTED
    if len(whole) < len(told):
        caption += " Predictions are of whole trainings; " + (LEFT_OUT if whole else ALL_SHORT)
    title, description = "Predicted against true accuracy", f"Scatter plot of {len(pairs)} trials."
    drawn = figure(
        "recipe_predictions",
        title,
        description,
        caption,
        lambda: accuracy_predictor.draw(pairs, "accuracy of the trial (%)"),
    )
    return (drawn,)
