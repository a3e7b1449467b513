"""Third stage: the best finalist trained from scratch on the training images."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from sculptnet import nets
from sculptnet.arch import Candidate, Recipe
from sculptnet.data import Split
from sculptnet.flow.context import RunContext
from sculptnet.flow.plan import Plan
from sculptnet.flow.searching import training_batches
from sculptnet.nets import Network
from sculptnet.state import Event
from sculptnet.streams import stream_seed
from sculptnet.train import accuracy_of, rescaled, train_network

MONITOR_SHARE, MOST_MONITORED = 0.1, 2000  # training images that are kept back to draw the curve


def final_parts(context: RunContext) -> tuple[Split, Split]:
    """The images that the shipped network is trained on, and a few that are kept back for its curve."""
    images = len(context.data.train)
    share = min(MONITOR_SHARE, MOST_MONITORED / images)
    return context.data.hold_out(share, stream_seed(context.request.seed, "monitor"))


def train_candidate(context: RunContext, candidate: Candidate, plan: Plan, name: str = "final") -> Network:
    """Trains the network of `candidate` for `plan.epochs`, or goes on where an earlier call stopped."""
    network = Network(candidate.architecture)
    nets.initialise(network, stream_seed(context.request.seed, f"weights/{name}"))
    here = context.at(candidate.architecture.resolution)
    train_module(here, network, rescaled(candidate.recipe, plan.epochs), name)
    return network


def train_module(context: RunContext, network: nn.Module, recipe: Recipe, name: str) -> None:
    """Trains `network` in place; `name` keeps its checkpoints and events apart."""
    train_part, monitor = final_parts(context)
    judged = context.in_order(monitor)
    classes = len(context.data.classes)

    def evaluate(module: nn.Module) -> Mapping[str, float]:
        accuracy = accuracy_of(module, judged, classes, context.accelerator)
        return {"top1": accuracy.top1, "balanced": accuracy.balanced}

    def log(event: Event) -> None:
        context.log({**event, "trial": name})

    train_network(
        network,
        recipe,
        training_batches(context, train_part, recipe),
        num_classes=classes,
        seed=stream_seed(context.request.seed, f"training/{name}"),
        evaluate=evaluate,
        checkpoint=context.run.checkpoint(name),
        clock=context.clock,
        log=log,
        progress=context.voice.progress,
        accelerator=context.accelerator,
    )
    network.to("cpu")
