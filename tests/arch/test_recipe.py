from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sculptnet.arch import (
    AdamW,
    Architecture,
    Augmentation,
    Cosine,
    Exponential,
    Recipe,
    RmsProp,
    SearchSpace,
    Sgd,
    Steps,
    between,
    choice,
    prefix,
)
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.errors import InvalidValue


def wrong(value: Any) -> Any:
    """A value that the type checker would refuse."""
    return value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recipe(epochs=0), "Recipe: Recipe.epochs must be a whole number at least 1, got 0"),
        (lambda: Recipe(batch_size=wrong(1.5)), "Recipe.batch_size must be a whole number at least 1, got 1.5"),
        (lambda: Recipe(label_smoothing=1.5), "Recipe.label_smoothing must be at least 0 and at most 1, got 1.5"),
        (lambda: Recipe(dropout=-0.1), "Recipe.dropout must be at least 0 and at most 1, got -0.1"),
        (lambda: Recipe(drop_path=2), "Recipe.drop_path must be at least 0 and at most 1, got 2"),
        (lambda: Recipe(ema=-1), "Recipe.ema must be at least 0 and at most 1, got -1"),
        (lambda: Recipe(distillation=3), "Recipe.distillation must be at least 0 and at most 1, got 3"),
        (lambda: Recipe(clip_norm=-1), "Recipe.clip_norm must be at least 0, got -1"),
        (lambda: Sgd(learning_rate=0), "Sgd.learning_rate must be above 0, got 0"),
        (lambda: Sgd(momentum=1.1), "Sgd.momentum must be at least 0 and at most 1, got 1.1"),
        (lambda: RmsProp(epsilon=0), "RmsProp.epsilon must be above 0, got 0"),
        (lambda: AdamW(beta2=wrong("much")), "AdamW.beta2 must be at least 0 and at most 1, got 'much'"),
        (lambda: Cosine(warmup_epochs=-1), "Cosine.warmup_epochs must be at least 0, got -1"),
        (lambda: Steps(milestones=(3, -1)), "Steps.milestones must be at least 0, got -1"),
        (lambda: Exponential(every_epochs=0), "Exponential.every_epochs must be above 0, got 0"),
        (lambda: Augmentation(crop_scale=0), "Augmentation.crop_scale must be above 0 and at most 1, got 0"),
        (
            lambda: Augmentation(randaugment_layers=wrong(0.5)),
            "Augmentation.randaugment_layers must be a whole number at least 0, got 0.5",
        ),
    ],
)
def test_every_rule_has_its_message(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        make()


def test_every_option_of_an_open_field_is_checked_and_all_problems_are_said() -> None:
    with pytest.raises(InvalidValue, match=r"Recipe: 3 problems(.|\n)*got 0(.|\n)*got -2(.|\n)*dropout.*got 7"):
        Recipe(epochs=choice(0, 5, -2), dropout=7)


@pytest.mark.parametrize(
    "milestones", [choice((30, 60), (10,)), prefix((30, 60, 90), 1, 2), (choice(30, 40), 60)], ids=repr
)
def test_milestones_may_be_open(milestones: tuple[float, ...]) -> None:
    architecture = Architecture(8, Conv(8), ((Conv(8),),), PooledConv(8), Classifier(2))
    space = SearchSpace(architecture, Recipe(schedule=Steps(milestones)))
    schedules = [space.decode([index]).recipe.schedule for index in range(2)]
    assert all(isinstance(schedule, Steps) for schedule in schedules)
    assert schedules[0] != schedules[1]


def test_a_recipe_can_be_a_space() -> None:
    architecture = Architecture(8, Conv(8), ((Conv(8),),), PooledConv(8), Classifier(2))
    optimizers: tuple[Sgd | AdamW, ...] = (Sgd(learning_rate=choice(0.1, 0.2)), AdamW())
    space = SearchSpace(architecture, Recipe(epochs=between(10, 30, 10), optimizer=choice(*optimizers)))
    assert list(space.decisions) == ["recipe.epochs", "recipe.optimizer", "recipe.optimizer[0].learning_rate"]
    assert space.size() == 3 * (2 + 1)
