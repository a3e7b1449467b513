"""Batches of a run's images."""

from __future__ import annotations

from sculptnet.arch import Recipe
from sculptnet.data import Split, TrainingBatches
from sculptnet.job import ImageJob
from sculptnet.streams import stream_seed


def training_batches(job: ImageJob, split: Split, recipe: Recipe) -> TrainingBatches:
    """Augmented batches of `split`."""
    return TrainingBatches(
        split,
        job.preprocessing,
        recipe.augmentation,
        recipe.batch_size,
        stream_seed(job.options.seed, "batches"),
        num_workers=job.num_workers(),
    )
