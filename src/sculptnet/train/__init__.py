"""Training from a recipe: the loop, and what a network says about images."""

from sculptnet.train.inference import accuracy_of, predictions
from sculptnet.train.loop import BatchSource, Trained, train_network
from sculptnet.train.machine import Machine, open_machine
from sculptnet.train.schedules import rescaled
from sculptnet.train.shrinking import Shrunk, shrink
from sculptnet.train.shrinking_phases import Phase
from sculptnet.train.shrinking_schedules import progressive, sandwich

__all__ = [
    "BatchSource",
    "Machine",
    "Phase",
    "Shrunk",
    "Trained",
    "accuracy_of",
    "open_machine",
    "predictions",
    "progressive",
    "rescaled",
    "sandwich",
    "shrink",
    "train_network",
]
