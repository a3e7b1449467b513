"""What calls and commands take is what requests have, with the same defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from pathlib import Path

import pytest
from typer.main import get_command

from sculptnet import cli
from sculptnet._detect import fit_detector
from sculptnet._fit import fit, fit_network, fit_recipe
from sculptnet.cost import Precision
from sculptnet.flow.common_request import CommonRequest, from_plain
from sculptnet.flow.detection_request import DetectionRequest
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.request import FitRequest

ARCHITECTURES = {"space", "table", "baselines", "limits", "start", "from_run", "check_proxy", "proxy_networks"}
GIVEN = {"data", "latency_ms", "network"}  # some calls demand them, others have a default


def plain(value: object) -> object:
    """A default as the command line has it."""
    value = value.value if isinstance(value, Enum) else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value or None


@pytest.mark.parametrize(
    ("call", "kind", "apart"),
    [
        (fit, FitRequest, {"recipe_only"}),
        (fit_recipe, FitRequest, {"recipe_only", *ARCHITECTURES}),
        (fit_network, NetworkRequest, set()),
        (fit_detector, DetectionRequest, set()),
    ],
)
def test_the_keywords_of_a_call_are_the_fields_of_its_request(
    call: Callable[..., object], kind: type[CommonRequest], apart: set[str]
) -> None:
    taken = dict(inspect.signature(call).parameters)
    assert not {"say", "progress"} - taken.keys()
    defaults = {field.name: field.default for field in fields(kind) if field.name not in apart}
    assert {*taken} - {"say", "progress", "network"} == {*defaults} - {"network"}
    for name in defaults.keys() - GIVEN - {"method"}:
        assert plain(taken[name].default) == plain(defaults[name]), name


@pytest.mark.parametrize(
    ("verb", "kinds", "apart"),
    [
        ("fit", [FitRequest], set()),
        ("train", [FitRequest, NetworkRequest], {"recipe_only"}),
        ("train-detector", [DetectionRequest], set()),
    ],
)
def test_the_options_of_a_verb_are_the_fields_of_its_requests(
    verb: str, kinds: list[type[CommonRequest]], apart: set[str]
) -> None:
    command = get_command(cli.app).commands[verb]  # type: ignore[attr-defined]
    names = {"set_": "settings", "limit": "limits"}
    options = {names.get(one.name, one.name): one for one in command.params if one.param_type_name == "option"}
    del options["as_json"]
    defaults = {field.name: field.default for kind in kinds for field in fields(kind)}
    assert {*options} == {*defaults} - {"data", "network"} - apart
    for name, option in options.items():
        if name not in GIVEN:
            assert plain(option.default) == plain(defaults[name]), name


def test_a_request_takes_what_calls_and_json_say() -> None:
    values = {
        "data": Path("photos"),
        "latency_ms": 1.0,
        "precision": "int8",
        "workers": 2,
        "settings": ["space.width=0.5"],
    }
    request = from_plain(
        FitRequest, {**values, "runs": "elsewhere", "device": "sculptnet.testing:fake_device", "say": print}
    )
    assert (request.data, request.precision, request.workers) == ("photos", Precision.INT8, "2")
    assert (request.settings, request.runs) == (("space.width=0.5",), Path("elsewhere"))
    assert from_plain(FitRequest, {**request.command(), "run_dir": None, "fresh": False}).command() == request.command()
