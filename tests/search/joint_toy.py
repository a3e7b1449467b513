"""A space of which everything is known, and small joint searches in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sculptnet.arch import Architecture, IntMatrix, Recipe, SearchSpace, Sgd, between, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.cost import FactoredCost, Macs
from sculptnet.records import Log, no_log
from sculptnet.search import Limit, Objective, Problem, Proposals, Results, Search
from sculptnet.search.joint_search.fine_stage import FineStage
from sculptnet.search.joint_search.learning import Learning
from sculptnet.search.joint_search.method import Joint
from sculptnet.search.protocol import Columns
from sculptnet.state import Checkpoint, NoCheckpoint

LAYERS = tuple(Conv(4, choice(1, 3, 5, 7)) for _ in range(6))
RECIPE = Recipe(optimizer=Sgd(learning_rate=choice(0.1, 0.2, 0.4)), dropout=between(0.0, 0.4, 0.1))
SPACE = SearchSpace(Architecture(8, Conv(4), (LAYERS,), PooledConv(8), Classifier(2)), RECIPE)
TOP1 = (Objective("top1"),)
TARGET = np.array([3, 0, 2, 1, 3, 0, 1, 3])
QUICK = Learning(samples=300, pretraining_epochs=5, encoder=(32, 16), head=(16,), frozen_epochs=10, epochs=10)
NOWHERE = NoCheckpoint()
FEW = FineStage(best=8, random=8, kept=16, children=60, generations=10)


def likeness(rows: IntMatrix) -> Columns:
    return {"top1": 0.5 + 0.4 * (rows == TARGET).mean(axis=1)}


def quick(
    problem: Problem, seed: int = 0, *, checkpoint: Checkpoint = NOWHERE, log: Log = no_log, **settings: Any
) -> Search:
    given: dict[str, Any] = {"pool": 256, "rounds": 3, "batch": 10, "finalists": 5, "learning": QUICK, "fine": FEW}
    return Joint(**given | settings).search(problem, seed, checkpoint=checkpoint, log=log)


def limited(share: float) -> Problem:
    costs = FactoredCost(SPACE, Macs()).of(SPACE.sample(np.random.default_rng(0), 2000))
    return Problem(SPACE, TOP1, (Limit(Macs(), float(np.quantile(costs, share))),))


class Kept:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self.saved: tuple[dict[str, torch.Tensor], Any] | None = None

    def save(self, tensors: Any, state: Any) -> None:
        self.saved = dict(tensors), state

    def load(self) -> tuple[dict[str, torch.Tensor], Any] | None:
        return self.saved


def answered(
    search: Search, results_of: Callable[[Proposals], Results] | None = None
) -> list[tuple[IntMatrix, int | None]]:
    """Everything that a search proposes until it ends, and for how many epochs."""
    found, proposals = [], next(search)
    while True:
        found.append((proposals.choices, proposals.epochs))
        try:
            proposals = search.send((results_of or plain)(proposals))
        except StopIteration:
            return found


def plain(proposals: Proposals) -> Results:
    rows = proposals.choices
    return Results(rows, likeness(rows), [None] * len(rows), [()] * len(rows), [None] * len(rows))


def curved(proposals: Proposals) -> Results:
    """Four epochs: the first says nothing, the second ranks as the last does."""
    results = plain(proposals)
    top1 = results.metrics["top1"]
    noise = np.random.default_rng(len(top1)).random(len(top1))
    curves = [
        tuple({"epoch": e + 1, "top1": float(v)} for e, v in enumerate((n, t - 0.3, t - 0.2, t)))
        for t, n in zip(top1, noise, strict=True)
    ]
    return Results(results.choices, results.metrics, results.errors, curves, results.folders)
