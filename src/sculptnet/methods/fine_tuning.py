"""Fine-tuning a network that is given: all weights, and not below what its classifier alone would reach."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sculptnet.arch import Architecture, Augmentation, Recipe, Sgd
from sculptnet.data import Split, subset
from sculptnet.job import Job
from sculptnet.learn import fit_probe, predictions
from sculptnet.nets import Network
from sculptnet.options import TrainOptions
from sculptnet.paired import Paired
from sculptnet.records.codec import to_line
from sculptnet.records.training_events import FineTuned, ProbeFitted
from sculptnet.stages.train import final_parts, train_module
from sculptnet.streams import stream_seed
from sculptnet.words import several

Hits: TypeAlias = npt.NDArray[np.bool_]
# From a drawn classifier: from one that was fitted to frozen features the same steps diverge, and clipped ones learn
# little (benchmarks/results/fine_tuning.md).
FINE_TUNING = Recipe(
    batch_size=32,
    optimizer=Sgd(learning_rate=0.003),
    augmentation=Augmentation(crop_scale=0.7),
    frozen_statistics=True,
)
PROBE_SHARE = 0.2  # of the minutes left, at most, while there are more than FEWEST images of each class
FEWEST = 5
FORWARD_SHARE = 0.35  # of a training step that classifying the same images takes
# of a regression, its choice of a strength included: passes over the features, seconds of a multiply-add
PASSES, READ_S, MULTIPLY_S = 300, 3e-9, 1e-10


def probe_seconds(architecture: Architecture, image_step_s: float) -> float:
    """Expected, for each image; `image_step_s` is a training step's time over its images."""
    features = next(shape.channels for path, _, shape in architecture.blocks() if path == "classifier")
    regression = PASSES * features * (READ_S + 4 * MULTIPLY_S * architecture.num_classes)
    return FORWARD_SHARE * image_step_s + regression


def probe_images(images: int, classes: int, seconds_left: float, seconds_each: float) -> int:
    """How many of the training images the probe is fitted to."""
    affordable = math.floor(PROBE_SHARE * max(0.0, seconds_left) / seconds_each)
    return min(images, max(affordable, FEWEST * classes))


def sentence(recipe: Recipe, images: int) -> str:
    """What the plan says of it."""
    statistics = "kept" if recipe.frozen_statistics else "learned anew"
    least = f"; no less than a logistic regression on the features of {several(images, 'image')}" if images else ""
    return (
        f"Fine-tuning: all weights, {several(recipe.batch_size, 'image')} a step at the learning rate "
        f"{recipe.optimizer.learning_rate:g}, batch norms' statistics {statistics}{least}"
    )


def fine_tuned(
    job: Job[TrainOptions], make: Callable[[], Network], recipe: Recipe, images: int, teacher: nn.Module | None
) -> Network:
    """The network of `make` trained, or with a probe on `images` training images as its classifier.

    The training is taken back where it is worse than the probe beyond chance (`Paired`) on the images that are kept
    back for the curve; neither is fitted to them. They are few: taking back whatever is below cost 2.9 points of test
    accuracy in one run. Goes on where an earlier call stopped: the probe's classifier is kept.
    """
    network, (_, monitor) = make(), final_parts(job)
    before = probe(job, make(), monitor, images)
    train_module(job, network, recipe, "final", teacher=teacher)
    after = _hits(job, network, monitor)
    worse = Paired.of(after, before).worse
    job.log(FineTuned(float(before.mean()), float(after.mean()), ships_probe=worse))
    job.say(
        f"Fine-tuned: {100 * after.mean():.1f} % of {several(len(monitor), 'image')} kept back are right, "
        f"{100 * before.mean():.1f} % with the classifier alone"
    )
    if not worse:
        return network
    job.say("Warning: fine-tuning made the network worse; it is shipped as it was, with its new classifier")
    network = make()
    probe(job, network, monitor, images)
    return network


def probe(job: Job[TrainOptions], network: Network, monitor: Split, images: int) -> Hits:
    """Fits the classifier, or takes the one that was fitted; returns which images of `monitor` are right then."""
    checkpoint, classifier = job.run.checkpoint("probe"), network.classifier
    kept = checkpoint.load()
    if kept is not None:
        tensors = dict(kept[0])
        hits: Hits = tensors.pop("hits").numpy()
        classifier.load_state_dict(tensors)
        return hits
    job.say(f"Fitting the classifier by logistic regression on {several(images, 'image')}")
    part = subset(final_parts(job)[0], images, job.options.seed)
    found = fit_probe(
        network,
        job.counted(job.in_order(part), "reading features"),
        num_classes=len(job.data.classes),
        seed=stream_seed(job.options.seed, "probe"),
        accelerator=job.accelerator,
    )
    hits = _hits(job, network, monitor)
    losses = {f"{strength:g}": loss for strength, loss in found.losses.items()}
    fitted = ProbeFitted(found.images, found.strength, losses, float(hits.mean()))
    job.log(fitted)
    checkpoint.save({**classifier.state_dict(), "hits": torch.from_numpy(hits)}, to_line(fitted))
    return hits


def _hits(job: Job[TrainOptions], network: Network, monitor: Split) -> Hits:
    """Which images the network, which is on the CPU afterwards, classifies correctly."""
    found: Hits = predictions(network, job.in_order(monitor), job.accelerator) == monitor.labels
    network.to("cpu")
    return found
