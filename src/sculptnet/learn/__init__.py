"""Learning: one core of steps, optimisers, snapshots, precision and processes, and what is trained with it.

A method brings an objective and its optimisers in a `Training`; `run_training` does the rest. `learn.detection` trains
detectors; it stands apart because it knows data sets. Modules whose names are not listed here are the package's own.
"""

from sculptnet.learn.accuracy_predictor import (
    AccuracyPredictor,
    PredictionError,
    fit_accuracy_predictor,
    load_accuracy_predictor,
)
from sculptnet.learn.by_recipe import RecipeTraining
from sculptnet.learn.inference import accuracy_of, predictions
from sculptnet.learn.loop import BatchSource, Surroundings, run_training
from sculptnet.learn.machine import Machine, evaluating, open_machine
from sculptnet.learn.networks import Trained, train_network
from sculptnet.learn.probe import Probe, fit_probe
from sculptnet.learn.process import process_as_found, seeded_generators
from sculptnet.learn.schedules import rescaled
from sculptnet.learn.shrinking import Shrunk, shrink
from sculptnet.learn.shrinking_phases import Phase
from sculptnet.learn.shrinking_schedules import progressive, sandwich
from sculptnet.learn.shrinking_steps import SupernetTraining
from sculptnet.learn.training import Training

__all__ = [
    "AccuracyPredictor",
    "BatchSource",
    "Machine",
    "Phase",
    "PredictionError",
    "Probe",
    "RecipeTraining",
    "Shrunk",
    "SupernetTraining",
    "Surroundings",
    "Trained",
    "Training",
    "accuracy_of",
    "evaluating",
    "fit_accuracy_predictor",
    "fit_probe",
    "load_accuracy_predictor",
    "open_machine",
    "predictions",
    "process_as_found",
    "progressive",
    "rescaled",
    "run_training",
    "sandwich",
    "seeded_generators",
    "shrink",
    "train_network",
]
