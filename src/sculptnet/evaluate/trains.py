"""What evaluations by training have in common: checkpoints, kept weights, and a seed of each candidate."""

from __future__ import annotations

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import save
from torch import nn

from sculptnet.arch import Candidate, to_json
from sculptnet.errors import TrainingDiverged
from sculptnet.files import write_atomic
from sculptnet.learn import Machine, Trained, open_machine
from sculptnet.learn.process import generators_as_found
from sculptnet.search import Job
from sculptnet.state import Checkpoint, NoCheckpoint

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint"


def saves_nothing(folder: Path) -> Checkpoint:
    """A trial that was killed starts anew."""
    return NoCheckpoint()


class Trains(ABC):
    """An evaluation that trains a candidate from scratch and judges it on training data that were kept back.

    It takes long, and several may run at once. The result depends on the candidate, the training length, the replicate
    and the seed alone: not on the trial's number or on what ran before.

    Attributes:
        accelerator, precision: see `learn.open_machine`.
        checkpoint_in: makes the checkpoint of a trial in a folder that is removed when the trial is done, so that a
            trial that was killed goes on where it was; it must be picklable if trials run in other processes.
    """

    accelerator: str
    precision: str
    checkpoint_in: Callable[[Path], Checkpoint]

    @generators_as_found()  # new layers draw from torch's global generator, before they are drawn anew
    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """The metrics of a candidate.

        `job.epochs`, if given, replaces the recipe's length; warm-up and milestones keep their share of it. In
        `job.folder`, if given, lie the trained weights as `weights.safetensors`.

        Raises:
            TrainingDiverged: the loss is no longer finite; names the trial.
        """
        machine = open_machine(self.accelerator, self.precision)
        try:
            trained = self.learned(candidate, job, machine)
        except TrainingDiverged as error:
            raise TrainingDiverged(f"trial {job.trial}: {error}") from error
        job.keep_curve(trained.curve)
        if job.folder is not None and machine.rank == 0:
            _save_weights(trained.network, job.folder / WEIGHTS)
            shutil.rmtree(job.folder / CHECKPOINT, ignore_errors=True)
        return self.metrics(candidate, trained)

    @abstractmethod
    def learned(self, candidate: Candidate, job: Job, machine: Machine) -> Trained:
        """Trains the candidate; the last event of the curve has what it is judged by."""

    @abstractmethod
    def metrics(self, candidate: Candidate, trained: Trained) -> Mapping[str, float]:
        """What is told of it."""

    def checkpoint(self, job: Job) -> Checkpoint:
        """Where the training of a trial goes on."""
        return NoCheckpoint() if job.folder is None else self.checkpoint_in(job.folder / CHECKPOINT)


def number_of(candidate: Candidate, replicate: int) -> int:
    """A number that names the candidate and the replicate, the same in every process."""
    content = json.dumps([to_json(candidate), replicate], sort_keys=True)
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "little")


def _save_weights(network: nn.Module, path: Path) -> None:
    write_atomic(path, save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}))
