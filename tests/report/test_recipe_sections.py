"""What the page of a search of recipes shows besides."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.report.made_up import text_of

from sculptnet import settings
from sculptnet.arch import Cosine, Exponential, Recipe, RmsProp, SearchSpace, Sgd, Steps, between, choice
from sculptnet.learn import rescaled
from sculptnet.methods import FBNetV3
from sculptnet.records import TrialRecord
from sculptnet.records.search_events import SearchRound
from sculptnet.report import Absent, ReportData, Section, write_report
from sculptnet.report.importance import LEAST_TRIALS
from sculptnet.report.recipe_options import set_options
from sculptnet.report.recipe_sections import features_of, scored_trials, setting_name
from sculptnet.report.sections import recipe_is_open, recipes
from sculptnet.spaces import with_recipe
from sculptnet.zoo import BY_NAME

KINDS: Any = choice(RmsProp(), Sgd(between(0.1, 0.5, 0.1)))
SPACE = with_recipe(
    BY_NAME["fbnet_a"].architecture,
    Recipe(optimizer=KINDS, schedule=Exponential(0.9, 1.0), dropout=between(0.0, 0.4, 0.1), ema=choice(0.0, 0.99)),
)


ROUND = SearchRound(stage="coarse", round=1, candidates=8, failed=0, epochs=None)


def trials(space: SearchSpace, count: int, noise: float = 0.003) -> list[TrialRecord]:
    """Dropout is best at 0.2, averaging is a little worse, the rest does nothing."""
    rng = np.random.default_rng(3)
    found = []
    for number, row in enumerate(space.sample(rng, count)):
        recipe = space.decode(row).recipe
        top1 = 0.8 - 2.5 * (recipe.dropout - 0.2) ** 2 - 0.01 * (recipe.ema > 0) + float(rng.normal(0, noise))
        metrics = {"top1": top1, "measured_latency_ms": 1.0}
        found.append(TrialRecord(number, tuple(row.tolist()), epochs=3, metrics=metrics))
    return found


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(epochs=7, optimizer=RmsProp(0.025, weight_decay=1.2e-5), schedule=Exponential(0.963, 0.5), dropout=0.2),
        Recipe(schedule=Steps((3, 5.5), warmup_epochs=1.0), ema=0.9999),
    ],
)
def test_the_options_make_the_recipe_again(recipe: Recipe) -> None:
    given = settings.split(set_options(recipe), ("recipe",))["recipe"]
    assert settings.apply(Recipe(), given, "recipe") == recipe
    of_a_command = Recipe(epochs=9, batch_size=32, optimizer=Sgd(0.025))
    assert settings.apply(of_a_command, given, "recipe") == recipe


def test_trials_of_another_length_and_those_that_diverged_do_not_count() -> None:
    logged = trials(SPACE, 6)
    logged[1] = replace(logged[1], epochs=30)
    logged[2] = replace(logged[2], error="the loss is nan in epoch 1", metrics={})
    logged.append(TrialRecord(6, (0,), epochs=3, metrics={"top1": 0.5}))  # of another space
    assert len(scored_trials(ReportData(space=SPACE, trials=logged))) == 4


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    logged = trials(SPACE, 60)
    best = max(logged, key=lambda trial: trial.metrics["top1"])
    shipped = SPACE.decode(best.choices)
    data = ReportData(
        space=SPACE,
        trials=logged,
        architecture=shipped.architecture,
        recipe=rescaled(shipped.recipe, 12),
        events=(
            ROUND,
            replace(ROUND, round=2, pairs=((0.7, 0.72),)),
            replace(ROUND, round=2, pairs=((0.7, 0.73),)),
            replace(ROUND, round=3, stage="fine", pairs=((0.75, 0.74),)),
        ),
    )
    folder = tmp_path_factory.mktemp("report")
    return write_report(data, FBNetV3().sections(data), folder).read_text(encoding="utf-8")


def test_the_page_names_the_most_important_setting_first(page: str) -> None:
    assert "Bar chart of 4 settings; the most important are dropout" in page
    assert re.search(r"it explains 9\d\s%", page)
    assert "Scatter plot of 2 trials" in page


def test_the_page_has_the_best_recipe_as_options(page: str) -> None:
    assert '<th scope="row">dropout</th><td>0.0 to 0.4, 5 values</td><td>0.2</td>' in page
    block = re.search(r"<pre><code>(--set .*?)</code></pre>", page, re.DOTALL)
    assert block is not None
    lines = html.unescape(block.group(1)).split(" \\\n  ")
    assert "--set recipe.epochs=12" in lines
    assert "--set recipe.dropout=0.2" in lines


def test_the_best_recipe_is_that_of_the_longest_trainings_as_long_as_nothing_is_shipped() -> None:
    logged = trials(SPACE, 12)
    for number, record in enumerate(logged):
        length = 2 if number < 8 else 6
        metrics = {"top1": 0.9 - 0.1 * (length == 6) + number / 1000}
        logged[number] = replace(record, epochs=length, curve=({},) * length, metrics=metrics)
    text = text_of(recipes(ReportData(space=SPACE, trials=logged)))
    assert "The recipe of the best trial (81.1" in text


def test_the_shipped_recipe_is_found_where_its_length_and_schedule_were_searched_too() -> None:
    kinds: Any = choice(Cosine(), Exponential(0.9, 1.0))
    space = with_recipe(SPACE.architecture, replace(SPACE.recipe, epochs=choice(4, 8), schedule=kinds))
    logged = trials(space, 20)
    shipped = space.decode(logged[7].choices)
    recipe = rescaled(shipped.recipe, 12)
    data = ReportData(space=space, trials=logged, architecture=shipped.architecture, recipe=recipe)
    text = text_of(recipes(data))
    assert "The recipe of the network that is shipped" in text
    assert "--set recipe.epochs=12" in html.unescape(text)


@pytest.mark.parametrize(
    ("lengths", "count", "told"),
    [
        ((None, None), 5, None),
        ((2, None), 2, "trials that were stopped early are left out"),
        ((2, 2), 5, "these trials were stopped early, and so are less accurate"),
    ],
)
def test_whole_trainings_are_compared_with_predictions_of_whole_trainings(
    lengths: tuple[int | None, ...], count: int, told: str | None
) -> None:
    events = [
        replace(ROUND, round=number, epochs=epochs, pairs=((0.7, 0.6 + number / 10),) * (4 - number))
        for number, epochs in enumerate(lengths, start=1)
    ]
    text = text_of(recipes(ReportData(space=SPACE, trials=trials(SPACE, 3), events=events)))
    assert f"Scatter plot of {count} trials" in text
    assert ("Predictions are of whole trainings" in text) == (told is not None)
    assert told is None or told in text


def test_without_trials_the_section_says_why_it_is_absent() -> None:
    assert isinstance(recipes(ReportData(space=SPACE)), Absent)
    few = recipes(ReportData(space=SPACE, trials=trials(SPACE, 3)))
    assert isinstance(few, Section)
    assert not few.drawings


def test_only_searches_of_recipes_have_the_section() -> None:
    found, plain = FBNetV3().sections(ReportData(space=SPACE)), FBNetV3().sections(ReportData())
    assert recipes in found
    assert plain == tuple(one for one in found if one is not recipes)


def test_settings_are_named_by_their_path_and_by_the_option_that_they_belong_to() -> None:
    names = [setting_name(SPACE, path) for path in SPACE.decisions]
    assert names == ["optimizer", "optimizer[Sgd].learning_rate", "dropout", "ema"]


def test_a_setting_has_a_column_for_a_range_and_one_for_each_category() -> None:
    features = features_of(SPACE, [record.choices for record in trials(SPACE, 5)])
    assert {name: columns.shape for name, columns in features.items()} == {
        "optimizer": (5, 2),
        "optimizer[Sgd].learning_rate": (5, 1),
        "dropout": (5, 1),
        "ema": (5, 2),
    }


def test_a_setting_that_another_one_switches_off_has_no_best() -> None:
    logged = trials(SPACE, 12)
    best = max(logged, key=lambda trial: trial.metrics["top1"])
    optimizer = SPACE.decode(best.choices).recipe.optimizer
    text = text_of(recipes(ReportData(space=SPACE, trials=[replace(one, curve=({},)) for one in logged])))
    assert type(optimizer).__name__ in text
    rate = "0.1 to 0.5, 5 values"
    assert (f"{rate}\u2014" in text) == isinstance(optimizer, RmsProp)


def test_bars_that_say_nothing_are_said_to() -> None:
    rng = np.random.default_rng(0)
    noise = [replace(one, metrics={"top1": float(rng.random())}) for one in trials(SPACE, LEAST_TRIALS)]
    assert "so the bars say nothing" in text_of(recipes(ReportData(space=SPACE, trials=noise)))
    assert "so the bars say nothing" not in text_of(recipes(ReportData(space=SPACE, trials=trials(SPACE, 60))))


def test_a_space_of_architectures_alone_opens_no_recipe(full_run: ReportData) -> None:
    assert recipe_is_open(ReportData(space=SPACE))
    assert not recipe_is_open(full_run)
    assert not recipe_is_open(ReportData())
