"""How well predicted latencies rank and fit measured ones."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sculptnet.cost.table import HeldOut

Vector = npt.NDArray[np.float64]


def fit_affine(sums: Vector, measured: Vector) -> tuple[float, float]:
    """Slope and constant of `measured = slope * sums + constant`, least squares of the relative error.

    Where the sums do not differ enough to tell the two apart, or the slope would not be positive, the constant is 0.
    """
    weights = 1 / measured
    through_zero = float(np.sum(weights**2 * sums * measured) / np.sum((weights * sums) ** 2))
    if len(sums) < 3 or np.ptp(sums) <= 0.02 * float(np.mean(sums)):
        return through_zero, 0.0
    design = np.stack([sums * weights, weights], axis=1)
    slope, constant = np.linalg.lstsq(design, np.ones(len(sums)), rcond=None)[0]
    return (float(slope), float(constant)) if slope > 0 else (through_zero, 0.0)


def spearman(left: Vector, right: Vector) -> float:
    """Rank correlation; nan for fewer than two values or where one side is constant."""
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return math.nan
    from scipy.stats import rankdata  # two seconds to import, which few processes need

    return float(np.corrcoef(rankdata(left), rankdata(right))[0, 1])


def error_of(predicted_ms: Vector, measured_ms: Vector, noise_percent: float = math.nan) -> HeldOut:
    """How well `predicted_ms` says what was measured.

    Args:
        predicted_ms, measured_ms: one value per network.
        noise_percent: mean difference between the two halves of a network's own samples; nan where nobody knows.
    """
    error = (predicted_ms - measured_ms) / measured_ms
    return HeldOut(
        networks=len(measured_ms),
        mape_percent=100 * float(np.mean(np.abs(error))),
        bias_percent=100 * float(np.mean(error)),
        spearman=spearman(predicted_ms, measured_ms),
        noise_percent=noise_percent,
        pairs=tuple((float(p), float(m)) for p, m in zip(predicted_ms, measured_ms, strict=True)),
    )
