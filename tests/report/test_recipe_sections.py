"""What the page of a search of recipes shows besides."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sculptnet import settings
from sculptnet.arch import Cosine, Exponential, Recipe, RmsProp, SearchSpace, Sgd, Steps, between, choice, to_json
from sculptnet.learn import rescaled
from sculptnet.methods import FBNetV3
from sculptnet.report import ReportData, write_report
from sculptnet.report.importance import LEAST_TRIALS, importances, ridge
from sculptnet.report.parts import Absent, Section
from sculptnet.report.recipe_sections import recipes, scored_trials, set_options
from sculptnet.spaces import with_recipe
from sculptnet.zoo import BY_NAME

KINDS: Any = choice(RmsProp(), Sgd(between(0.1, 0.5, 0.1)))
SPACE = with_recipe(
    BY_NAME["fbnet_a"].architecture,
    Recipe(optimizer=KINDS, schedule=Exponential(0.9, 1.0), dropout=between(0.0, 0.4, 0.1), ema=choice(0.0, 0.99)),
)


def trials(space: SearchSpace, count: int) -> list[dict[str, Any]]:
    """Dropout is best at 0.2, averaging is a little worse, the rest does nothing."""
    rng = np.random.default_rng(3)
    found = []
    for number, row in enumerate(space.sample(rng, count)):
        recipe = space.decode(row).recipe
        top1 = 0.8 - 2.5 * (recipe.dropout - 0.2) ** 2 - 0.01 * (recipe.ema > 0) + float(rng.normal(0, 0.003))
        metrics = {"top1": top1, "measured_latency_ms": 1.0}
        found.append({"trial": number, "choices": row.tolist(), "epochs": 3, "metrics": metrics, "error": None})
    return found


def test_a_ridge_regression_finds_a_plane() -> None:
    inputs = np.random.default_rng(0).normal(size=(30, 3))
    scores = inputs @ [1.0, -2.0, 0.0] + 5
    assert ridge(inputs, scores)(np.eye(3)) == pytest.approx([6, 3, 5], abs=0.01)


def test_the_share_that_a_setting_explains_is_lost_without_it_and_no_other_share_is() -> None:
    rng = np.random.default_rng(0)
    inputs = {name: rng.random((400, 1)) for name in ("much", "little", "none")}
    scores = 3 * inputs["much"][:, 0] + inputs["little"][:, 0]
    found = importances(inputs, scores)
    assert found is not None
    assert found.explained == pytest.approx(1, abs=1e-3)
    # swapped values are independent of the scores: twice the setting's share of the variance, 0.9 and 0.1
    assert found.lost["much"] == pytest.approx(1.8, abs=0.1)
    assert found.lost["little"] == pytest.approx(0.2, abs=0.03)
    assert found.lost["none"] == pytest.approx(0, abs=1e-3)


def test_the_best_of_a_range_may_lie_inside_it() -> None:
    values = np.linspace(0, 1, 50)[:, None]
    found = importances({"range": values}, -((values[:, 0] - 0.5) ** 2))
    assert found is not None
    assert found.explained > 0.99


def test_few_or_equal_trials_say_nothing() -> None:
    assert importances({"one": np.ones((LEAST_TRIALS - 1, 1))}, np.arange(LEAST_TRIALS - 1.0)) is None
    assert importances({"one": np.ones((LEAST_TRIALS, 1))}, np.full(LEAST_TRIALS, 0.5)) is None


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
    logged[1]["epochs"] = 30
    logged[2] |= {"error": "the loss is nan in epoch 1", "metrics": {}}
    assert len(scored_trials(ReportData(space=SPACE, trials=logged))) == 4


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    logged = trials(SPACE, 60)
    best = max(logged, key=lambda trial: trial["metrics"]["top1"])
    shipped = SPACE.decode(best["choices"])
    data = ReportData(
        space=SPACE,
        trials=logged,
        architecture=shipped.architecture,
        recipe=to_json(rescaled(shipped.recipe, 12)),
        events=(
            {"event": "search_round", "stage": "coarse", "round": 1},
            {"event": "search_round", "stage": "coarse", "round": 2, "pairs": [[0.7, 0.72]]},
            {"event": "search_round", "stage": "coarse", "round": 2, "pairs": [[0.7, 0.73]]},
            {"event": "search_round", "stage": "fine", "round": 3, "pairs": [[0.75, 0.74]]},
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
    block = re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert block is not None
    lines = html.unescape(re.sub("<.*?>", "", block.group(1))).split(" \\\n  ")
    assert "--set recipe.epochs=12" in lines
    assert "--set recipe.dropout=0.2" in lines


def text_of(part: object) -> str:
    assert isinstance(part, Section)
    return part.markup().markup


def test_the_best_recipe_is_that_of_the_longest_trainings_as_long_as_nothing_is_shipped() -> None:
    logged = trials(SPACE, 12)
    for number, trial in enumerate(logged):
        length = 2 if number < 8 else 6
        trial |= {
            "epochs": length,
            "curve": [{}] * length,
            "metrics": {"top1": 0.9 - 0.1 * (length == 6) + number / 1000},
        }
    text = text_of(recipes(ReportData(space=SPACE, trials=logged)))
    assert "The recipe of the best trial (81.1" in text


def test_the_shipped_recipe_is_found_where_its_length_and_schedule_were_searched_too() -> None:
    kinds: Any = choice(Cosine(), Exponential(0.9, 1.0))
    space = with_recipe(SPACE.architecture, replace(SPACE.recipe, epochs=choice(4, 8), schedule=kinds))
    logged = trials(space, 20)
    shipped = space.decode(logged[7]["choices"])
    recipe = to_json(rescaled(shipped.recipe, 12))
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
        {"event": "search_round", "round": number, "epochs": epochs, "pairs": [[0.7, 0.6 + number / 10]] * (4 - number)}
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
