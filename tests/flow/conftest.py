"""A folder of photographs that are easy to tell apart, and options that are small enough to repeat."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image
from tests.asking import asked

from sculptnet import cli
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.option_groups import Accelerator
from sculptnet.options import FitOptions
from sculptnet.result import FitResult
from sculptnet.verbs import run_fit

Ask: TypeAlias = Callable[..., FitOptions]
Command: TypeAlias = Callable[..., tuple[int, str, str]]

COLOURS = {"blue": (30, 60, 200), "green": (40, 180, 60), "red": (210, 40, 50)}
BRIEF = (
    "recipe.batch_size=8",
    "recipe.epochs=4",
    "recipe.optimizer.learning_rate=0.05",
    "search.epochs=2",
    "search.warmup_epochs=1",
    "search.draws=2",
)
SMALL = (
    "space.layers=1,1,1",
    "space.channels=8,16,24",
    "space.strides=1,2,2",
    "space.head_channels=32",
    *BRIEF,
)
SUPERNET = (
    "space.width=0.25",
    "space.depths=1,2",
    "space.expansions=2,3",
    "space.kernel_sizes=3,5",
    "recipe.batch_size=16",
    "recipe.optimizer.learning_rate=0.1",
    "search.epochs=12",
    "search.samples=25",
    "search.calibration_images=30",
    "search.draws=2",
    "search.population=20",
    "search.generations=3",
    "search.fine_tune_epochs=0",
)
SILENT = Listener(lambda text: None)


def fitted(options: FitOptions, until: Stage = Stage.REPORT) -> FitResult:
    """The run of a classifier."""
    result = run_fit(options, until)
    assert isinstance(result, FitResult)
    return result


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per colour, 24 noisy images of 16 pixels each."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for index in range(24):
            noisy = np.clip(rng.normal(colour, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / name / f"{index:03d}.png")
    return folder


@pytest.fixture(scope="session")
def ask(photos: Path) -> Ask:
    """Makes the options of a run directory: a computed device, three layers, seconds of training; others on top."""

    def options(run_dir: Path, **changes: Any) -> FitOptions:
        values: dict[str, Any] = {
            "data": str(photos),
            "latency_ms": 0.2,
            "device": "sculptnet.testing:fake_device",
            "minutes": 1.0,
            "accelerator": Accelerator.CPU,
            "run_dir": run_dir,
            "listener": SILENT,
            "settings": SMALL,
        }
        return asked(FitOptions, **(values | changes))

    return options


@pytest.fixture(scope="session")
def ask_ofa(ask: Ask) -> Ask:
    """The same with a supernet, whose networks are shipped as they are cut out."""
    return lambda run_dir, **changes: ask(run_dir, **({"method": "ofa", "settings": SUPERNET} | changes))


@pytest.fixture(scope="session")
def supernet_run(ask_ofa: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run that trained a supernet."""
    return fitted(ask_ofa(tmp_path_factory.mktemp("ofa") / "run"))


@pytest.fixture
def said() -> list[str]:
    """What a run said."""
    return []


@pytest.fixture
def listener(said: list[str]) -> Listener:
    """Keeps what is said in `said`."""
    return Listener(said.append)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command in this process; gives exit code, standard output, and standard error in one line."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sculptnet", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        code = stopped.value.code
        out, err = capsys.readouterr()
        return int(code) if code is not None else 0, out, " ".join(err.split())

    before = signal.getsignal(signal.SIGINT)
    yield run
    signal.signal(signal.SIGINT, before)
