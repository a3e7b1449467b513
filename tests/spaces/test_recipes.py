from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sculptnet.arch import Augmentation, Candidate, Recipe, RmsProp, Sgd, between, choice, from_json, to_json
from sculptnet.errors import InvalidValue, NotInSpace
from sculptnet.spaces import fbnet, fbnetv3_recipe, with_recipe
from sculptnet.zoo import BY_NAME

RECIPES = with_recipe(BY_NAME["fbnet_a"].architecture, fbnetv3_recipe())


def test_there_are_as_many_recipes_as_the_papers_table_has() -> None:
    assert RECIPES.size() == 11 * 2 * 2 * 31 * 22 * 42 * 15 == 18_905_040


def test_every_setting_is_a_decision_with_the_fields_name() -> None:
    assert list(RECIPES.decisions) == [
        "recipe.optimizer",
        "recipe.optimizer[0].learning_rate",
        "recipe.optimizer[0].weight_decay",
        "recipe.optimizer[1].learning_rate",
        "recipe.augmentation.mixup",
        "recipe.dropout",
        "recipe.drop_path",
        "recipe.ema",
    ]


def test_sgd_has_four_times_the_learning_rate_and_the_same_weight_decay() -> None:
    rates = [RECIPES.decisions[f"recipe.optimizer[{index}].learning_rate"].options for index in (0, 1)]
    assert rates[0] == (0.02, 0.021, 0.022, 0.023, 0.024, 0.025, 0.026, 0.027, 0.028, 0.029, 0.03)
    assert rates[1] == pytest.approx([4 * rate for rate in rates[0]])
    row = dict.fromkeys(RECIPES.decisions, 0) | {"recipe.optimizer": 1, "recipe.optimizer[0].weight_decay": 14}
    optimizer = RECIPES.decode(RECIPES.canonical(list(row.values()))[0]).recipe.optimizer
    assert optimizer == Sgd(0.08, weight_decay=2.1e-5)


def test_a_recipe_joins_any_space_and_both_parts_are_drawn_and_encoded() -> None:
    joint = with_recipe(fbnet(10, 32), fbnetv3_recipe())
    assert joint.size() == 9**22 * RECIPES.size()
    rows = joint.sample(np.random.default_rng(1), 5)
    found = [joint.decode(row) for row in rows]
    assert [joint.encode(candidate) for candidate in found] == [tuple(row) for row in rows]
    assert len({candidate.recipe for candidate in found}) == len({candidate.architecture for candidate in found}) == 5


def test_features_are_one_hot_for_categories_and_min_max_for_ranges() -> None:
    kinds: Any = choice(Sgd(), RmsProp())
    space = with_recipe(
        BY_NAME["fbnet_a"].architecture,
        Recipe(optimizer=kinds, dropout=between(0.1, 0.5, 0.1), ema=choice(0.0, 0.9, 0.99)),
    )
    assert list(space.decisions) == ["recipe.optimizer", "recipe.dropout", "recipe.ema"]
    features = space.features([[1, 4, 0], [0, 1, 2]])
    assert features == pytest.approx(np.array([[0, 1, 1.0, 1, 0, 0], [1, 0, 0.25, 0, 0, 1]]))


def test_a_template_of_recipes_survives_json() -> None:
    assert from_json(to_json(fbnetv3_recipe()), ()) == fbnetv3_recipe()


def test_a_value_outside_its_range_is_named_with_the_range() -> None:
    decided = RECIPES.decode([0] * len(RECIPES.decisions))
    with pytest.raises(NotInSpace, match=r"recipe\.dropout is 0\.5, the template there is choice\(0\.01, 0\.02"):
        RECIPES.encode(Candidate(decided.architecture, replace(decided.recipe, dropout=0.5)))
    with pytest.raises(InvalidValue, match=r"Recipe\.ema must be at least 0 and at most 1, got 1\.5"):
        fbnetv3_recipe(ema_decay=1.5)
    with pytest.raises(InvalidValue, match=r"RmsProp\.learning_rate must be above 0, got 0\.0"):
        fbnetv3_recipe(learning_rate_factor=0.0)
    with pytest.raises(InvalidValue, match=r"Augmentation\.mixup must be at least 0, got -0\.1"):
        Augmentation(mixup=between(-0.1, 0.1, 0.1))
