"""The trials that no other one beats in both accuracy and latency, as a search reports them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any, NamedTuple

import numpy as np

from sculptnet.arch import Choices
from sculptnet.files import read_json
from sculptnet.pareto import front
from sculptnet.runs import RunDirectory, read_record
from sculptnet.search import TrialRecord
from sculptnet.search.records import of_one_length
from sculptnet.stages.plan import SearchPlan


@dataclass(frozen=True)
class TradeOff:
    """A trial on the front.

    Attributes:
        trial, choices: which.
        latency_ms: measured, milliseconds.
        top1: after the training of a trial, on held-back training images.
        longer_top1: after the training of a network that is shipped, on the same images, where it had one.
    """

    trial: int
    choices: Choices
    latency_ms: float
    top1: float
    longer_top1: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "choices": list(self.choices)}


@dataclass(frozen=True)
class BoxTradeOff:
    """The same of a detector's search: `map`, `longer_map` in the place of accuracies."""

    trial: int
    choices: Choices
    latency_ms: float
    map: float
    longer_map: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "choices": list(self.choices)}


class Best(NamedTuple):
    """A trial on the front: number, row, measured milliseconds, its metric, and that after longer training."""

    trial: int
    choices: Choices
    latency_ms: float
    value: float
    longer: float | None


def longer_epochs_of(run: RunDirectory) -> int | None:
    """How long the networks of a run's plan are trained in full; None where trials are as long, or there are none."""
    if read_json(run.record("plan"))["record"] != SearchPlan.__name__:
        return None
    plan = read_record(run.record("plan"), SearchPlan)
    return None if plan.epochs == plan.trial_epochs else plan.epochs


def best_trials(records: Sequence[TrialRecord], longer_epochs: int | None, metric: str) -> tuple[Best, ...]:
    """The Pareto set over `metric` and measured latency, the fastest first; `longer_epochs` are no trial's length.

    Trials that a search cut short are no part of it, unless there are no others.
    """
    known = [one for one in records if one.error is None and {metric, "measured_latency_ms"} <= one.metrics.keys()]
    short = of_one_length([one for one in known if longer_epochs is None or one.epochs != longer_epochs], metric)
    longer = {
        one.choices: one.metrics[metric]
        for one in records
        if longer_epochs is not None and one.error is None and one.epochs == longer_epochs and metric in one.metrics
    }
    if not short:
        return ()
    values = np.array([(one.metrics[metric], one.metrics["measured_latency_ms"]) for one in short])
    best = [one for one, on_it in zip(short, front(values, (True, False)), strict=True) if on_it]
    rows = {
        one.choices: Best(
            one.trial, one.choices, one.metrics["measured_latency_ms"], one.metrics[metric], longer.get(one.choices)
        )
        for one in best
    }
    return tuple(sorted(rows.values(), key=lambda one: one.latency_ms))


def trade_offs(records: Sequence[TrialRecord], longer_epochs: int | None) -> tuple[TradeOff, ...]:
    """The best trials of a search for a classifier."""
    return tuple(TradeOff(*one) for one in best_trials(records, longer_epochs, "top1"))


def describe(found: Sequence[TradeOff]) -> list[str]:
    """The front as people read it, a line each."""
    return described([Best(*astuple(one)) for one in found], "accuracy", "top-1")


def described(found: Sequence[Best], what: str, name: str) -> list[str]:
    """The same of any metric: `what` it is, and its `name` on a line."""
    lines = [f"Pareto set of {len(found)} trials (measured latency, {what} on held-back training images):"]
    for one in found:
        longer = "" if one.longer is None else f", {one.longer:.2%} after full training"
        lines.append(f"  trial {one.trial:<5} {one.latency_ms:8.3f} ms   {name} {one.value:.2%}{longer}")
    return lines
