"""Evaluation by training: what a search asks for when it wants to know how good a candidate is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from safetensors.torch import save
from torch import nn

from sculptnet.arch import Candidate, to_json
from sculptnet.cost import macs, parameters
from sculptnet.data import EvaluationBatches, Preprocessing, Split, TrainingBatches
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.errors import TrainingDiverged
from sculptnet.files import write_atomic
from sculptnet.learn import Machine, Trained, accuracy_of, open_machine, rescaled, train_network
from sculptnet.learn.process import generators_as_found
from sculptnet.nets import Network, initialise
from sculptnet.search import Job
from sculptnet.state import Checkpoint, NoCheckpoint
from sculptnet.streams import stream_seed

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint"


def saves_nothing(folder: Path) -> Checkpoint:
    """A trial that was killed starts anew."""
    return NoCheckpoint()


@final
@dataclass(frozen=True, eq=False)
class ByTraining:
    """Trains a candidate from scratch on `train` and measures it on `held_out`.

    The result depends on the candidate, the training length, the replicate and `seed` alone: not on the trial's number
    or on what ran before. All candidates see the images in the same order.

    Attributes:
        train, held_out: two parts of the training data; the test data have no place in a search.
        preprocessing: for its own resolution; `resize` is scaled for candidates of another one.
        num_workers: processes that decode images.
        accelerator, precision: see `learn.open_machine`.
        checkpoint_in: makes the checkpoint of a trial in a folder that is removed when the trial is done, so that a
            trial that was killed goes on where it was; it must be picklable if trials run in other processes.
    """

    train: Split
    held_out: Split
    preprocessing: Preprocessing
    seed: int
    num_workers: int = 0
    accelerator: str = "cpu"
    precision: str = "auto"
    checkpoint_in: Callable[[Path], Checkpoint] = saves_nothing

    @generators_as_found()  # new layers draw from torch's global generator, before `initialise` draws them anew
    def __call__(self, candidate: Candidate, job: Job) -> Mapping[str, float]:
        """`top1` and `balanced` (fractions) on `held_out`, `macs` and `parameters`.

        `job.epochs`, if given, replaces the recipe's length; warm-up and milestones keep their share of it. In
        `job.folder`, if given, lie the trained weights as `weights.safetensors`.

        Raises:
            TrainingDiverged: the loss is no longer finite; names the trial.
        """
        machine = open_machine(self.accelerator, self.precision)
        try:
            trained = self._trained(candidate, job, machine)
        except TrainingDiverged as error:
            raise TrainingDiverged(f"trial {job.trial}: {error}") from error
        job.keep_curve(trained.curve)
        if job.folder is not None and machine.rank == 0:
            _save_weights(trained.network, job.folder / WEIGHTS)
            shutil.rmtree(job.folder / CHECKPOINT, ignore_errors=True)
        last = trained.curve[-1]
        architecture = candidate.architecture
        counts = {"macs": float(macs(architecture)), "parameters": float(parameters(architecture))}
        return {"top1": last["top1"], "balanced": last["balanced"], **counts}

    def _trained(self, candidate: Candidate, job: Job, machine: Machine) -> Trained:
        recipe = candidate.recipe if job.epochs is None else rescaled(candidate.recipe, job.epochs)
        resolution, num_classes = candidate.architecture.resolution, candidate.architecture.num_classes
        preprocessing = self.preprocessing.at(resolution)
        size = evaluation_batch_size(resolution)
        held_out = EvaluationBatches(self.held_out, preprocessing, size, self.num_workers)

        def evaluate(network: nn.Module) -> Mapping[str, float]:
            accuracy = accuracy_of(network, held_out, num_classes, self.accelerator)
            return {"top1": accuracy.top1, "balanced": accuracy.balanced}

        network = Network(candidate.architecture)
        initialise(network, stream_seed(self.seed, "weights", _number(candidate, job.replicate)))
        return train_network(
            network,
            recipe,
            TrainingBatches(
                self.train,
                preprocessing,
                recipe.augmentation,
                recipe.batch_size,
                stream_seed(self.seed, "trial batches", job.replicate),
                self.num_workers,
                machine.rank,
                machine.world,
            ),
            num_classes=num_classes,
            seed=stream_seed(self.seed, "trial", _number(candidate, job.replicate)),
            evaluate=evaluate,
            checkpoint=NoCheckpoint() if job.folder is None else self.checkpoint_in(job.folder / CHECKPOINT),
            log=job.log,
            progress=job.progress,
            accelerator=self.accelerator,
            precision=self.precision,
        )


def _number(candidate: Candidate, replicate: int) -> int:
    """A number that names the candidate and the replicate, the same in every process."""
    content = json.dumps([to_json(candidate), replicate], sort_keys=True)
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "little")


def _save_weights(network: nn.Module, path: Path) -> None:
    write_atomic(path, save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}))
