"""A run on a device that takes PyTorch modules and runs no int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sculptnet._fit import run_flow
from sculptnet.cost import Precision
from sculptnet.errors import InvalidValue
from sculptnet.flow.context import Voice
from sculptnet.flow.request import FitRequest
from sculptnet.flow.showing import describe_devices
from sculptnet.flow.stages import Stage

FEWER = {"space.layers": "1,1", "space.channels": "8,16", "space.strides": "2,2", "recipe.epochs": "1"}


def test_a_network_is_fitted_to_pytorch_and_the_float32_file_is_timed_through_it(
    ask: Callable[[Path], FitRequest], voice: Voice, said: list[str], tmp_path: Path
) -> None:
    asked = ask(tmp_path / "run")
    settings = dict(one.split("=") for one in asked.settings) | FEWER
    small = tuple(f"{name}={value}" for name, value in settings.items())
    request = replace(asked, device="torch", latency_ms=1000.0, settings=small)
    card = run_flow(request, Stage.REPORT, voice).card
    assert card is not None
    assert set(card["measured"]) == {"model.onnx"}
    assert set(card["accuracy"]) == {"weights.safetensors", "model.onnx", "model.int8.onnx"}
    assert card["device"]["name"] == "torch-1t"
    assert "torch-1t runs no int8: model.int8.onnx is not timed" in said


def test_int8_on_pytorch_is_refused_before_anything_starts(ask: Callable[[Path], FitRequest], tmp_path: Path) -> None:
    asked = ask(tmp_path / "run")
    with pytest.raises(InvalidValue, match="torch-1t runs fp32 only, not int8; give --precision fp32 or another"):
        replace(asked, device="torch", precision=Precision.INT8)


def test_devices_are_listed_with_what_they_run_or_with_what_is_missing() -> None:
    text, found = describe_devices()
    assert found["onnxruntime"]["precisions"] == ["fp32", "int8"]
    assert found["torch"]["precisions"] == ["fp32"]
    assert all("missing" in described or "runtime" in described for described in found.values())
    assert len(text.splitlines()) == len(found)
