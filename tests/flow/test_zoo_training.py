"""One given network: trained or fine-tuned, shipped as `fit` ships its find; resumed; wrong requests named at once."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from safetensors.torch import load_file, save_file

from sculptnet import cli, cost, zoo
from sculptnet.arch import Architecture, to_json
from sculptnet.errors import InvalidValue
from sculptnet.flow.context import Voice
from sculptnet.flow.network_request import NetworkRequest
from sculptnet.flow.network_run import run_network
from sculptnet.flow.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.state import no_progress

Command: TypeAlias = Callable[..., tuple[int, str, str]]
SILENT = Voice(lambda text: None, no_progress)
FAKE = ("--device", "sculptnet.testing:fake_device", "--accelerator", "cpu", "--minutes", "1")
QUICK = ("--set", "recipe.epochs=2", "--set", "recipe.batch_size=8")
SHIPPED = {
    "architecture.json",
    "recipe.json",
    "weights.safetensors",
    "model.onnx",
    "model.int8.onnx",
    "card.json",
    "predict.py",
}


@pytest.fixture(scope="session")
def narrow() -> Architecture:
    """MobileNetV2, a tenth as wide, for images of 16 pixels, with the classes of ImageNet."""
    return zoo.mobilenet_v2(1000, 16, width=0.1)


@pytest.fixture(scope="session")
def file(narrow: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "narrow.json"
    path.write_text(json.dumps(to_json(narrow)))
    return path


@pytest.fixture(scope="session")
def ask_to_train(photos: Path, file: Path) -> Callable[[Path], NetworkRequest]:
    return lambda run_dir: NetworkRequest(
        data=str(photos),
        network=str(file),
        device="sculptnet.testing:fake_device",
        accelerator="cpu",
        minutes=1.0,
        settings=("recipe.epochs=2", "recipe.batch_size=8"),
        run_dir=run_dir,
    )


@pytest.fixture(scope="module")
def finished(ask_to_train: Callable[[Path], NetworkRequest], tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_network(ask_to_train(tmp_path_factory.mktemp("trained") / "run"), SILENT)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command in this process; gives exit code, standard output, standard error."""

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sculptnet", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        code = stopped.value.code
        out, err = capsys.readouterr()
        return int(code) if code is not None else 0, out, " ".join(err.split())

    before = signal.getsignal(signal.SIGINT)
    yield command
    signal.signal(signal.SIGINT, before)


def test_everything_is_shipped_and_no_budget_is_invented(finished: FitResult, narrow: Architecture) -> None:
    card = finished.card
    assert card is not None
    assert {path.name for path in RunDirectory(finished.folder).model.iterdir()} == SHIPPED
    assert (card["budget"], card["within_budget"], card["predicted"]) == (None, None, None)
    assert finished.within_budget is None
    assert (card["network"], card["starting_weights"]) == ("narrow.json", "drawn")
    assert set(card["measured"]) == {"model.onnx", "model.int8.onnx"}
    assert finished.architecture == replace(narrow, classifier=replace(narrow.classifier, out_channels=3))  # type: ignore[type-var]
    assert card["macs"] == cost.macs(finished.architecture)
    assert finished.network().architecture == finished.architecture
    assert "no budget was given" in finished.summary()


def test_the_page_speaks_of_the_network_and_not_of_searches(finished: FitResult) -> None:
    assert finished.report is not None
    text = finished.report.read_text(encoding="utf-8")
    figures = set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text))
    assert figures == {"layers", "recall", "confusion", "training"}
    assert "No budget was given." in text
    assert "narrow.json for" in text
    assert "learning_rate 0.1" in text
    assert "sculptnet train" in text
    for absent in ("Left out", "found network", "search", "Baselines", ">Budget<"):
        assert absent not in text
