"""The training of a supernet, phase by phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import torch
from torch import Tensor

from sculptnet.arch import Architecture
from sculptnet.errors import InvalidValue, collected
from sculptnet.learn.loop import NOWHERE, BatchSource, Surroundings, require_images, run_training
from sculptnet.learn.machine import Machine, open_machine
from sculptnet.learn.shrinking_phases import Kind, Phase, widths_of
from sculptnet.learn.shrinking_state import (
    PhaseCheckpoint,
    Point,
    ShrunkPhase,
    identity_of,
    read_point,
    require_same_point,
    teacher_of,
)
from sculptnet.learn.shrinking_steps import SupernetTraining, resized
from sculptnet.learn.state import copied
from sculptnet.nets import ElasticSupernet, Network, calibrate, sort_channels
from sculptnet.records import Event, Log, no_log
from sculptnet.records.training_events import LookedAt, ShrinkPhase
from sculptnet.state import Checkpoint, Progress, no_progress
from sculptnet.streams import stream, stream_seed

Evaluate: TypeAlias = Callable[[Network], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Shrunk:
    """What the training of a supernet leaves.

    Attributes:
        supernet: the one that was given, in eval mode.
        phases: what each phase left.
    """

    supernet: ElasticSupernet
    phases: tuple[ShrunkPhase, ...]


def shrink(
    supernet: ElasticSupernet,
    phases: tuple[Phase, ...],
    batches: BatchSource,
    *,
    evaluate: Evaluate,
    seed: int,
    random_networks: int = 3,
    calibration_images: int = 2000,
    checkpoint: Checkpoint = NOWHERE,
    checkpoint_seconds: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
    log: Log = no_log,
    progress: Progress = no_progress,
    accelerator: str = "cpu",
    precision: str = "auto",
) -> Shrunk:
    """Trains `supernet`, in place, from the weights it has: `phases` are `progressive(space)` or `sandwich(space)`.

    Before the first phase that distils, a copy of the full network is frozen: from then on it is the teacher. (The
    published code runs it with batch statistics, here it has its own.) Before a phase that opens widths, inner
    channels are sorted by importance. Each phase ends with a look at its largest and smallest network and some random
    ones: each is copied out, its batch-norm statistics are made anew from training images, and `evaluate` says how
    good it is.

    As `train_network`, this depends on its arguments alone, goes on from `checkpoint` in any phase to the same bits,
    and may run in several processes: all train the same networks in a step, each on its share of the images.

    Args:
        phases: in order; their recipes say how long.
        batches: images at the largest resolution of the space, with the augmentation of the training; smaller ones
            are made of them, on the accelerator. Phases go on counting epochs where the phase before stopped.
        evaluate: called with calibrated networks in eval mode, without gradients. A network's
            `architecture.resolution` says which images it wants; these must not be training images.
        random_networks: how many are looked at when a phase ends, beside the largest and the smallest.
        calibration_images: that batch-norm statistics are made from, over all processes; epochs are repeated where
            one has fewer.
        log: told a `SupernetEpoch` after every epoch, a `ShrinkPhase` after every phase.
        checkpoint, checkpoint_seconds, clock, progress, accelerator, precision: as `train_network`.

    Raises:
        TrainingDiverged: the loss is no longer finite.
        RunError: the checkpoint belongs to another training, or not all processes have it.
        InvalidValue: `phases` are of another space, or `batches` are not what they say.

    Reference: Cai et al., Once-for-All, ICLR 2020, section 3.3.
    """
    _check(supernet, phases, batches)
    machine = open_machine(accelerator, precision)
    tells = machine.rank == 0
    identity = identity_of(supernet, phases, seed)
    point = read_point(checkpoint.load(), identity)
    require_same_point(point, machine)
    supernet.to(machine.device)
    if point.weights is not None:
        supernet.load_state_dict(dict(point.weights))
    around = Surroundings(checkpoint, checkpoint_seconds, clock, log, progress)
    work = _Work(supernet, phases, batches, evaluate, seed, machine, random_networks, calibration_images, around)
    with machine.reproducible():
        while point.phase < len(phases):
            point, event = work.phase(point, identity)
            if tells:
                log(event)  # before saving: a kill in between logs a phase twice, the other order never
                PhaseCheckpoint(checkpoint, identity, point).save_start(supernet)
    return Shrunk(supernet.eval(), point.done)


def _check(supernet: ElasticSupernet, phases: tuple[Phase, ...], batches: BatchSource) -> None:
    require_images(batches)
    nodes = list(supernet.space.decisions.values())
    problems = [] if phases else ["there are no phases"]
    names = [phase.name for phase in phases]
    problems += [f"two phases are called {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
    for phase in phases:
        sizes = len(phase.options), len(nodes)
        if sizes[0] != sizes[1]:
            problems.append(f"phase {phase.name!r} has options for {sizes[0]} decisions, the space has {sizes[1]}")
        elif not all(o and max(o) < len(node.options) for o, node in zip(phase.options, nodes, strict=True)):
            problems.append(f"phase {phase.name!r} opens options that the space does not have, or none of a decision")
    if problems:
        raise InvalidValue(collected(problems, "shrink: phases, such as progressive(supernet.space)"))


@dataclass(frozen=True, eq=False)
class _Work:
    """The arguments of `shrink`."""

    supernet: ElasticSupernet
    phases: tuple[Phase, ...]
    batches: BatchSource
    evaluate: Evaluate
    seed: int
    machine: Machine
    random_networks: int
    calibration_images: int
    around: Surroundings

    def phase(self, point: Point, identity: Mapping[str, Any]) -> tuple[Point, Event]:
        """Does what is left of the phase at `point`; returns the start of the next and the event to log."""
        phase, supernet = self.phases[point.phase], self.supernet
        teacher = None
        if phase.needs_teacher:
            teacher = teacher_of(supernet, point.teacher)
            point = replace(point, teacher=point.teacher or copied(teacher.state_dict()))
        if phase.supported is not None and point.training is None:
            sort_channels(supernet, widths_of(supernet.space, phase.supported))
        seed = stream_seed(self.seed, f"shrink/{phase.name}")
        training = SupernetTraining(supernet, phase, teacher, self.batches.steps_per_epoch, seed, self.machine)
        run_training(training, self._from(point.phase), self._around(point, identity))
        looked_at = tuple(
            LookedAt(name, supernet.space.encode(architecture), self._metrics(architecture, point.phase + 1))
            for name, architecture in self._looked_at(phase)
        )
        done = ShrunkPhase(phase.name, tuple(training.position.curve), looked_at)
        following = Point(point.phase + 1, (*point.done, done), point.teacher)
        return following, ShrinkPhase(phase.name, point.phase + 1, len(self.phases), looked_at)

    def _from(self, phase: int) -> BatchSource:
        return _Later(self.batches, sum(earlier.recipe.epochs for earlier in self.phases[:phase]))

    def _around(self, point: Point, identity: Mapping[str, Any]) -> Surroundings:
        around, name, steps = self.around, self.phases[point.phase].name, self.batches.steps_per_epoch
        before = sum(phase.recipe.epochs for phase in self.phases[: point.phase]) * steps
        total = sum(phase.recipe.epochs for phase in self.phases) * steps
        return replace(
            around,
            checkpoint=PhaseCheckpoint(around.checkpoint, identity, point),
            progress=lambda what, done, _: around.progress(f"{what}: {name}", before + done, total),
        )

    def _looked_at(self, phase: Phase) -> Iterator[tuple[str, Architecture]]:
        space = self.supernet.space
        yield "largest", phase.extreme(space, ())
        yield "smallest", phase.extreme(space, tuple(Kind))
        drawn = phase.draw(space, stream(self.seed, f"shrink/{phase.name}/looked at"), self.random_networks)
        yield from ((f"random {index}", architecture) for index, architecture in enumerate(drawn, start=1))

    @torch.no_grad()
    def _metrics(self, architecture: Architecture, phases_done: int) -> dict[str, float]:
        """What `evaluate` says of a network; its statistics are the same in every process."""
        source, share = self._from(phases_done), -(-self.calibration_images // self.machine.world)
        epochs = chain.from_iterable(source.epoch(epoch) for epoch in range(share))  # each has an image at least
        images = ((resized(batch.to(self.machine.device), architecture.resolution), labels) for batch, labels in epochs)
        network = calibrate(self.supernet.subnet(architecture), images, images=share)
        self.machine.average([buffer for buffer in network.buffers() if buffer.is_floating_point()])
        return {name: float(value) for name, value in self.evaluate(network).items()}


@dataclass(frozen=True, eq=False)
class _Later:
    """The epochs of a source from one on."""

    batches: BatchSource
    first: int

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        return self.batches.epoch(self.first + epoch, start_step)
