"""A whole run whose budget is measured on another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import sculptnet
from sculptnet.listening import Listener
from sculptnet.methods import FBNet
from sculptnet.option_groups import Accelerator
from sculptnet.spaces.named import SpaceSettings

if TYPE_CHECKING:
    from tests.devices.remote.conftest import Server

SPACE = SpaceSettings({"layers": "1,1", "channels": "8,16", "strides": "1,2", "head_channels": "16"})


@pytest.mark.slow
def test_a_network_is_fitted_to_a_machine_behind_ssh(server: Server, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(24):
            pixels = np.clip(rng.normal(level, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.png")
    result = sculptnet.fit(
        tmp_path / "photos",
        20.0,
        device=server.address(),
        minutes=1.0,
        accelerator=Accelerator.CPU,
        method=FBNet(epochs=2, warmup_epochs=1, draws=2),
        space=SPACE,
        recipe={"batch_size": 8, "epochs": 2},
        run_dir=tmp_path / "run",
        listener=Listener(lambda text: None),
    )
    assert result.card is not None
    assert result.card.device.name.startswith("onnxruntime-1t-on-")
    assert set(result.card.measured) == {"model.onnx", "model.int8.onnx"}
    assert result.within_budget
    assert list(server.home.glob(".cache/sculptnet/*")) == []
