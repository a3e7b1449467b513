"""A made-up run with everything in it: plausible numbers, drawn from one seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sculptnet.accuracy import Accuracy
from sculptnet.arch import Block, SearchSpace, TensorShape
from sculptnet.cost import cost_of
from sculptnet.cost.entries import entries_of
from sculptnet.cost.table import HeldOut, LatencyTable
from sculptnet.report import ReportData, SectionMaker
from sculptnet.report.page import searched_from_scratch
from sculptnet.report.reinforce_sections import layer_diversity
from sculptnet.report.search_sections import search_over_epochs
from sculptnet.spaces import fbnet

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
ALIKE = {(0, 6): 9.0, (6, 0): 11.0, (2, 4): 6.0, (4, 2): 5.0, (2, 6): 6.0, (6, 2): 5.0, (4, 6): 6.0, (6, 4): 5.0}


def accuracy_at(top1: float, classes: int, images: int, rng: np.random.Generator) -> Accuracy:
    """A confusion matrix with about that accuracy; some pairs of classes are confused more often."""
    per_class = images // classes
    weights = rng.gamma(0.4, 1.0, (classes, classes))
    for (true, other), weight in ALIKE.items():
        if classes == len(FASHION):
            weights[true, other] += weight
    np.fill_diagonal(weights, 0)
    errors = weights * (1 - top1) * images / weights.sum()
    confusion = rng.poisson(errors)
    np.fill_diagonal(confusion, 0)
    np.fill_diagonal(confusion, np.maximum(0, per_class - confusion.sum(axis=1)))
    return Accuracy(tuple(tuple(row) for row in confusion.tolist()))


def made_up_latency_ms(block: Block, shape: TensorShape) -> float:
    """About what a block takes, without building it."""
    hidden = shape.channels * float(getattr(block, "expansion", 1)) / float(getattr(block, "groups", 1))
    before = shape.channels + 9 if hasattr(block, "expansion") else 0
    return 0.006 + shape.height * shape.width * hidden * (before + block.out_channels) / 6e6


def made_up_table(space: SearchSpace, rng: np.random.Generator) -> LatencyTable:
    """Latencies that grow with the work, and twenty held-out networks."""
    entries = {
        (block, shape): made_up_latency_ms(block, shape) * float(rng.lognormal(0, 0.05))
        for block, shape in entries_of(space)
        if not block.is_identity(shape.channels)
    }
    table = LatencyTable("onnxruntime-1t", entries, 1.03, 0.021, seconds=11.4)
    rows = space.sample(rng, 20)
    predicted = [cost_of(table, space.decode(row).architecture) for row in rows]
    measured = [value * float(rng.normal(1.003, 0.018)) for value in predicted]
    ratios = np.array(predicted) / np.array(measured) - 1
    held_out = HeldOut(
        20,
        float(100 * np.abs(ratios).mean()),
        float(100 * ratios.mean()),
        0.988,
        0.7,
        tuple(zip(predicted, measured, strict=True)),
    )
    return LatencyTable("onnxruntime-1t", entries, 1.03, 0.021, held_out=held_out, seconds=11.4)


def search_events(
    space: SearchSpace, table: LatencyTable, target: npt.NDArray[np.int64], epochs: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """A gradient search that becomes sure of `target` little by little."""
    speed = rng.uniform(0.02, 0.09, len(target))
    noise = [rng.normal(0, 1, int(options)) for options in space.num_options]
    warm_up = max(1, epochs // 9)
    events = []
    for epoch in range(1, epochs + 1):
        age = max(0, epoch - warm_up) * 90 / epochs
        logits = [
            np.eye(int(options))[pick] * pace * age + 0.012 * age * extra
            for options, pick, pace, extra in zip(space.num_options, target, speed, noise, strict=True)
        ]
        rows = [np.exp(row) / np.exp(row).sum() for row in logits]
        entropy = float(np.mean([-(row * np.log(row)).sum() for row in rows]))
        learning = epoch <= warm_up
        events.append(
            {
                "event": "search_epoch",
                "epoch": epoch,
                "epochs": epochs,
                "phase": "weights" if learning else "architecture",
                "loss": 0.42 + 1.9 * math.exp(-epoch / 18 * 90 / epochs) + float(rng.normal(0, 0.02)),
                "theta_loss": None if learning else 0.9 + 2.2 * math.exp(-epoch / 22) + float(rng.normal(0, 0.03)),
                "accuracy": 0.88 - 0.6 * math.exp(-epoch / 15 * 90 / epochs) + float(rng.normal(0, 0.004)),
                "tau": 5.0 * math.exp(-0.045 * 90 / epochs * (epoch - 1)),
                "entropy": entropy,
                "expected_cost": 0.95 + 0.55 * math.exp(-age / 25) + float(rng.normal(0, 0.006)),
                "cost": table.name,
                "probabilities": {
                    path: [round(float(p), 5) for p in row] for path, row in zip(space.decisions, rows, strict=True)
                },
                "seconds": 1.1,
                "time": 1_700_000_000.0 + epoch,
            }
        )
    events.append(
        {"event": "search_draws", "pass_rate": 0.37, "cost": table.name, "at_most": 1.0, "time": 1_700_000_100.0}
    )
    return events


def train_events(trial: object, epochs: int, best: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A training that comes to the accuracy `best`."""
    return [
        {
            "event": "train_epoch",
            "trial": trial,
            "epoch": epoch,
            "epochs": epochs,
            "loss": 0.28 + 1.4 * math.exp(-2.2 * epoch / epochs * 2) + float(rng.normal(0, 0.01)),
            "learning_rate": 0.05 * (1 + math.cos(math.pi * (epoch - 1) / epochs)),
            "top1": best - 0.22 * math.exp(-4.5 * epoch / epochs) + float(rng.normal(0, 0.003)),
            "seconds": 4.1,
            "time": 1_700_000_200.0 + epoch,
        }
        for epoch in range(1, epochs + 1)
    ]


