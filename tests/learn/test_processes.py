"""Trainings in processes of their own: killed and resumed, and shared by two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sculptnet.arch import Recipe
from sculptnet.learn import train_network
from sculptnet.learn.objective import Objective
from sculptnet.learn.optimizers import optimizer_for
from sculptnet.learn.schedules import scheduler_for
from sculptnet.nets import set_dropout

WORKER = Path(__file__).with_name("worker.py")
TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def train(folder: Path, recipe: str, *kill_at: str, launcher: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, *launcher, str(WORKER), str(folder), recipe, *kill_at]
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.run(
        command, env={**os.environ, **one_thread}, capture_output=True, text=True, timeout=240, check=False
    )


def epochs_logged(process: subprocess.CompletedProcess[str]) -> list[int]:
    return [json.loads(line)["epoch"] for line in process.stdout.splitlines()]


def test_a_killed_training_goes_on_to_the_same_bits(
    tmp_path: Path, new_network: Callable[[int], nn.Module], colours: Any, recipes: Mapping[str, Recipe]
) -> None:
    first = train(tmp_path, "everything", "6")  # of 8 steps; the last checkpoint was at an earlier one
    assert first.returncode == -signal.SIGKILL
    assert not (tmp_path / "weights.safetensors").exists()
    second = train(tmp_path, "everything")
    assert second.returncode == 0, second.stderr
    assert epochs_logged(first) + epochs_logged(second) == [1, 2]
    whole = train_network(new_network(0), recipes["everything"], colours, num_classes=3, seed=7, teacher=new_network(1))
    assert json.loads((tmp_path / "curve.json").read_text()) == list(whole.curve)
    weights = load_file(tmp_path / "weights.safetensors")
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(weights[name], tensor)


def test_two_processes_killed_and_resumed_train_as_one_that_adds_their_gradients(
    tmp_path: Path, new_network: Callable[[int], nn.Module], colours: Any, recipes: Mapping[str, Recipe]
) -> None:
    killed = train(tmp_path, "two_processes", "6", launcher=TOGETHER)
    assert killed.returncode != 0
    resumed = train(tmp_path, "two_processes", launcher=TOGETHER)
    assert resumed.returncode == 0, resumed.stderr
    assert epochs_logged(killed) + epochs_logged(resumed) == [1, 2]  # one process alone logs
    network, losses = accumulated(new_network(0), colours, recipes["two_processes"])
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert [entry["loss"] for entry in curve] == pytest.approx(losses, rel=1e-5)
    weights = load_file(tmp_path / "weights.safetensors")
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-5)


def accumulated(network: nn.Module, colours: Any, recipe: Recipe) -> tuple[nn.Module, list[float]]:
    """One process: both halves of every batch, each with its own batch-norm statistics, then one step."""
    set_dropout(network, 0.0, 0.0)
    network.train().to(memory_format=torch.channels_last)
    optimizer = optimizer_for(network, recipe.optimizer)
    scheduler = scheduler_for(optimizer, recipe, colours.steps_per_epoch)
    objective = Objective(3, recipe.label_smoothing)
    means = []
    for epoch in range(recipe.epochs):
        losses = []
        for step, (images, labels) in enumerate(colours.epoch(epoch)):
            optimizer.zero_grad()
            before, after = statistics(network), []
            for rank in range(2):
                for buffer, value in zip(network.buffers(), before, strict=True):
                    buffer.copy_(value)
                loss = objective(network, images[rank::2], labels[rank::2]) / 2
                loss.backward()  # type: ignore[no-untyped-call]
                losses.append(2 * loss.item())
                after.append(statistics(network))
            for buffer, *values in zip(network.buffers(), *after, strict=True):
                buffer.copy_(sum(values) / 2)
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            scheduler.step_update(epoch * colours.steps_per_epoch + step)
            optimizer.step()
        means.append(sum(losses) / len(losses))
    return network, means


def statistics(network: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in network.buffers()]


@pytest.mark.slow
def test_two_processes_resume_to_the_same_bits(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", "everything", launcher=TOGETHER)
    assert whole.returncode == 0, whole.stderr
    killed = train(tmp_path / "killed", "everything", "6", launcher=TOGETHER)
    assert killed.returncode != 0
    resumed = train(tmp_path / "killed", "everything", launcher=TOGETHER)
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "killed/curve.json").read_bytes() == (tmp_path / "whole/curve.json").read_bytes()
    assert (tmp_path / "killed/weights.safetensors").read_bytes() == (
        tmp_path / "whole/weights.safetensors"
    ).read_bytes()
