"""Fixtures that many tests share, and one thread per process so that parallel runs do not fight."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import settings

from sculptnet import cli
from sculptnet.arch import SearchSpace
from sculptnet.spaces import fbnet

torch.set_num_threads(1)
settings.register_profile("sculptnet", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("sculptnet")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny_fbnet() -> SearchSpace:
    """Four layers with FBNet's nine candidates each, at 16 px: small enough to build and train in tests."""
    return fbnet(3, 16, channels=(8, 16), layers=(1, 3), strides=(1, 2), stem_channels=8, head_channels=24)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs a command in this process; gives exit code, standard output, standard error."""

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sculptnet", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        code = stopped.value.code
        out, err = capsys.readouterr()
        return int(code) if code is not None else 0, out, err

    before = signal.getsignal(signal.SIGINT)
    yield command
    signal.signal(signal.SIGINT, before)
