"""Evaluation by training: what a search asks for when it wants to know how good a candidate is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import nn

from sculptnet.arch import Candidate
from sculptnet.cost import macs, parameters
from sculptnet.data import EvaluationBatches, Preprocessing, Split, TrainingBatches
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.evaluate.trains import Trains, number_of, saves_nothing
from sculptnet.learn import Machine, Trained, accuracy_of, rescaled, train_network
from sculptnet.nets import Network, initialise
from sculptnet.search import Job
from sculptnet.state import Checkpoint
from sculptnet.streams import stream_seed


@final
@dataclass(frozen=True, eq=False)
class ByTraining(Trains):
    """Trains a candidate from scratch on `train` and measures it on `held_out`.

    All candidates see the images in the same order.

    Attributes:
        train, held_out: two parts of the training data; the test data have no place in a search.
        preprocessing: for its own resolution; `resize` is scaled for candidates of another one.
        num_workers: processes that decode images.
        accelerator, precision, checkpoint_in: see `Trains`.
    """

    train: Split
    held_out: Split
    preprocessing: Preprocessing
    seed: int
    num_workers: int = 0
    accelerator: str = "cpu"
    precision: str = "auto"
    checkpoint_in: Callable[[Path], Checkpoint] = saves_nothing

    def metrics(self, candidate: Candidate, trained: Trained) -> Mapping[str, float]:
        """`top1` and `balanced` (fractions) on `held_out`, `macs` and `parameters`."""
        last, architecture = trained.curve[-1], candidate.architecture
        counts = {"macs": float(macs(architecture)), "parameters": float(parameters(architecture))}
        return {"top1": last["top1"], "balanced": last["balanced"], **counts}

    def learned(self, candidate: Candidate, job: Job, machine: Machine) -> Trained:
        recipe = candidate.recipe if job.epochs is None else rescaled(candidate.recipe, job.epochs)
        resolution, num_classes = candidate.architecture.resolution, candidate.architecture.num_classes
        preprocessing = self.preprocessing.at(resolution)
        size = evaluation_batch_size(resolution)
        held_out = EvaluationBatches(self.held_out, preprocessing, size, self.num_workers)

        def evaluate(network: nn.Module) -> Mapping[str, float]:
            accuracy = accuracy_of(network, held_out, num_classes, self.accelerator)
            return {"top1": accuracy.top1, "balanced": accuracy.balanced}

        network = Network(candidate.architecture)
        initialise(network, stream_seed(self.seed, "weights", number_of(candidate, job.replicate)))
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
            seed=stream_seed(self.seed, "trial", number_of(candidate, job.replicate)),
            evaluate=evaluate,
            checkpoint=self.checkpoint(job),
            log=job.log,
            progress=job.progress,
            accelerator=self.accelerator,
            precision=self.precision,
        )
