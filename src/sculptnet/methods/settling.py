"""Statistics of batch norms in weights that were trained for so few steps that they never settled."""

from __future__ import annotations

from pathlib import Path

from sculptnet.arch import Recipe
from sculptnet.job import Job
from sculptnet.nets import Network, calibrate
from sculptnet.options import TrainOptions
from sculptnet.stages.batches import training_batches
from sculptnet.stages.train import final_parts
from sculptnet.zoo.importing import COUNTER
from sculptnet.zoo.weight_files import read_weights

# Running statistics keep 0.9 of what they were in every step, so after 44 steps 1 % of their first values is left. A
# network that was trained for 13 had a quarter left; fine-tuned with those statistics kept, its loss was nan in step 2.
SETTLED_STEPS = 44
IMAGES = 2000  # at most; Once-for-All's number for a network cut out of a supernet


def unsettled_steps(weights: Path | None, recipe: Recipe) -> int | None:
    """The steps that statistics in a file were taken in, where they are to be kept and have not settled; else None.

    Files that do not say how many they were are taken as they are.
    """
    if weights is None or not recipe.frozen_statistics:
        return None
    steps = [int(tensor) for name, tensor in read_weights(weights).items() if name.endswith(COUNTER)]
    fewest = min(steps, default=0)
    return fewest if 0 < fewest < SETTLED_STEPS else None


def with_new_statistics(job: Job[TrainOptions], network: Network, recipe: Recipe) -> Network:
    """A copy of `network` whose statistics are those of training images."""
    batches = training_batches(job, final_parts(job)[0], recipe)
    return calibrate(network, batches.epoch(0), images=min(IMAGES, batches.steps_per_epoch * batches.batch_size))
