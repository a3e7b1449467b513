from __future__ import annotations

from dataclasses import replace
from math import cos, floor, pi

import pytest
import torch

from sculptnet.arch import Cosine, Exponential, Recipe, Sgd, Steps
from sculptnet.learn import rescaled
from sculptnet.learn.optimizers import optimizer_for
from sculptnet.learn.schedules import scheduler_for

RATE = 0.4


def rates(schedule: Cosine | Steps | Exponential, epochs: int, steps_per_epoch: int) -> list[float]:
    recipe = Recipe(epochs=epochs, optimizer=Sgd(RATE), schedule=schedule)
    optimizer = optimizer_for(torch.nn.Linear(2, 2), recipe.optimizer)
    scheduler = scheduler_for(optimizer, recipe, steps_per_epoch)
    found = []
    for step in range(epochs * steps_per_epoch):
        scheduler.step_update(step)
        assert len({group["lr"] for group in optimizer.param_groups}) == 1
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_cosine_goes_from_the_rate_to_its_fraction() -> None:
    expected = [RATE * (0.1 + 0.9 * (1 + cos(pi * step / 30)) / 2) for step in range(30)]
    assert rates(Cosine(final_fraction=0.1), 3, 10) == pytest.approx(expected, rel=1e-12)


def test_warm_up_rises_by_equal_steps_and_cosine_starts_at_the_full_rate() -> None:
    found = rates(Cosine(warmup_epochs=1.5), 4, 10)
    assert found[:15] == pytest.approx([RATE * (step + 1) / 16 for step in range(15)], rel=1e-12)
    assert found[15:] == pytest.approx([RATE * (1 + cos(pi * step / 25)) / 2 for step in range(25)], rel=1e-12)


def test_a_cosine_of_one_step_has_the_full_rate_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert rates(Cosine(), 1, 1) == [RATE]
    assert rates(Cosine(warmup_epochs=0.5), 1, 2) == [RATE / 2, RATE]
    assert not caplog.records


def test_steps_fall_at_their_milestones() -> None:
    found = rates(Steps((1, 2.5), 0.1), 4, 10)
    assert found == pytest.approx([RATE] * 10 + [RATE * 0.1] * 15 + [RATE * 0.01] * 15, rel=1e-12)


def test_milestones_count_the_epochs_of_the_warm_up() -> None:
    found = rates(Steps((2,), 0.1, warmup_epochs=1), 3, 4)
    assert found == pytest.approx([RATE * (k + 1) / 5 for k in range(4)] + [RATE] * 4 + [RATE * 0.1] * 4, rel=1e-12)


def test_exponential_falls_once_a_period() -> None:
    found = rates(Exponential(0.97, every_epochs=2.4, warmup_epochs=0.5), 6, 10)
    assert found[:5] == pytest.approx([RATE * (step + 1) / 6 for step in range(5)], rel=1e-12)
    assert found[5:] == pytest.approx([RATE * 0.97 ** floor(step / 24) for step in range(5, 60)], rel=1e-12)


def test_a_warm_up_longer_than_the_training_never_arrives() -> None:
    assert rates(Cosine(warmup_epochs=2), 1, 4) == pytest.approx([RATE * (step + 1) / 9 for step in range(4)])


@pytest.mark.parametrize(
    ("schedule", "shorter"),
    [
        (Cosine(4.0, 0.1), Cosine(1.0, 0.1)),
        (Steps((90, 180), 0.2, 2.0), Steps((22.5, 45), 0.2, 0.5)),
        (Exponential(0.97, 2.4, 4.0), Exponential(0.97, 0.6, 1.0)),
    ],
)
def test_rescaling_keeps_the_shares_of_the_whole(
    schedule: Cosine | Steps | Exponential, shorter: Cosine | Steps | Exponential
) -> None:
    recipe = Recipe(epochs=20, schedule=schedule)
    assert rescaled(recipe, 5) == replace(recipe, epochs=5, schedule=shorter)
    assert rescaled(recipe, 20) == recipe
