"""Minutes become epochs, images and trials once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from sculptnet.arch import Augmentation, Recipe
from sculptnet.data import Preprocessing
from sculptnet.errors import RunError
from sculptnet.files import read_json, write_json
from sculptnet.job import OpenRun
from sculptnet.listening import Listener
from sculptnet.methods.dnas import run_share, steps_of_a_candidate
from sculptnet.runs import RunDirectory, read_record, write_record
from sculptnet.spaces import fbnet
from sculptnet.stages.lengths import hindrances
from sculptnet.stages.plan import (
    LONGEST_RECIPE_TRIAL,
    MANY_RECIPE_TRIALS,
    MOST_EPOCHS,
    SearchPlan,
    Speed,
    Wishes,
    make_plan,
    most_epochs,
    note_if_early,
)

SPEED = Speed(
    search_step_s=0.1,
    train_step_s=0.05,
    batch_size=100,
    trial_measure_s=1.0,
    shipping_s=20.0,
    peak_bytes=2**30,
    torch_threads=2,
)


@pytest.mark.parametrize("minutes", [5, 10, 60, 600])
@pytest.mark.parametrize("images", [1000, 60000])
def test_a_plan_stays_within_the_minutes(minutes: float, images: int) -> None:
    plan = make_plan(minutes * 60, SPEED, images, Wishes())
    assert sum(plan.seconds.values()) <= minutes * 60
    assert plan.search_warmup_epochs < plan.search_epochs <= 90


def test_more_minutes_never_mean_less() -> None:
    plans = [make_plan(minutes * 60, SPEED, 60000, Wishes()) for minutes in (5, 20, 60, 240)]
    for shorter, longer in pairwise(plans):
        assert longer.epochs >= shorter.epochs
        assert longer.search_epochs * longer.search_images >= shorter.search_epochs * shorter.search_images


def test_a_plan_has_at_least_one_of_everything() -> None:
    plan = make_plan(0, SPEED, 60000, Wishes())
    assert (plan.epochs, plan.trials, plan.trial_epochs) == (1, 1, 0)
    assert plan.search_epochs == 12
    assert plan.search_images == 200  # a batch for weights and one for the architecture


def test_finalists_are_trained_where_there_is_time_for_two_and_always_where_training_is_the_search() -> None:
    epoch = SPEED.train_step_s * 60000 / SPEED.batch_size
    plans = [make_plan(SPEED.shipping_s + epochs * epoch, SPEED, 60000, Wishes()) for epochs in (4, 10)]
    assert (plans[0].trials, plans[0].trial_epochs) == (1, 0)
    assert plans[1].trials >= 2
    assert plans[1].trial_epochs >= 1
    assert plans[0].seconds["trials"] == plans[0].draws * SPEED.trial_measure_s
    assert make_plan(0, SPEED, 60000, Wishes(searches=False)).trials == 2
    assert (
        make_plan(0, SPEED, 60000, Wishes(trials=3)).trials,
        make_plan(0, SPEED, 60000, Wishes(trials=3)).trial_epochs,
    ) == (3, 1)


@pytest.mark.parametrize("wishes", [Wishes(), Wishes(searches=False), Wishes(searches=False, full_trials=3)])
def test_nobody_trains_for_longer_than_anybody_published(wishes: Wishes) -> None:
    day = 24 * 3600.0
    assert make_plan(3600, SPEED, 60000, wishes).epochs < make_plan(day, SPEED, 60000, wishes).epochs == MOST_EPOCHS
    few = make_plan(day, SPEED, 300, wishes).epochs
    assert few == most_epochs(3) == 667, "three steps an epoch: few images are seen more often"
    assert make_plan(day, SPEED, 60000, replace(wishes, epochs=2500)).epochs == 2500


@dataclass(frozen=True)
class _Planned:
    seconds: Mapping[str, float]
    torch_threads: int = 1


@pytest.mark.parametrize(("seconds", "notes"), [(3500.0, 0), (600.0, 1)])
def test_minutes_that_are_left_over_are_said(seconds: float, notes: int, tmp_path: Path) -> None:
    said: list[str] = []
    run = OpenRun(RunDirectory(tmp_path), Listener(said.append), lambda: 60.0, 0.0, tmp_path)
    note_if_early(run, _Planned({"training": seconds}), 60, 400)
    assert said == notes * [
        "Note: 400 epochs, since longer trainings rarely help: about 49:00 min of the 60 minutes are not used; "
        "`recipe.epochs` fixes another number"
    ]


def test_what_the_user_fixed_stays() -> None:
    plan = make_plan(600, SPEED, 60000, Wishes(search_epochs=90, search_warmup_epochs=3, epochs=7, trials=4))
    assert (plan.search_epochs, plan.search_warmup_epochs, plan.epochs, plan.trials) == (90, 3, 7, 4)
    assert plan.search_images == 60000


@pytest.mark.parametrize("searches", [True, False])
def test_as_many_of_the_best_are_trained_in_full_as_the_user_says(searches: bool) -> None:
    for count in (2, 15):
        plan = make_plan(6 * 3600, SPEED, 60000, Wishes(searches=searches, full_trials=count))
        assert plan.full_trials == count <= plan.trials
        assert plan.epochs > plan.trial_epochs
        assert sum(plan.seconds.values()) <= 6 * 3600
    assert make_plan(6 * 3600, SPEED, 60000, Wishes(searches=searches, full_trials=1)).full_trials == 0
    hurried = make_plan(0, SPEED, 60000, Wishes(searches=searches, full_trials=4))
    assert (hurried.trials, hurried.trial_epochs, hurried.full_trials, hurried.epochs) == (4, 1, 4, 2)


def test_trials_of_recipes_are_fewer_and_longer() -> None:
    plain, recipes = (
        make_plan(2 * 3600, SPEED, 6000, Wishes(searches=False, recipes=recipes)) for recipes in (False, True)
    )
    assert recipes.trials < plain.trials
    assert recipes.trial_epochs > plain.trial_epochs
    assert sum(recipes.seconds.values()) <= 2 * 3600
    longest = make_plan(1e6, SPEED, 6000, Wishes(searches=False, recipes=True))
    assert longest.trial_epochs == LONGEST_RECIPE_TRIAL
    assert longest.trials > MANY_RECIPE_TRIALS


@pytest.mark.parametrize("searches", [True, False])
@pytest.mark.parametrize("images", [40, 60000])
def test_what_is_shipped_is_trained_for_as_long_as_a_trial_at_least(searches: bool, images: int) -> None:
    for seconds in (0, 20, 60, 600):
        plan = make_plan(seconds, SPEED, images, Wishes(searches=searches))
        assert plan.epochs >= plan.trial_epochs


def test_a_method_without_supernet_has_no_search_epochs() -> None:
    plan = make_plan(600, SPEED, 60000, Wishes(searches=False))
    assert plan.search_epochs == 0
    assert plan.seconds["search"] == 0


def test_a_plan_comes_back_from_its_file_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    plan, file = make_plan(600, SPEED, 60000, Wishes()), tmp_path / "plan.json"
    write_record(file, plan)
    assert read_record(file, SearchPlan) == plan
    write_json(file, {name: value for name, value in read_json(file).items() if name != "epochs"})
    with pytest.raises(RunError, match=r"(?s)plan\.json cannot be read: .*epochs.* start anew with .*`fresh=True`"):
        read_record(file, SearchPlan)


def test_what_hinders_short_trainings_is_named_unless_the_user_set_it() -> None:
    grey = (0.5, 0.5, 0.5)
    small, photograph = Preprocessing(28, 28, grey, grey), Preprocessing(64, 73, grey, grey)
    smoothing, shifts, crops = (
        f"recipe.{name}" for name in ("label_smoothing=0", "augmentation.crop_padding=0", "augmentation.crop_scale=1")
    )
    assert hindrances(Recipe(), small, {}) == [smoothing, shifts]
    assert hindrances(Recipe(), photograph, {}) == [smoothing, crops]
    assert hindrances(Recipe(), small, {"label_smoothing": "0.1"}) == [shifts]
    plain = Recipe(label_smoothing=0.0, augmentation=Augmentation(crop_padding=0.0, crop_scale=1.0))
    assert hindrances(plain, small, {}) == hindrances(plain, photograph, {}) == []


def test_steps_of_a_candidate_are_shared_among_the_candidates_of_a_slot() -> None:
    plan = replace(make_plan(600, SPEED, 1000, Wishes()), search_epochs=10, search_images=1000)
    assert steps_of_a_candidate(plan, 100, run_share(None, fbnet(10, 32))) == pytest.approx(0.8 * 10 * 10)
    assert steps_of_a_candidate(plan, 100, run_share(3, fbnet(10, 32))) == pytest.approx(0.8 * 10 * 10 / 3)


def test_a_search_too_short_to_tell_blocks_apart_takes_a_tenth() -> None:
    enough = 20 + 0.1 * 1000 / 0.8 / 0.25  # seconds for 1,000 steps of the weights in a quarter of the time
    for seconds, run, share in ((enough + 1, 1.0, 0.25), (enough - 1, 1.0, 0.1), (enough + 1, 0.5, 0.1)):
        plan = make_plan(seconds, SPEED, 60000, Wishes(run_share=run))
        assert plan.seconds["search"] == pytest.approx(share * (seconds - 20), rel=0.1)


@pytest.mark.parametrize("recipes", [True, False])
@pytest.mark.parametrize("searches", [True, False])
@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_no_trial_is_trained_for_longer_than_what_is_shipped(epochs: int, searches: bool, recipes: bool) -> None:
    for minutes in (0, 10, 600, 60000):
        for full_trials in (None, 1, 3):
            wishes = Wishes(epochs=epochs, searches=searches, recipes=recipes, full_trials=full_trials)
            plan = make_plan(minutes * 60, SPEED, 60000, wishes)
            assert plan.epochs == epochs
            assert plan.trial_epochs <= epochs
            if plan.full_trials:
                assert plan.trial_epochs < epochs, "or the best trials would be trained twice alike"
            if full_trials == 3 and epochs > 1:
                assert plan.full_trials == 3
