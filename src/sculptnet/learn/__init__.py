"""Training from a recipe: the loop, and what a network says about images."""

from sculptnet.learn.inference import accuracy_of, predictions
from sculptnet.learn.loop import BatchSource, Trained, train_network
from sculptnet.learn.machine import Machine, open_machine
from sculptnet.learn.schedules import rescaled
from sculptnet.learn.shrinking import Shrunk, shrink
from sculptnet.learn.shrinking_phases import Phase
from sculptnet.learn.shrinking_schedules import progressive, sandwich

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