def made_up_run(seed: int = 7, epochs: int = 90) -> ReportData:
    """The whole run: search, eight trials, one network, two baselines."""
    rng = np.random.default_rng(seed)
    space = fbnet(10, 28, width=0.5, stem_stride=2)
    table = made_up_table(space, rng)
    target = space.canonical(rng.choice(9, (1, 22), p=[0.1, 0.06, 0.14, 0.12, 0.1, 0.04, 0.12, 0.12, 0.2]))[0]
    architecture = space.decode(target).architecture
    fast = cost_of(table, architecture)
    at_most = round(1.06 * fast, 2)
    events: list[dict[str, Any]] = [
        {"event": "feasibility", "cost": table.name, "fastest": 0.31, "median": 1.6, "slowest": 4.4, "at_most": at_most}
    ]
    events += search_events(space, table, target, epochs, rng)
    trials = []
    for trial in range(8):
        row = target if trial == 4 else space.mutate(target[None], rng, 0.25)[0]
        predicted = cost_of(table, space.decode(row).architecture)
        best = 0.868 + 0.02 * math.log(predicted / fast + 0.5) + float(rng.normal(0, 0.004))
        best += 0.012 if trial == 4 else 0
        metrics = {"top1": best, "predicted_latency_ms": predicted}
        if trial % 4 != 3:
            measured = predicted * float(rng.normal(1, 0.012))
            metrics |= {
                "measured_latency_ms": measured,
                "measured_latency_low_ms": measured * 0.995,
                "measured_latency_high_ms": measured * 1.006,
            }
        error = "TrainingDiverged: the loss is nan" if trial == 6 else None
        trials.append({"trial": trial, "choices": row.tolist(), "metrics": metrics, "error": error})
        events += train_events(trial, 5, best, rng)
    events += train_events("final", 12, 0.915, rng)
    for name, top1, factor in (("mobilenet_v2", 0.902, 1.01), ("random", 0.894, 0.985)):
        events += train_events(f"baseline:{name}", 12, top1, rng)
        events.append(
            {
                "event": "baseline",
                "name": name,
                "accuracy": accuracy_at(top1, 10, 10_000, rng).to_json(),
                "latency_ms": fast * factor,
                "low_ms": fast * factor * 0.994,
                "high_ms": fast * factor * 1.007,
                "macs": 2.1e6,
                "parameters": 340_000,
            }
        )
    return ReportData(
        title="Fashion-MNIST in 1 ms",
        command=f"sculptnet fit fashion_mnist --latency-ms {at_most} --baselines",
        events=events,
        trials=trials,
        card=made_up_card(fast, at_most, rng),
        table=table,
        architecture=architecture,
        space=space,
        seconds=341.0,
    )


def made_up_card(fast: float, at_most: float, rng: np.random.Generator) -> Mapping[str, Any]:
    """What export writes beside the model."""
    return {
        "schema": 1,
        "budget": {"metric": "latency_ms", "at_most": at_most, "precision": "fp32"},
        "predicted": {"latency_ms": fast},
        "measured": {
            "model.onnx": {
                "latency_ms": fast * 1.012,
                "low_ms": fast * 1.006,
                "high_ms": fast * 1.019,
                "noise_percent": 0.8,
            },
            "model.int8.onnx": {
                "latency_ms": fast * 0.71,
                "low_ms": fast * 0.704,
                "high_ms": fast * 0.722,
                "noise_percent": 1.1,
            },
        },
        "accuracy": {
            "model.onnx": accuracy_at(0.913, 10, 10_000, rng).to_json(),
            "model.int8.onnx": accuracy_at(0.909, 10, 10_000, rng).to_json(),
            "weights.safetensors": accuracy_at(0.913, 10, 10_000, rng).to_json(),
        },
        "classes": list(FASHION),
        "preprocessing": {
            "kind": "Preprocessing",
            "resolution": 28,
            "resize": 28,
            "mean": [0.286, 0.286, 0.286],
            "std": [0.353, 0.353, 0.353],
        },
        "device": {"runtime": "onnxruntime", "version": "1.31.0", "threads": 1, "cpu": "AMD EPYC 7B13"},
        "versions": {"sculptnet": "0.1.0", "torch": "2.15.0", "onnxruntime": "1.31.0"},
        "macs": 1_571_000,
        "parameters": 755_306,
        "parity": {
            "model.onnx": {"max_difference": 3.1e-6, "largest_logit": 11.2, "same_class": 1.0, "num_images": 256},
            "model.int8.onnx": {"max_difference": 1.9, "largest_logit": 11.2, "same_class": 0.98, "num_images": 256},
        },
        "data": {
            "name": "fashion_mnist",
            "train_images": 60_000,
            "test_images": 10_000,
            "grey": True,
            "notes": ["47 near-duplicates between training and test images"],
        },
        "within_budget": True,
    }


def every_section(source: ReportData) -> tuple[SectionMaker, ...]:
    """The sections of a search that has all of them."""
    return searched_from_scratch(source, search_over_epochs, layer_diversity)


@pytest.fixture(scope="session")
def full_run() -> ReportData:
    return made_up_run()
