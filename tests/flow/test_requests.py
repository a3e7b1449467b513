"""What calls and commands take is what options have, with the same defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path

import pytest
from tests.asking import asked
from typer.main import get_command

import sculptnet
from sculptnet import cli
from sculptnet.cli.measure_options import MeasureOptions
from sculptnet.cli.spelling import spelled
from sculptnet.option_fields import Options, typed_of
from sculptnet.option_groups import Accelerator
from sculptnet.options import DetectOptions, FitOptions, RecipeOptions, ResumeOptions, SpecializeOptions, TrainOptions
from sculptnet.plain import from_command, to_command
from sculptnet.precision import Precision

ARCHITECTURES = {"space", "table", "baselines", "limits", "start", "from_run", "check_proxy", "proxy_networks"}
VALUES = {"recipe", "detector"}  # whole values: a command changes them with --set


def fields_of(kind: type[Options]) -> dict[str, Field[object]]:
    return {field.name: field for field in fields(kind)}  # type: ignore[arg-type]


def plain(value: object) -> object:
    """A default as the command line has it."""
    value = None if value is MISSING else value.value if isinstance(value, Enum) else value
    return str(value) if isinstance(value, (int, Path)) and not isinstance(value, bool) else value or None


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (sculptnet.fit, FitOptions),
        (sculptnet.train, TrainOptions),
        (sculptnet.search_recipe, RecipeOptions),
        (sculptnet.detect, DetectOptions),
        (sculptnet.specialize, SpecializeOptions),
        (sculptnet.resume, ResumeOptions),
    ],
)
def test_the_keywords_of_a_call_are_the_fields_of_its_options(call: Callable[..., object], kind: type[Options]) -> None:
    taken, known = inspect.signature(call).parameters, fields_of(kind)
    assert {*taken} == {*known} - {"given"}
    for name, one in taken.items():
        default = known[name].default
        assert one.default == (inspect.Parameter.empty if default is MISSING else default), name
    help_text = inspect.getdoc(call) or ""
    assert all(f"    {name}: " in help_text for name in taken)


def test_a_search_of_recipes_takes_nothing_that_is_about_architectures() -> None:
    detectors = {"task", "size", "detector"}
    assert fields_of(FitOptions).keys() - fields_of(RecipeOptions).keys() == ARCHITECTURES | detectors
    assert fields_of(RecipeOptions).keys() - fields_of(FitOptions).keys() == {"network"}


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("fit", FitOptions),
        ("search", FitOptions),
        ("export", FitOptions),
        ("train", TrainOptions),
        ("search-recipe", RecipeOptions),
        ("detect", DetectOptions),
        ("specialize", SpecializeOptions),
        ("measure", MeasureOptions),
    ],
)
def test_the_options_of_a_verb_are_the_fields_of_its_options(verb: str, kind: type[Options]) -> None:
    command = get_command(cli.app).commands[verb]  # type: ignore[attr-defined]
    options = {one.name: one for one in command.params if one.param_type_name == "option"}
    del options["as_json"]
    settable = {"method", "space", "recipe", "detector"} & fields_of(kind).keys()
    assert ("set_" in options) is bool(settable)
    options.pop("set_", None)
    known = {name: field for name, field in fields_of(kind).items() if typed_of(field).kind is not None}
    assert {*options} == {name for name, field in known.items() if field.default is not MISSING}
    assert {*fields_of(kind)} - {*known} <= {"given", "listener", "space", *VALUES}
    for name, option in options.items():
        assert plain(option.default) == plain(known[name].default), name
        assert option.help == spelled(typed_of(known[name]).help)


def test_options_take_what_calls_and_files_say() -> None:
    options = asked(
        FitOptions,
        data=Path("photos"),
        latency_ms=1.0,
        precision="int8",
        accelerator=Accelerator.CPU,
        workers=2,
        runs=Path("elsewhere"),
        device="sculptnet.testing:fake_device",
        settings=["space.width=0.5", "search.tau=4", "recipe.optimizer.learning_rate=0.1"],
    )
    assert (options.precision, options.accelerator) == (Precision.INT8, Accelerator.CPU)
    again = from_command(FitOptions, to_command(options), {"run_dir": Path("run"), "fresh": True})
    assert (again.run_dir, again.fresh, again.workers) == (Path("run"), True, 2)
    assert to_command(again) == to_command(options)
    assert (again.precision, again.method, again.space, again.recipe) == (
        options.precision,
        options.method,
        options.space,
        options.recipe,
    )


def test_a_call_says_what_it_returns() -> None:
    returned = {
        name: inspect.signature(getattr(sculptnet, name)).return_annotation for name in ("fit", "train", "detect")
    }
    assert returned == {"fit": "FitResult | DetectionResult", "train": "FitResult", "detect": "DetectionResult"}
