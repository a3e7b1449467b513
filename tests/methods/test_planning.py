"""What a plan says of itself, and what is said of trainings that are too short for what they are asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.methods.flows import SHORT, SPACE, fitted, job_of

from sculptnet import spaces
from sculptnet.arch import Augmentation, Recipe
from sculptnet.cost import Macs
from sculptnet.errors import InvalidValue
from sculptnet.methods import FBNet, FBNetV3, Given, MnasNet, Random
from sculptnet.methods.planning import describe_plan
from sculptnet.methods.scratch import full_trials_problems
from sculptnet.networks import with_open_recipe
from sculptnet.search import Limit, Objective, Problem
from sculptnet.stages.lengths import FEW_EPOCHS, fixed_names, has_recipes, hindrances, length_notes
from sculptnet.stages.plan import SearchPlan
from sculptnet.words import differences, first, minutes, several, share_of, times

PLAN = SearchPlan(12, 4, 800, 6, 3, 2, 30, {"search": 61.0, "training": 3700.0}, 2**31, 2, 0)


def test_a_plan_is_told_in_the_order_of_its_stages() -> None:
    assert describe_plan(PLAN, 12_300_000) == (
        "Plan: search 12 epochs of 800 images; 3 finalists for 2 epochs each; final training 30 epochs\n"
        "Expected: 1:02 h (search 1:01 min, training 1:01 h); a typical network in the budget has 12.3 M MACs; "
        "2.0 GiB of memory in trial steps; torch uses 2 threads"
    )
    given = describe_plan(PLAN, 12_300_000, network_given=True)
    assert "; the network has 12.3 M MACs; " in given, "no budget, and no typical one"
    trials = replace(PLAN, search_epochs=0, draws=3, trial_epochs=1, full_trials=2, torch_threads=1)
    assert describe_plan(trials, 1).startswith(
        "Plan: 3 trials for 1 epoch each; the best 2 for 30 epochs; final training 30 epochs\n"
    )
    assert "; one finalist, since there is no time to compare several; " in describe_plan(
        replace(PLAN, trials=1, trial_epochs=0), 1
    )


def test_a_share_never_reads_as_none_or_all_where_it_is_not() -> None:
    shares = (0.0, 0.0004, 0.01, 0.5, 0.996, 1.0)
    assert [share_of(one) for one in shares] == ["0%", "under 1%", "1%", "50%", "over 99%", "100%"]
    assert [times(count) for count in (1, 2, 5, 7)] == ["once", "twice", "five times", "7 times"]


def test_times_and_numbers_read_as_people_say_them() -> None:
    assert [minutes(seconds) for seconds in (0.2, 59, 60, 3599, 3600, 7500)] == [
        "1 s",
        "59 s",
        "1:00 min",
        "59:59 min",
        "1:00 h",
        "2:05 h",
    ]
    assert (several(1, "epoch"), several(0, "epoch"), several(2, "epoch")) == ("1 epoch", "0 epochs", "2 epochs")
    assert first("abc", 3) == ["a", "b", "c"]
    assert first("abcde", 3) == ["a", "b", "c", "and 2 more"]
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None}) == [
        "b is 2 there and 3 here",
        "c is absent there and None here",
    ]


def test_of_a_whole_recipe_all_is_fixed_that_plans_look_at(tmp_path: Path) -> None:
    named = job_of(tmp_path / "named", Random()).options
    assert set(fixed_names(named)) == set(SHORT)
    whole = replace(named, recipe=Recipe())
    assert set(fixed_names(whole)) == {
        "epochs",
        "label_smoothing",
        "augmentation.crop_padding",
        "augmentation.crop_scale",
    }
    assert set(fixed_names(replace(named, recipe=None))) == set()


def test_what_hinders_short_trainings_depends_on_how_images_are_cut_and_on_what_was_set(tmp_path: Path) -> None:
    preprocessing = job_of(tmp_path / "run", Random()).preprocessing
    photographs = replace(preprocessing, resize=preprocessing.resolution + 8)
    recipe = Recipe(label_smoothing=0.1, augmentation=Augmentation(crop_scale=0.3, crop_padding=0.1))
    assert hindrances(recipe, preprocessing, ()) == ["recipe.label_smoothing=0", "recipe.augmentation.crop_padding=0"]
    assert hindrances(recipe, photographs, ()) == ["recipe.label_smoothing=0", "recipe.augmentation.crop_scale=1"]
    assert hindrances(recipe, photographs, ("label_smoothing",)) == ["recipe.augmentation.crop_scale=1"]
    off = replace(recipe, label_smoothing=0.0, augmentation=Augmentation(crop_padding=0.0))
    assert hindrances(off, preprocessing, ()) == []


@pytest.mark.parametrize(
    ("epochs", "trial_epochs", "opened", "expected"),
    [
        (FEW_EPOCHS, 1, False, 0),
        (FEW_EPOCHS - 1, 1, False, 1),
        (FEW_EPOCHS - 1, 1, True, 2),
        (30, FEW_EPOCHS - 1, True, 1),
        (30, FEW_EPOCHS, True, 0),
        (30, 0, True, 0),
    ],
)
def test_notes_are_for_short_trainings_and_for_short_trials_of_recipes(
    epochs: int, trial_epochs: int, opened: bool, expected: int, tmp_path: Path
) -> None:
    method = FBNetV3() if opened else Random()
    job = job_of(tmp_path / "run", method)
    assert has_recipes(job.space) == opened
    notes = length_notes(job, replace(PLAN, epochs=epochs, trial_epochs=trial_epochs))
    assert len(notes) == expected
    assert any("FBNetV3's recipes are for long trainings" in note for note in notes) == (expected == 2)


# ---------------------------------------------------------------------- requests
def test_trials_in_full_that_cannot_be_are_named(tmp_path: Path) -> None:
    options = job_of(tmp_path / "run", Random(), full_trials=3).options
    assert full_trials_problems(options, 3) == full_trials_problems(options, None) == []
    (few,) = full_trials_problems(options, 2)
    assert few == "`full_trials` 3: the settings of search make only 2 trials; raise them, or leave one of the two out"
    one_epoch: list[Any] = [{"epochs": "1"}, {"epochs": 1}, Recipe(epochs=1)]
    for recipe in one_epoch:
        (short,) = full_trials_problems(replace(options, recipe=recipe), None)
        assert short.startswith("`full_trials` 3: with `recipe.epochs=1` every trial is trained in full; ")
    more: list[Any] = [None, {"batch_size": 8}, Recipe(epochs=2)]
    for recipe in more:
        assert full_trials_problems(replace(options, recipe=recipe), None) == []


def test_a_method_that_is_given_its_network_searches_no_space(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"method given searches no space; `train` and `search_recipe` take a net"):
        fitted(tmp_path / "run", method=Given())
    assert not (tmp_path / "run").exists()


def test_what_a_trial_beyond_the_budget_costs_is_a_random_networks_share_over_one_within(tmp_path: Path) -> None:
    space = SPACE(3, 16)
    every = Problem(space, (Objective("top1"),), (Limit(Macs(), 1e12),))
    assert MnasNet().trial_cost(every, 0) == pytest.approx(1.0, abs=0.05)
    tight = replace(every, limits=(Limit(Macs(), 1.05 * every.factored[0].of([[0, 0, 0]])[0]),))
    assert MnasNet().trial_cost(tight, 0) > 1.5
    assert MnasNet().trial_cost(tight, 0) == MnasNet().trial_cost(tight, 0)
    assert Random().trial_cost(tight, 0) == 1.0


def test_recipes_that_a_space_has_open_stay_its_own() -> None:
    own = spaces.with_recipe(SPACE(3, 16), spaces.fbnetv3_recipe(batch_size=64))
    assert with_open_recipe(lambda classes, resolution: own)(3, 16) is own
    assert has_recipes(with_open_recipe(SPACE)(3, 16))
    assert not has_recipes(SPACE(3, 16))


def test_settings_of_differentiable_searches_that_are_open_are_planned(tmp_path: Path) -> None:
    said: list[str] = []
    method = FBNet(epochs=3, warmup_epochs=1, draws=2)
    job = job_of(tmp_path / "run", method, said=said)
    plan = method.plan(job, method.target(job).problem)
    assert (plan.search_epochs, plan.search_warmup_epochs, plan.trials) == (3, 1, 2)
    assert plan.epochs == int(SHORT["epochs"])
    said.clear()
    assert method.plan(job, method.target(job).problem) == plan, "made once, kept with the run"
    assert not any(text.startswith("Plan:") for text in said)
