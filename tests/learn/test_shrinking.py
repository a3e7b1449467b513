"""The training of a supernet as a whole: what it leaves, resumed and shared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.kills import KillError, killed_at
from tests.learn import supernets
from tests.learn.conftest import Colours, Memory
from tests.learn.supernets import plan, tell_apart, tiny_space, tiny_supernet
from torch import Tensor, nn

from sculptnet.arch import Augmentation
from sculptnet.data import EvaluationBatches, TrainingBatches, default_preprocessing
from sculptnet.errors import InvalidValue, RunError
from sculptnet.learn import Phase, Shrunk, accuracy_of, open_machine, sandwich, shrink
from sculptnet.learn.loop import Surroundings, run_training
from sculptnet.learn.machine import Machine
from sculptnet.learn.shrinking_phases import widths_of
from sculptnet.learn.shrinking_state import Point, require_same_point, teacher_of
from sculptnet.learn.shrinking_steps import SupernetTraining, resized
from sculptnet.nets import ElasticSupernet, Network, calibrate, largest, smallest, sort_channels
from sculptnet.records import Event, Log, no_log
from sculptnet.records.training_events import ShrinkPhase, SupernetEpoch
from sculptnet.state import Checkpoint, NoCheckpoint, Progress, no_progress
from sculptnet.streams import stream_seed
from sculptnet.testing import tiny_images

COLOURS = Colours()  # 4 steps an epoch


def run(
    name: str = "progressive",
    checkpoint: Checkpoint = NoCheckpoint(),  # noqa: B008
    progress: Progress = no_progress,
    log: Log = no_log,
    supernet: ElasticSupernet | None = None,
    phases: tuple[Phase, ...] = (),
    seed: int = 7,
    images: int = 24,
) -> Shrunk:
    ticks, trained = count(), supernet or tiny_supernet()
    return shrink(
        trained,
        phases or plan(name, trained.space),
        COLOURS,
        evaluate=tell_apart,
        seed=seed,
        random_networks=1,
        calibration_images=images,
        checkpoint=checkpoint,
        checkpoint_seconds=3.0,
        clock=lambda: float(next(ticks)),
        log=log,
        progress=progress,
    )


@cache
def whole(name: str) -> Shrunk:
    """A run without a break."""
    return run(name)


def same(left: Shrunk, right: Shrunk) -> bool:
    states = left.supernet.state_dict(), right.supernet.state_dict()
    return left.phases == right.phases and all(torch.equal(states[0][name], states[1][name]) for name in states[0])


# ---------------------------------------------------------------------- what it leaves
def test_one_call_runs_all_phases_and_says_so() -> None:
    events: list[Event] = []
    told: list[tuple[str, int, int]] = []
    shrunk = run(log=events.append, progress=lambda *what: told.append(what))
    names = ["full", "kernel", "depth 1", "depth 2", "width 1", "width 2"]
    seen = [(type(event), event.phase) for event in events if isinstance(event, (SupernetEpoch, ShrinkPhase))]
    assert seen == [(kind, name) for name in names for kind in (SupernetEpoch, ShrinkPhase)]
    assert len(seen) == len(events)
    assert [entry.phase for entry in shrunk.phases] == names
    assert told == [(f"training: {names[step // 4]}", step + 1, 24) for step in range(24)]
    assert events[-1] == ShrinkPhase("width 2", 6, 6, shrunk.phases[-1].networks)
    assert not shrunk.supernet.training
    assert same(shrunk, whole("progressive"))  # a function of its arguments


def test_every_phase_looks_at_the_largest_the_smallest_and_random_networks_with_statistics_of_their_own() -> None:
    shrunk = whole("progressive")
    for entry in shrunk.phases:
        assert [looked.network for looked in entry.networks] == ["largest", "smallest", "random 1"]
    space, networks = shrunk.supernet.space, shrunk.phases[-1].networks
    for looked in networks:
        architecture = space.decode(looked.choices).architecture
        batches = ((resized(images, architecture.resolution), labels) for images, labels in COLOURS.epoch(6))
        network = calibrate(shrunk.supernet.subnet(architecture), batches, images=24)
        assert looked.metrics == tell_apart(network)


def test_a_phase_trains_what_is_open_and_nothing_else() -> None:
    before, supernet = tiny_supernet().state_dict(), tiny_supernet()
    run(supernet=supernet, phases=plan("progressive", supernet.space)[:1])
    full = supernet.state_dict()
    moved = {name: not torch.equal(before[name], full[name]) for name in full}
    assert [name for name in moved if ".transforms." in name and moved[name]] == []
    matrices = [name for name, parameter in supernet.named_parameters() if parameter.dim() > 1]
    assert all(moved[name] for name in matrices if ".transforms." not in name)
    kernels = run().supernet.state_dict()
    assert all(not torch.equal(before[name], kernels[name]) for name in kernels if ".transforms." in name)


def test_all_networks_learn() -> None:
    space = tiny_space()
    (phase,) = sandwich(space, batch_size=12, epochs=6, learning_rate=30.0, warmup_epochs=0, subnets=1, dropout=0)
    shrunk = run(phases=(phase,))
    for architecture in (largest(space), smallest(space)):
        resolution = architecture.resolution
        batches = [(resized(images, resolution), labels) for images, labels in COLOURS.epoch(9)]
        network = calibrate(shrunk.supernet.subnet(architecture), batches, images=48)
        assert accuracy_of(network, batches, 3).top1 >= 0.9


def test_images_in_memory_train_a_supernet_whose_evaluation_reads_each_resolution() -> None:
    data, space = tiny_images(2, resolution=8), tiny_space()
    preprocessing = default_preprocessing(data, 8)

    def evaluate(network: Network) -> Mapping[str, float]:
        batches = EvaluationBatches(data.test, preprocessing.at(network.architecture.resolution), 12)
        return {"top1": accuracy_of(network, batches, 3).top1}

    images = TrainingBatches(data.train, preprocessing, Augmentation(flip=False), 12, seed=0)
    (phase,) = sandwich(space, batch_size=12, epochs=3, learning_rate=30.0, warmup_epochs=0, subnets=1, dropout=0)
    shrunk = shrink(tiny_supernet(), (phase,), images, evaluate=evaluate, seed=0, calibration_images=100)
    networks = {looked.network: looked for looked in shrunk.phases[0].networks}
    assert len(networks) == 5
    assert networks["largest"].metrics["top1"] >= 0.75  # 12 images of two classes


# ---------------------------------------------------------------------- resumed
@pytest.mark.parametrize(
    ("name", "step"),
    [("progressive", 3), ("progressive", 11), ("progressive", 18), ("progressive", 24), ("sandwich", 6)],
)
def test_resumed_is_uninterrupted(name: str, step: int) -> None:
    memory, done = Memory(), list[int]()
    with pytest.raises(KillError):
        run(name, memory, killed_at(step))
    saved = steps_of(memory.states[-1]) if memory.states else 0
    assert step - 4 < saved < step
    assert same(run(name, memory, lambda what, now, total: done.append(now)), whole(name))
    assert done == list(range(saved + 1, done[-1] + 1))
    assert done[-1] == 4 * sum(len(entry.curve) for entry in whole(name).phases)


def steps_of(state: Mapping[str, Any]) -> int:
    """How many steps were done when a checkpoint was saved."""
    before = 4 * sum(len(entry["curve"]) for entry in state["done"])
    within = state["training"]
    return before if within is None else int(before + 4 * within["epoch"] + within["step"])


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 6, 10, 15, 22])
def test_averages_mixup_and_dropped_paths_are_resumed_too(step: int) -> None:
    memory = Memory()
    with pytest.raises(KillError):
        run("averaged", memory, killed_at(step))
    assert same(run("averaged", memory), whole("averaged"))


def test_a_kill_while_networks_are_looked_at_costs_no_training() -> None:
    memory, done = Memory(), list[int]()

    def log(event: Event) -> None:
        if isinstance(event, ShrinkPhase) and event.number == 2:
            raise KillError

    with pytest.raises(KillError):
        run("progressive", memory, log=log)
    assert same(run("progressive", memory, lambda what, now, total: done.append(now)), whole("progressive"))
    assert done[0] == 9


def test_a_finished_training_only_returns() -> None:
    memory, events = Memory(), list[Any]()
    first = run("sandwich", memory)
    assert same(run("sandwich", memory, killed_at(1), events.append), first)
    assert not events


# ---------------------------------------------------------------------- shared
TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def train(folder: Path, name: str, *kill_at: str, launcher: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *launcher, str(supernets.__file__), str(folder), name, *kill_at]
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": root}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def left(folder: Path) -> tuple[bytes, bytes]:
    """The weights and the phases that a training left."""
    return (folder / "weights.safetensors").read_bytes(), (folder / "phases.json").read_bytes()


@pytest.mark.slow
def test_killed_in_every_phase_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    for step in (2, 7, 10, 15, 18, 23):  # one in each of six phases of four steps
        killed = train(tmp_path, "progressive", str(step))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = train(tmp_path, "progressive")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "phases.json").read_text()) == json.loads(json.dumps(whole("progressive").phases))
    weights = load_file(tmp_path / "weights.safetensors")
    for name, tensor in whole("progressive").supernet.state_dict().items():
        assert torch.equal(weights[name], tensor), name


@pytest.mark.slow
def test_two_processes_killed_in_a_phase_go_on_to_the_same_bits(tmp_path: Path) -> None:
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    assert train(tmp_path / "killed", "progressive", "7", launcher=TOGETHER).returncode != 0
    assert train(tmp_path / "killed", "progressive", "18", launcher=TOGETHER).returncode != 0
    for folder in ("whole", "killed"):
        done = train(tmp_path / folder, "progressive", launcher=TOGETHER)
        assert done.returncode == 0, done.stderr
    assert left(tmp_path / "killed") == left(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["without_dropout", "sandwich_without_dropout"])
def test_two_processes_train_as_one_that_adds_their_gradients(name: str, tmp_path: Path) -> None:
    done = train(tmp_path, name, launcher=TOGETHER)
    assert done.returncode == 0, done.stderr
    supernet, losses = accumulated(name)
    phases = json.loads((tmp_path / "phases.json").read_text())
    assert [entry["loss"] for phase in phases for entry in phase["curve"]] == pytest.approx(losses, rel=1e-4)
    weights = load_file(tmp_path / "weights.safetensors")
    for name, tensor in supernet.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-4)


class BothHalves(SupernetTraining):
    """One process: both halves of every batch, each with its own batch-norm statistics, then one step."""

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        before, after, losses = statistics(self.supernet), list[list[Tensor]](), list[Tensor]()
        for rank in range(2):
            for buffer, value in zip(self.supernet.buffers(), before, strict=True):
                buffer.copy_(value)
            losses.append(super().backward(images[rank::2], labels[rank::2]))
            after.append(statistics(self.supernet))
        for buffer, *values in zip(self.supernet.buffers(), *after, strict=True):
            buffer.copy_(sum(values) / 2)
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad /= 2
        return torch.stack(losses).mean()


def statistics(network: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in network.buffers()]


def accumulated(plan_name: str) -> tuple[ElasticSupernet, list[float]]:
    supernet, losses, teacher, epochs = tiny_supernet(), list[float](), None, 0
    around = Surroundings(NoCheckpoint(), 1e9, lambda: 0.0, no_log, no_progress)
    for phase in plan(plan_name, supernet.space):
        if phase.needs_teacher and teacher is None:
            teacher = teacher_of(supernet, {})
        if phase.supported is not None:
            sort_channels(supernet, widths_of(supernet.space, phase.supported))
        seed = stream_seed(7, f"shrink/{phase.name}")
        training = BothHalves(supernet, phase, teacher, 4, seed, open_machine())
        run_training(training, Shifted(epochs), around)
        epochs += phase.recipe.epochs
        losses += [entry["loss"] for entry in training.position.curve]
    return supernet, losses


@dataclass(frozen=True)
class Shifted:
    """The colours from an epoch on."""

    first: int
    steps_per_epoch: int = 4

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        return COLOURS.epoch(self.first + epoch, start_step)


# ---------------------------------------------------------------------- errors
class ElsewhereMachine(Machine):
    """One of two processes; the other one is a phase ahead."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            tensor.add_(0.5)


