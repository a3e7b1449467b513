"""Trials of classifiers: short trainings, judged on training images that are kept back."""

from __future__ import annotations

from sculptnet.evaluate import ByTraining
from sculptnet.job import TrialJob
from sculptnet.runs import FileCheckpoint
from sculptnet.stages.workers import as_workers, decoders
from sculptnet.streams import stream_seed


def by_training(job: TrialJob) -> ByTraining:
    """Short training on 80 % of the training images, judged on the rest."""
    train_part, select_part = job.search_parts()
    return ByTraining(
        train=train_part,
        held_out=select_part,
        preprocessing=job.preprocessing,
        seed=stream_seed(job.options.seed, "trials"),
        num_workers=decoders(as_workers(job.options.workers), job.num_workers()),
        accelerator=job.accelerator,
        checkpoint_in=FileCheckpoint,
    )
