"""Training from a recipe: the loop, and what a network says about images."""

from sculptnet.train.inference import accuracy_of, predictions
from sculptnet.train.loop import BatchSource, Trained, train_network
from sculptnet.train.machine import Machine, open_machine
from sculptnet.train.schedules import rescaled

__all__ = [
    "BatchSource",
    "Machine",
    "Trained",
    "accuracy_of",
    "open_machine",
    "predictions",
    "rescaled",
    "train_network",
]
