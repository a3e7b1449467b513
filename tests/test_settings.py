"""Settings come from signatures, and wrong ones are all named at once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sculptnet import settings
from sculptnet.arch import AdamW, Cosine, Recipe, Steps
from sculptnet.errors import InvalidValue
from sculptnet.spaces import fbnet, mnasnet


def method(
    problem: object,
    *,
    tau: float = 5.0,
    branches: int | None = None,
    fast: bool = False,
    sizes: tuple[int, ...] = (3, 5),
    hook: object = None,
) -> None:
    """A method to bind."""


def test_settings_are_the_keyword_only_arguments_that_can_be_written() -> None:
    assert list(settings.settings_of(method)) == ["tau", "branches", "fast", "sizes"]
    assert settings.settings_of(method)["tau"].default == 5.0


def test_values_are_parsed_by_annotation() -> None:
    given = {"tau": "2", "branches": "3", "fast": "yes", "sizes": "1, 2,3"}
    assert settings.bind(method, given, "search") == {"tau": 2.0, "branches": 3, "fast": True, "sizes": (1, 2, 3)}
    assert settings.bind(method, {"branches": "none"}, "search") == {"branches": None}


def test_fields_of_an_argument_that_is_a_dataclass_are_settings_by_dotted_names() -> None:
    def learner(*, schedule: Cosine = Cosine(2.0), rounds: int = 3) -> None:  # noqa: B008  # frozen
        """A method with a value that has fields."""

    names = ["schedule.warmup_epochs", "schedule.final_fraction", "rounds"]
    assert list(settings.settings_of(learner)) == names
    assert settings.settings_of(learner)["schedule.warmup_epochs"].default == 2.0
    given = {"schedule.final_fraction": "0.1", "rounds": "4"}
    assert settings.bind(learner, given, "search") == {"rounds": 4, "schedule": Cosine(2.0, 0.1)}
    with pytest.raises(InvalidValue) as caught:
        settings.bind(learner, {"schedule.final_fraction": "2", "schedule.warm": "1"}, "search")
    text = str(caught.value)
    assert "`search.schedule.warm` is unknown; did you mean schedule.warmup_epochs" in text
    assert (
        "`search.schedule.final_fraction`: Cosine: Cosine.final_fraction must be at least 0 and at most 1, got 2"
        in text
    )


def test_space_settings_reach_the_space() -> None:
    assert fbnet(10, 32, **settings.bind(fbnet, {"width": "0.5"}, "space")) == fbnet(10, 32, width=0.5)


def test_lists_of_lists_are_separated_by_semicolons() -> None:
    bound = settings.bind(mnasnet, {"filters": "16,24;24,32;48;96;160"}, "space")
    assert bound == {"filters": ((16, 24), (24, 32), (48,), (96,), (160,))}
    assert mnasnet(10, 32, **bound).size() < mnasnet(10, 32).size()


def test_every_wrong_setting_is_named_with_near_misses() -> None:
    with pytest.raises(InvalidValue) as caught:
        settings.bind(method, {"tua": "1", "fast": "perhaps", "branches": "two"}, "search")
    text = str(caught.value)
    assert "3 problems" in text
    assert "`search.tua` is unknown; did you mean tau?" in text
    assert "`search.fast`: must be true or false, got 'perhaps'" in text
    assert "`search.branches`: must be a whole number, got 'two'" in text


def test_split_groups_and_names_what_does_not_fit() -> None:
    assert settings.split(["search.tau=5", "recipe.epochs=3"], ["search", "recipe", "space"]) == {
        "search": {"tau": "5"},
        "recipe": {"epochs": "3"},
        "space": {},
    }
    with pytest.raises(InvalidValue) as caught:
        settings.split(["tau=5", "serach.tau=5", "search.tau"], ["search", "recipe"])
    text = str(caught.value)
    assert "'tau=5' must read GROUP.NAME=VALUE" in text
    assert "'serach.tau=5' names the group 'serach'; did you mean search?" in text
    assert "'search.tau' must read" in text


def test_fields_of_a_recipe_change_by_dotted_paths() -> None:
    given = {"epochs": "7", "optimizer.beta1": "0.8", "optimizer": "adamw", "schedule": "Steps"}
    assert settings.apply(Recipe(), given, "recipe") == Recipe(epochs=7, optimizer=AdamW(beta1=0.8), schedule=Steps())
    assert settings.apply(Recipe(), {"schedule.warmup_epochs": "2"}, "recipe") == Recipe(schedule=Cosine(2.0))


def test_wrong_fields_and_values_are_all_named() -> None:
    with pytest.raises(InvalidValue) as caught:
        settings.apply(Recipe(), {"epochs": "0", "epoch": "3", "optimizer": "adam", "optimizer.lr": "1"}, "recipe")
    text = str(caught.value)
    assert "`recipe.epochs`: Recipe: epochs must be a whole number at least 1, got 0" in text or "Recipe.epochs" in text
    assert "`recipe.epoch`: Recipe has no field 'epoch'; did you mean epochs?" in text
    assert "`recipe.optimizer`: got 'adam'; did you mean AdamW?" in text
    assert "`recipe.optimizer.lr`: Sgd has no field 'lr'" in text


@dataclass(frozen=True)
class Ordered:
    low: int = 1
    high: int = 2

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise InvalidValue(f"Ordered: low must be below high, got {self.low} and {self.high}")


def test_settings_that_only_hold_together_are_taken_in_any_order() -> None:
    assert settings.apply(Ordered(), {"low": "10", "high": "20"}, "x") == Ordered(10, 20)
    assert settings.apply(Ordered(), {"high": "20", "low": "10"}, "x") == Ordered(10, 20)
    with pytest.raises(InvalidValue, match=r"`x.low`: Ordered: low must be below high, got 10 and 2"):
        settings.apply(Ordered(), {"low": "10"}, "x")
