"""The command that made a run, as its page shows it and as its folder goes on with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, final

from tests.flow.conftest import Ask

from sculptnet import search, settings
from sculptnet.arch import AdamW, Recipe, Sgd
from sculptnet.methods import Evolution, FBNetV3, Method, Trials, made
from sculptnet.option_groups import Accelerator
from sculptnet.options import FitOptions
from sculptnet.plain import command_line, from_command, to_command

GENTLE = Sgd(learning_rate=0.01)


@final
@dataclass(frozen=True, kw_only=True)
class Own(search.RandomSearch, Trials):
    """A method of somebody's own, with a setting whose default is not that of its class."""

    name: ClassVar[str] = "own"

    optimizer: Sgd | AdamW = GENTLE


def shown(options: FitOptions) -> str:
    return command_line("fit", FitOptions, to_command(options))


def test_a_command_is_shown_as_it_would_be_typed(ask: Ask, tmp_path: Path) -> None:
    plain = {"settings": ("search.tau=4",), "device": "onnxruntime", "accelerator": Accelerator.AUTO}
    options = ask(tmp_path, **plain)
    typed = f"sculptnet fit {options.data} --latency-ms 0.2 --minutes 1"
    assert shown(options) == f"{typed} --set search.tau=4"
    limited = ask(tmp_path, **plain, limits=("macs=1e6", "parameters=5e4"), baselines=True)
    assert shown(limited) == f"{typed} --limit macs=1e6 --limit parameters=5e4 --baselines --set search.tau=4"


def test_a_whole_recipe_is_shown_as_the_settings_that_make_it() -> None:
    recipe = Recipe(epochs=7, optimizer=AdamW(learning_rate=0.002), label_smoothing=0.0)
    words = shlex.split(shown(FitOptions("photos", 1.0, recipe=recipe)))
    typed = [word for option, word in pairwise(words) if option == "--set"]
    texts = settings.split(typed, ("recipe",))["recipe"]
    assert settings.decided(Recipe(), texts, "recipe") == recipe


def test_a_folder_goes_on_with_the_method_that_a_program_gave() -> None:
    usual = FBNetV3()
    methods: tuple[Method[FitOptions], ...] = (
        Evolution(population=7),
        replace(usual, rounds=2, learning=replace(usual.learning, epochs=5, head=(32, 16))),
        Own(batch=3),
        Own(optimizer=Sgd(learning_rate=0.01, momentum=0.5)),
        Own(optimizer=Sgd()),
        Own(optimizer=AdamW()),
        Own(optimizer=AdamW(weight_decay=0.2)),
    )
    for method in methods:
        options = FitOptions("photos", 1.0, method=method)
        again = from_command(FitOptions, to_command(options), {})
        assert made(again.method, FBNetV3) == method
