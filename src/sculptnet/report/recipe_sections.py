"""What a search of recipes says: which settings mattered, the best recipe, how well accuracies were predicted."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from sculptnet import settings
from sculptnet.arch import Choices, OneOf, Recipe, SearchSpace, recipe_from_json
from sculptnet.learn import rescaled
from sculptnet.report.facts import events_of
from sculptnet.report.figures import recipes as figures
from sculptnet.report.html import Column, Content, Html, element, paragraph, table
from sculptnet.report.importance import LEAST_TRIALS, Importances, Matrix, importances
from sculptnet.report.parts import Absent, Part, Section, figure
from sculptnet.report.reinforce_sections import option_name
from sculptnet.report.render import Drawing, render
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, number, percent

TITLE = "Recipes"
ARCHITECTURE = "the architecture"
PREDICTED = "Each trial as the search predicted it before it was trained, from the trials of earlier rounds."
LEFT_OUT = "trials that were stopped early are left out."
ALL_SHORT = "these trials were stopped early, and so are less accurate."
OF_COMMANDS = ("epochs", "batch_size", "optimizer", "optimizer.learning_rate")  # commands have defaults of their own
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
    body: list[Content] = []
    drawings: list[Drawing] = []
    if found is None:
        body.append(
            paragraph(f"{len(trials)} trials of one length do not tell which settings mattered; {LEAST_TRIALS} may.")
        )
    else:
        drawings.append(_importance(found))
        body += [figure(drawings[-1], _explained(found)), _doubt(found)]
    body += _best(data, data.space)
    predicted = _predictions(data)
    if predicted is not None:
        drawings.append(predicted[0])
        body.append(figure(*predicted))
    return Section("recipes", TITLE, tuple(body), tuple(drawings))


def scored_trials(data: ReportData) -> list[tuple[Choices, float]]:
    """Rows and accuracies of the trials that came out, of the commonest length of training.

    A trial that diverged has no accuracy and is none of them, and so is one whose row is of another space.
    """
    good = _that_came_out(data)
    if not good:
        return []
    epochs = Counter(record.get("epochs") for record, _, _ in good).most_common(1)[0][0]
    return [(row, top1) for record, row, top1 in good if record.get("epochs") == epochs]


def _that_came_out(data: ReportData) -> list[tuple[Mapping[str, Any], Choices, float]]:
    """Records of the trials that came out, their rows and accuracies."""
    columns = 0 if data.space is None else len(data.space.decisions)
    found = [
        (record, tuple(record.get("choices") or ()), number((record.get("metrics") or {}).get("top1")))
        for record in data.trials
        if record.get("error") is None
    ]
    return [one for one in found if math.isfinite(one[2]) and len(one[1]) == columns]


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
        option = space.decisions[path[: match.start()]].options[int(match.group(1))]
        return f"[{_value(option)}]"

    return re.sub(r"\[(\d+)\]", named, path).removeprefix("recipe.")


def _value(option: object) -> str:
    return type(option).__name__ if is_dataclass(option) else option_name(option)


# ---------------------------------------------------------------------- importance
def _importance(found: Importances) -> Drawing:
    order = sorted(found.lost, key=lambda name: -found.lost[name])
    named = ", ".join(f"{name} {percent(found.lost[name])}" for name in order[:3])
    description = f"Bar chart of {len(order)} settings; the most important are {named}."
    return render("recipes", "Which settings mattered", description, lambda: figures.draw_importance(found.lost))


def _explained(found: Importances) -> str:
    return (
        "Permutation importance: how much of the variance between trials is no longer explained when a setting's "
        f"values are swapped among trials. The model is a ridge regression with squares; it explains "
        f"{percent(max(0.0, found.explained), 0)} of the variance between the {found.trials} trials, each predicted by "
        "a model that did not learn from it. Within the ranges that were searched, and without what settings do "
        "together. Below 0 is chance. A weight decay that several optimisers share stands under the first."
    )


def _doubt(found: Importances) -> Html | None:
    if found.explained >= LITTLE:
        return None
    text = "The model explains next to nothing, so the bars say nothing: these trials do not tell which setting "
    return paragraph(f"{text}mattered. More trials, or longer ones, may.")


# ---------------------------------------------------------------------- the best recipe
def _best(data: ReportData, space: SearchSpace) -> list[Content]:
    shipped = recipe_from_json(data.recipe) if data.recipe is not None else None
    row = _shipped_row(data, space, shipped)
    what = "The recipe of the network that is shipped"
    if row is None:
        longest = max(_that_came_out(data), key=lambda trial: (len(trial[0].get("curve") or ()), trial[2]))
        _, row, top1 = longest  # accuracies after trainings of different lengths do not compare
        shipped, what = None, f"The recipe of the best trial ({percent(top1)} on held-back training images)"
    recipe = shipped or space.decode(row).recipe
    heads = [Column(title, numeric=False) for title in ("Setting", "Searched", "Best")]
    lines = " \\\n  ".join(f"--set {entry}" for entry in set_options(recipe))
    note = paragraph("As options of ", element("code", None, "sculptnet train NETWORK DATA"), " and of other runs:")
    pasted = element("pre", None, Html(_escaped(lines))) if lines else None
    return [table(f"{what}.", heads, _rows(space, row)), note, pasted]


def _escaped(lines: str) -> str:
    """Line ends stay, which `element` would make spaces of."""
    return "\n".join(element("span", None, line).markup for line in lines.split("\n"))


def _shipped_row(data: ReportData, space: SearchSpace, recipe: Recipe | None) -> Choices | None:
    """The row of the shipped network among the trials; its recipe may be as long as none of theirs."""
    if recipe is None:
        return None
    for row in dict.fromkeys(row for _, row, _ in _that_came_out(data)):
        candidate = space.decode(row)
        if candidate.architecture == data.architecture and rescaled(candidate.recipe, recipe.epochs) == recipe:
            return row
    return None


def _rows(space: SearchSpace, row: Choices) -> list[list[Content]]:
    """Every setting, what was searched, and what the row has; a setting that another one switches off has nothing."""
    found: list[list[Content]] = []
    for column, (path, node) in enumerate(space.decisions.items()):
        if path.startswith("recipe."):
            value = _value(node.options[row[column]]) if _matters(space, row, column) else MISSING
            found.append([setting_name(space, path), _searched(node), value])
    return found


def _searched(node: OneOf) -> str:
    if node.ordered:
        return f"{node.options[0]} to {node.options[-1]}, {len(node.options)} values"
    return ", ".join(_value(option) for option in node.options)


def _matters(space: SearchSpace, row: Choices, column: int) -> bool:
    """Whether another option makes another candidate."""
    other = list(row)
    other[column] = 1 if row[column] == 0 else 0
    return tuple(space.canonical([other])[0]) != tuple(row)


def set_options(recipe: Recipe) -> tuple[str, ...]:
    """What `--set` needs to make `recipe` of the default one, or of a command's own: `recipe.dropout=0.2`."""
    found: list[str] = []
    for name, value in settings.leaves(recipe):
        made = settings.apply(Recipe(), settings.split(found, ("recipe",))["recipe"], "recipe")
        if name in OF_COMMANDS or dict(settings.leaves(made)).get(name) != value:
            found.append(f"recipe.{name}={_written(value)}")
    return tuple(found)


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# ---------------------------------------------------------------------- predictions
def _predictions(data: ReportData) -> tuple[Drawing, str] | None:
    """Of the search's own predictor, where it has one; a round that a resumed run logged twice counts once.

    Predictions are of whole trainings, so rounds that were stopped early stand in only if there are no others.
    """
    rounds = {(event.get("stage"), event.get("round")): event for event in events_of(data, "search_round")}
    told = [event for event in rounds.values() if event.get("pairs")]
    whole = [event for event in told if event.get("epochs") is None]
    pairs = [(number(predicted), number(true)) for event in whole or told for predicted, true in event["pairs"]]
    if not pairs:
        return None
    caption = PREDICTED
    if len(whole) < len(told):
        caption += " Predictions are of whole trainings; " + (LEFT_OUT if whole else ALL_SHORT)
    description = f"Scatter plot of {len(pairs)} trials."
    title = "Predicted against true accuracy"
    return render("recipe_predictions", title, description, lambda: figures.draw_predictions(pairs)), caption
