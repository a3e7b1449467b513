"""The trials that no other one beats in both accuracy and latency, as a search reports them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sculptnet.arch import Choices
from sculptnet.pareto import front
from sculptnet.search import TrialRecord
from sculptnet.search.records import of_one_length


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


def trade_offs(records: Sequence[TrialRecord], longer_epochs: int | None) -> tuple[TradeOff, ...]:
    """The Pareto set over accuracy and measured latency, the fastest first; `longer_epochs` are no trial's length.

    Trials that a search cut short are no part of it, unless there are no others.
    """
    known = [one for one in records if one.error is None and {"top1", "measured_latency_ms"} <= one.metrics.keys()]
    short = of_one_length([one for one in known if longer_epochs is None or one.epochs != longer_epochs])
    longer = {
        one.choices: one.metrics["top1"]
        for one in records
        if longer_epochs is not None and one.error is None and one.epochs == longer_epochs and "top1" in one.metrics
    }
    if not short:
        return ()
    values = np.array([(one.metrics["top1"], one.metrics["measured_latency_ms"]) for one in short])
    best = [one for one, on_it in zip(short, front(values, (True, False)), strict=True) if on_it]
    rows = {
        one.choices: TradeOff(
            one.trial, one.choices, one.metrics["measured_latency_ms"], one.metrics["top1"], longer.get(one.choices)
        )
        for one in best
    }
    return tuple(sorted(rows.values(), key=lambda one: one.latency_ms))


def describe(found: Sequence[TradeOff]) -> list[str]:
    """The front as people read it, a line each."""
    lines = [f"Pareto set of {len(found)} trials (measured latency, accuracy on held-back training images):"]
    for one in found:
        longer = "" if one.longer_top1 is None else f", {one.longer_top1:.2%} after full training"
        lines.append(f"  trial {one.trial:<5} {one.latency_ms:8.3f} ms   top-1 {one.top1:.2%}{longer}")
    return lines
