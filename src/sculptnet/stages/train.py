"""One network trained on the training images, and a few kept back for its curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from sculptnet import nets
from sculptnet.arch import Candidate, Recipe
from sculptnet.data import Split
from sculptnet.job import ImageJob
from sculptnet.learn import accuracy_of, train_network
from sculptnet.nets import Network
from sculptnet.records import Event
from sculptnet.stages.batches import training_batches
from sculptnet.streams import stream_seed

MONITOR_SHARE, MOST_MONITORED = 0.1, 2000  # training images that are kept back to draw the curve


def final_parts(job: ImageJob) -> tuple[Split, Split]:
    """The images that the shipped network is trained on, and a few that are kept back for its curve."""
    images = len(job.data.train)
    share = min(MONITOR_SHARE, MOST_MONITORED / images)
    return job.data.hold_out(share, stream_seed(job.options.seed, "monitor"))


def train_candidate(job: ImageJob, candidate: Candidate, name: str = "final") -> Network:
    """Trains the network of `candidate` with its recipe, or goes on where an earlier call stopped."""
    network = Network(candidate.architecture)
    nets.initialise(network, stream_seed(job.options.seed, f"weights/{name}"))
    here = job.at(candidate.architecture.resolution)
    train_module(here, network, candidate.recipe, name)
    return network


def train_module(
    job: ImageJob,
    network: nn.Module,
    recipe: Recipe,
    name: str,
    parts: tuple[Split, Split] | None = None,
    teacher: nn.Module | None = None,
) -> None:
    """Trains `network` in place; `name` keeps its checkpoints and events apart.

    `parts` are the images that it is trained on and those that its curve is drawn from; see `final_parts`. `teacher`
    gives soft labels for the same images.
    """
    train_part, monitor = final_parts(job) if parts is None else parts
    judged = job.in_order(monitor)
    classes = len(job.data.classes)

    def evaluate(module: nn.Module) -> Mapping[str, float]:
        accuracy = accuracy_of(module, judged, classes, job.accelerator)
        return {"top1": accuracy.top1, "balanced": accuracy.balanced}

    def log(event: Event) -> None:
        job.log(replace(event, trial=name))

    train_network(
        network,
        recipe,
        training_batches(job, train_part, recipe),
        num_classes=classes,
        seed=stream_seed(job.options.seed, f"training/{name}"),
        evaluate=evaluate,
        teacher=teacher,
        checkpoint=job.run.checkpoint(name),
        clock=job.clock,
        log=log,
        progress=job.listener.progress,
        accelerator=job.accelerator,
    )
    network.to("cpu")
