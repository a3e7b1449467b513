"""A problem that takes a second to search, the search, everything it makes known; alone: `python toy.py FILE STEP`.

As a program it searches with checkpoints in FILE, prints the digest, and kills itself after STEP steps (0: never).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from safetensors.torch import load_file, save_file
from torch import Tensor

from sculptnet.arch import Architecture, Block, SearchSpace, TensorShape, choice
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, Skip
from sculptnet.cost import Reduce
from sculptnet.learn import open_machine
from sculptnet.nets import MixedSupernet
from sculptnet.records import Event
from sculptnet.records.events import event_to_line
from sculptnet.search import Limit, Objective, Problem, Search
from sculptnet.search.differentiable.method import Dnas
from sculptnet.state import Checkpoint, NoCheckpoint, Progress, no_progress
from sculptnet.streams import stream

TOP1 = (Objective("top1"),)
CLASSES = 3
NOWHERE = NoCheckpoint()


def toy_space() -> SearchSpace:
    """The stem sees single pixels, so a candidate with a 3x3 kernel is needed to tell stripes apart."""

    def slot() -> Block:
        return choice(InvertedResidual(8, 1, 2), InvertedResidual(8, 3, 2), Skip(8))

    return SearchSpace(Architecture(8, Conv(8, 1), ((slot(), slot()),), PooledConv(16), Classifier(CLASSES)))


@dataclass(frozen=True)
class Stripes:
    """Images of horizontal, vertical or chequered stripes, in random phase and noise."""

    seed: int
    steps_per_epoch: int = 4
    batch_size: int = 16

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(start_step, self.steps_per_epoch):
            rng = stream(self.seed, "test/stripes", epoch * self.steps_per_epoch + step)
            labels = rng.integers(CLASSES, size=self.batch_size)
            rows, columns = np.mgrid[:8, :8]
            patterns = np.stack([rows % 2, columns % 2, (rows + columns) % 2]) * 2.0 - 1.0
            sign = rng.choice([-1.0, 1.0], size=(self.batch_size, 1, 1, 1))
            images = sign * patterns[labels][:, None] + rng.normal(0, 0.5, size=(self.batch_size, 3, 8, 8))
            yield torch.from_numpy(images).float(), torch.from_numpy(labels)


@dataclass(frozen=True)
class MadeUp:
    """A cost of the candidates (1x1 block, 3x3 block, skip); nothing for other blocks."""

    prices: tuple[float, float, float] = (1.0, 4.0, 0.1)
    name: str = "latency_ms@made-up"
    constant: float = 1.0
    reduce: Reduce = Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        if isinstance(block, InvertedResidual):
            return self.prices[block.kernel_size == 3]
        return self.prices[2] if isinstance(block, Skip) else 0.0


def problem(at_most: float | None = None) -> Problem:
    return Problem(toy_space(), TOP1, () if at_most is None else (Limit(MadeUp(), at_most),))


@dataclass
class InMemoryCheckpoint:
    """The last state, as a file would keep it: copied, and through JSON."""

    saved: tuple[dict[str, Tensor], str] | None = None

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        self.saved = ({name: tensor.clone() for name, tensor in tensors.items()}, json.dumps(state))

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        return None if self.saved is None else (dict(self.saved[0]), json.loads(self.saved[1]))


@dataclass(frozen=True)
class FileCheckpoint:
    """Tensors and state in one file, written and then renamed."""

    path: Path

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        written = self.path.with_suffix(".tmp")
        save_file(dict(tensors), written, {"state": json.dumps(state)})
        written.replace(self.path)

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return load_file(self.path), json.loads(header["__metadata__"]["state"])


@dataclass
class Outcome:
    """Everything that a search makes known, times aside."""

    supernet: MixedSupernet = field(default_factory=lambda: MixedSupernet(toy_space()))
    events: list[dict[str, Any]] = field(default_factory=list)
    proposals: list[list[int]] = field(default_factory=list)

    def log(self, event: Event) -> None:
        self.events.append({name: value for name, value in event_to_line(event).items() if name != "seconds"})

    def digest(self) -> str:
        """Of the last epoch, the draws, the proposals and every weight."""
        found = hashlib.sha256(json.dumps([self.events[-2:], self.proposals]).encode())
        for name, tensor in self.supernet.state_dict().items():
            found.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return found.hexdigest()


def short_search(
    outcome: Outcome,
    *,
    branches: int | None = 2,
    checkpoint: Checkpoint = NOWHERE,
    progress: Progress = no_progress,
    seed: int = 0,
    checkpoint_seconds: float = 30.0,
    accelerator: str = "cpu",
    precision: str = "auto",
    **settings: Any,
) -> Search:
    """Three epochs of 2 + 2 steps, the first for warm-up; time is a counter, saving at every step or when told."""
    return Dnas(
        **{"epochs": 3, "warmup_epochs": 1, "draws": 2, "theta_learning_rate": 0.1} | settings, branches=branches
    ).search(
        problem(8.0),
        seed,
        supernet=outcome.supernet,
        weight_batches=Stripes(1, 2, 8),
        theta_batches=Stripes(2, 2, 8),
        accelerator=accelerator,
        precision=precision,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        clock=map(float, itertools.count()).__next__,
        log=outcome.log,
        progress=progress,
    )


def finished(outcome: Outcome, search: Search) -> Outcome:
    outcome.proposals = next(search).choices.tolist()
    return outcome


def main(path: str, kill_after: str) -> None:
    """What the program does."""

    def progress(what: str, done: int, total: int) -> None:
        if done == int(kill_after):
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    outcome = Outcome()
    checkpoint = FileCheckpoint(Path(path))
    finished(outcome, short_search(outcome, checkpoint=checkpoint, progress=progress, checkpoint_seconds=0.0))
    machine = open_machine()
    if machine.rank == 0:
        print(outcome.digest())
    if machine.world > 1:
        PartialState().destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
