"""From chunks to numbers: a median with its interval, its noise, and how well predictions fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.stats import binom

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
    """

    median_ms: float
    low_ms: float
    high_ms: float
    noise_percent: float
    samples: int
    reference_ms: float
    disturbed: int = 0

    def at(self, reference_ms: float) -> Timing:
        """The same measurement at another speed of the device: what a table of that speed should have predicted."""
        factor = reference_ms / self.reference_ms
        scaled = (self.median_ms * factor, self.low_ms * factor, self.high_ms * factor)
        return Timing(*scaled, self.noise_percent, self.samples, reference_ms, self.disturbed)


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
    return Timing(*scaled, noise_percent, len(ratios), reference_ms, disturbed)


def median_interval(values: Vector, confidence: float = 0.95) -> tuple[float, float]:
    """An interval that holds the median with at least `confidence`, whatever the distribution (order statistics).

    With five values or fewer no interval of order statistics reaches 95 %; then it is the whole range.
    """
    ordered, count = np.sort(values), len(values)
    rank = max(0, int(binom.ppf((1 - confidence) / 2, count, 0.5)) - 1)
    return float(ordered[rank]), float(ordered[count - 1 - rank])


def held_out(predicted_ms: Vector, timings: Sequence[Timing]) -> HeldOut:
    """How well `predicted_ms` says what was measured."""
    measured_ms = np.array([timing.median_ms for timing in timings])
    return error_of(predicted_ms, measured_ms, float(np.mean([timing.noise_percent for timing in timings])))
