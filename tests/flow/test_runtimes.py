"""A run on a device that takes PyTorch modules and runs no int8."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flow.conftest import SMALL, Ask, fitted

from sculptnet.cli.showing import describe_devices
from sculptnet.errors import InvalidValue
from sculptnet.listening import Listener
from sculptnet.precision import Precision
from sculptnet.verbs import run_fit

FEWER = {"space.layers": "1,1", "space.channels": "8,16", "space.strides": "2,2", "recipe.epochs": "1"}


def test_a_network_is_fitted_to_pytorch_and_the_float32_file_is_timed_through_it(
    ask: Ask, listener: Listener, said: list[str], tmp_path: Path
) -> None:
    settings = dict(one.split("=") for one in SMALL) | FEWER
    small = tuple(f"{name}={value}" for name, value in settings.items())
    options = ask(tmp_path / "run", device="torch", latency_ms=1000.0, settings=small, listener=listener)
    card = fitted(options).card
    assert card is not None
    assert set(card.measured) == {"model.onnx"}
    assert set(card.accuracy) == {"weights.safetensors", "model.onnx", "model.int8.onnx"}
    assert card.device.name == "torch-1t"
    assert "torch-1t runs no int8: model.int8.onnx is not timed" in said


def test_int8_on_pytorch_is_refused_before_anything_starts(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="torch-1t runs fp32 only, not int8; give `precision='fp32'` or another"):
        run_fit(ask(tmp_path / "run", device="torch", precision=Precision.INT8))
    assert not (tmp_path / "run").exists()


def test_devices_are_listed_with_what_they_run_or_with_what_is_missing() -> None:
    text, found = describe_devices()
    assert found["onnxruntime"]["precisions"] == ["fp32", "int8"]
    assert found["torch"]["precisions"] == ["fp32"]
    assert all("missing" in described or "runtime" in described for described in found.values())
    assert len(text.splitlines()) == len(found)
