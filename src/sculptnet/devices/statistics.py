"""From chunks to numbers: a median with its interval, its noise, and how well predictions fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.special import bdtr

from sculptnet.cost import HeldOut
from sculptnet.cost.errors_of_tables import Vector, error_of
from sculptnet.devices.plan import Measurement


@final
@dataclass(frozen=True)
class Timing:
    """How long one model takes.

    Attributes:
        median_ms: the median ratio to the reference network, times `reference_ms`.
        low_ms, high_ms: 95 % interval of the median, from order statistics (wider where samples are few).
        noise_percent: how far the medians of the first and the second half of the rounds lie apart.
        samples: chunks that went in.
        reference_ms: the reference network in the same measurement: the speed of the device at that time.
        disturbed: chunks of which no try was calm.
        slowdown_percent: how much slower the reference network was in the last quarter of the rounds than in the first.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    noise_percent: float
    samples: int
    reference_ms: float
    disturbed: int = 0
    slowdown_percent: float = 0.0

    def at(self, reference_ms: float) -> Timing:
        """The same measurement at another speed of the device: what a table of that speed should have predicted."""
        factor = reference_ms / self.reference_ms
        scaled = {name: getattr(self, name) * factor for name in ("median_ms", "low_ms", "high_ms")}
        return replace(self, **scaled, reference_ms=reference_ms)


def timing_of(measurements: Sequence[Measurement], reference_ms: float) -> Timing:
    """The timing of one model from its chunks, at the device's speed `reference_ms`."""
    ordered = sorted(measurements, key=lambda measurement: measurement.round)
    ratios = np.array([measurement.ratio for measurement in ordered])
    middle = float(np.median(ratios))
    low, high = median_interval(ratios)
    half = len(ratios) // 2
    halves = [
        float(np.median(part)) for part in (ratios[: len(ratios) - half], ratios[len(ratios) - half :]) if len(part)
    ]
    noise_percent = 100 * (max(halves) - min(halves)) / middle
    disturbed = sum(measurement.disturbed for measurement in ordered)
    scaled = (middle * reference_ms, low * reference_ms, high * reference_ms)
    return Timing(*scaled, noise_percent, len(ratios), reference_ms, disturbed, _slowdown_percent(ordered))


def _slowdown_percent(ordered: Sequence[Measurement]) -> float:
    quarter = max(1, len(ordered) // 4)
    first, last = (np.median([one.reference_ms for one in part]) for part in (ordered[:quarter], ordered[-quarter:]))
    return 100 * float(last / first - 1)


def median_interval(values: Vector, confidence: float = 0.95) -> tuple[float, float]:
    """An interval that holds the median with at least `confidence`, whatever the distribution (order statistics).

    With five values or fewer no interval of order statistics reaches 95 %; then it is the whole range.
    """
    ordered, count = np.sort(values), len(values)
    below = bdtr(np.arange(count + 1, dtype=np.float64), count, 0.5)  # of a fair coin: at most so many heads
    rank = max(0, int(np.argmax(below >= (1 - confidence) / 2)) - 1)
    return float(ordered[rank]), float(ordered[count - 1 - rank])


def held_out(predicted_ms: Vector, timings: Sequence[Timing]) -> HeldOut:
    """How well `predicted_ms` says what was measured."""
    measured_ms = np.array([timing.median_ms for timing in timings])
    return error_of(predicted_ms, measured_ms, float(np.mean([timing.noise_percent for timing in timings])))
