"""Minutes become the epochs of a supernet's phases, samples and images once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tests.learn.conftest import Colours

from sculptnet.arch import Recipe
from sculptnet.errors import InvalidValue
from sculptnet.methods.shrinking import Schedule, ShortEpochs, Shrinking, phases_of
from sculptnet.methods.supernet_plan import SupernetPlan, SupernetSpeed, SupernetWishes, make_supernet_plan
from sculptnet.methods.supernet_planning import few_steps
from sculptnet.records.codec import from_plain, to_plain
from sculptnet.spaces import ofa_mobilenet_v3

SANDWICH = SupernetWishes({"sandwich": 360})
PROGRESSIVE = SupernetWishes({"full": 180, "kernel": 125, "depth 1": 25, "depth 2": 125, "width 1": 25, "width 2": 125})
IMAGES = (8000, 2000)


def speed(wishes: SupernetWishes) -> SupernetSpeed:
    return SupernetSpeed(dict.fromkeys(wishes.shares, 0.1), 128, 1e-3, 4.0, 20.0, 2**30, 2)


@pytest.mark.parametrize("wishes", [SANDWICH, PROGRESSIVE])
@pytest.mark.parametrize("minutes", [10, 60, 600])
def test_a_plan_stays_within_the_minutes(wishes: SupernetWishes, minutes: float) -> None:
    plan = make_supernet_plan(minutes * 60, speed(wishes), IMAGES, wishes)
    assert sum(plan.seconds.values()) <= minutes * 60
    assert plan.epochs.keys() == wishes.shares.keys()
    assert min(plan.epochs.values()) >= 1
    assert plan.samples >= 40


def test_without_time_there_is_the_least_that_makes_sense() -> None:
    plan = make_supernet_plan(0.0, speed(PROGRESSIVE), IMAGES, PROGRESSIVE)
    assert (sum(plan.epochs.values()), min(plan.epochs.values()), plan.images) == (24, 1, 128)
    assert (plan.samples, plan.calibration_images, plan.held_out_images, plan.fine_tune_epochs) == (40, 200, 200, 0)


def test_phases_share_the_epochs_as_published() -> None:
    plan = make_supernet_plan(3600.0, speed(PROGRESSIVE), IMAGES, replace(PROGRESSIVE, epochs=605))
    assert dict(plan.epochs) == dict(PROGRESSIVE.shares)
    assert plan.images == 8000, "epochs that the user fixed are whole"


@pytest.mark.parametrize("wishes", [SANDWICH, PROGRESSIVE])
def test_where_whole_epochs_take_too_long_they_are_of_fewer_images(wishes: SupernetWishes) -> None:
    wishes = replace(wishes, fine_tune_epochs=0)
    plan = make_supernet_plan(600.0, speed(wishes), (480_000, 2000), wishes)
    assert plan.images < 480_000
    assert plan.images % 128 == 0
    shares = {name: count / sum(wishes.shares.values()) for name, count in wishes.shares.items()}
    for name, count in plan.epochs.items():
        assert count == pytest.approx(shares[name] * sum(plan.epochs.values()), abs=1)
    steps_s = sum(plan.epochs.values()) * plan.images / 128 * 0.1
    looks_s = 5 * len(shares) * (plan.calibration_images + plan.held_out_images) * 1e-3
    assert plan.seconds["supernet"] == pytest.approx(steps_s + looks_s)
    assert 0.9 * 600 < sum(plan.seconds.values()) <= 600


def test_where_there_is_time_epochs_are_whole() -> None:
    assert make_supernet_plan(3600.0, speed(SANDWICH), IMAGES, SANDWICH).images == 8000


def test_short_epochs_are_whole_ones_in_pieces_from_any_step_on() -> None:
    whole = Colours(steps_per_epoch=3)
    short = ShortEpochs(whole, 2)
    expected = [batch for epoch in range(2) for batch in whole.epoch(epoch)]
    pieces = [batch for epoch in range(3) for batch in short.epoch(epoch)]
    for (images, labels), (other_images, other_labels) in zip(pieces, expected, strict=True):
        assert torch.equal(images, other_images)
        assert torch.equal(labels, other_labels)
    (last,) = short.epoch(1, 1)
    assert torch.equal(last[0], pieces[3][0])
    assert not list(short.epoch(1, 2))


def test_what_the_user_fixed_stays() -> None:
    wishes = replace(SANDWICH, epochs=7, samples=33, calibration_images=50, fine_tune_epochs=0)
    plan = make_supernet_plan(3600.0, speed(SANDWICH), IMAGES, wishes)
    assert (plan.epochs["sandwich"], plan.samples, plan.calibration_images, plan.fine_tune_epochs) == (7, 33, 50, 0)


def test_few_images_are_used_whole() -> None:
    plan = make_supernet_plan(3600.0, speed(SANDWICH), (45, 12), SANDWICH)
    assert (plan.calibration_images, plan.held_out_images) == (45, 12)


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = make_supernet_plan(3600.0, speed(SANDWICH), IMAGES, SANDWICH)
    assert from_plain(json.loads(json.dumps(to_plain(plan))), SupernetPlan) == plan
    with pytest.raises(InvalidValue, match="expected a record of kind SupernetPlan, found 'SearchPlan'"):
        from_plain({**to_plain(plan), "record": "SearchPlan"}, SupernetPlan)
    with pytest.raises(InvalidValue) as caught:
        from_plain({"record": "SupernetPlan", "version": 1, "trials": 3}, SupernetPlan)
    assert "required field missing @ SupernetPlan.epochs" in str(caught.value)
    assert "extra fields found (trials) @ SupernetPlan" in str(caught.value)


@pytest.mark.parametrize(("schedule", "names"), [(Schedule.SANDWICH, SANDWICH), (Schedule.PROGRESSIVE, PROGRESSIVE)])
def test_phases_have_the_runs_recipe_and_rates_in_proportion(schedule: Schedule, names: SupernetWishes) -> None:
    recipe = Recipe(batch_size=32, label_smoothing=0.05)
    phases = phases_of(ofa_mobilenet_v3(3, 32), schedule, recipe)
    assert {phase.name: phase.recipe.epochs for phase in phases} == dict(names.shares)
    for phase in phases:
        assert (phase.recipe.batch_size, phase.recipe.label_smoothing) == (32, 0.05)
    rates = {phase.name: phase.recipe.optimizer.learning_rate for phase in phases}
    first = 0.8 / 2.6 if schedule is Schedule.SANDWICH else 1.0
    assert next(iter(rates.values())) == pytest.approx(recipe.optimizer.learning_rate * first)


def test_settings_out_of_range_are_named_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        Shrinking(epochs=0, samples=3, draws=0)
    text = str(caught.value)
    for expected in (
        "epochs must be at least 1, got 0",
        "samples must be at least 25, got 3",
        "draws must be at least",
    ):
        assert expected in text


def test_a_training_too_short_for_a_supernet_is_said() -> None:
    plan = make_supernet_plan(0.0, speed(SANDWICH), IMAGES, SANDWICH)
    said = few_steps(replace(plan, epochs={"full": 2, "kernel": 1}, images=1300), batch_size=100)
    assert said is not None
    assert said.startswith("Note: the supernet is trained in 39 steps; with fewer than about 1000, do not expect its")
    assert few_steps(replace(plan, epochs={"sandwich": 10}, images=10_000), batch_size=100) is None