def test_processes_that_start_in_different_phases_are_told() -> None:
    machine = ElsewhereMachine(torch.device("cpu"), rank=1, world=2)
    with pytest.raises(RunError, match="process 1 would go on in phase 1, others elsewhere; give all processes the"):
        require_same_point(Point(), machine)


def test_the_checkpoint_of_another_space_is_refused() -> None:
    memory = Memory()
    with pytest.raises(KillError):
        run("progressive", memory, killed_at(4))
    with pytest.raises(
        RunError, match=r"another training;.*\n.*stages\.0\.0\.kernel_size is choice\(3, 5\), here choice"
    ):
        run("progressive", memory, supernet=tiny_supernet(tiny_space((3, 7))))


def test_the_checkpoint_of_another_plan_is_refused() -> None:
    memory = Memory()
    with pytest.raises(KillError):
        run("progressive", memory, killed_at(4))
    with pytest.raises(RunError, match="seed is 7, here 8"):
        run("progressive", memory, seed=8)
    first, *rest = plan("progressive", tiny_space())
    longer = (replace(first, recipe=replace(first.recipe, epochs=3)), *rest)
    with pytest.raises(RunError, match=r"full\.recipe\.epochs is 1, here 3"):
        run("progressive", memory, phases=longer)
    with pytest.raises(RunError, match="not of a supernet's training; choose another folder"):
        run("progressive", Memory(({}, {"epoch": 1})))


def test_phases_of_another_space_are_refused() -> None:
    phase = plan("sandwich", tiny_space())[0]
    wrong = (replace(phase, options=phase.options[:-1]), phase, replace(phase, options=(*phase.options[:-1], (9,))))
    with pytest.raises(InvalidValue, match="3 problems") as caught:
        run(phases=wrong)
    for part in ("two phases are called 'sandwich'", "options for 7 decisions, the space has 8", "does not have"):
        assert part in str(caught.value)
    with pytest.raises(InvalidValue, match=r"there are no phases"):
        shrink(tiny_supernet(), (), COLOURS, evaluate=tell_apart, seed=0)


def test_images_of_another_size_are_refused() -> None:
    big = tiny_supernet(tiny_space())
    space = replace(big.space, architecture=replace(big.space.architecture, resolution=16))
    with pytest.raises(InvalidValue, match="batches hold images of 8x8 pixels; the space's largest resolution, 16"):
        run("sandwich", supernet=tiny_supernet(space))
