"""After how many epochs training tells which candidate will be better."""

from __future__ import annotations

import math

import numpy as np

from sculptnet.search.joint_search.learning import Vector
from sculptnet.search.protocol import Results

FEWEST = 3  # curves: of two, ranks agree by chance in every other epoch


def correlations(results: Results, metric: str) -> dict[int, float]:
    """Spearman's rank correlation between `metric` after each epoch, as curves have it, and in the end.

    Only candidates that were evaluated and have a finite value in each epoch count; epochs that not all of them reached
    are left out. NaN where all values are equal. Empty where fewer than three candidates have a curve.
    """
    from scipy.stats import spearmanr  # two seconds to import, which few processes need

    last = results.column(metric)
    curves = {
        row: {int(event["epoch"]): float(event[metric]) for event in curve if "epoch" in event and metric in event}
        for row, curve in enumerate(results.curves)
        if np.isfinite(last[row])
    }
    curves = {row: curve for row, curve in curves.items() if curve and all(map(math.isfinite, curve.values()))}
    if len(curves) < FEWEST:
        return {}
    shared = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    final = last[list(curves)]
    return {epoch: _rank(spearmanr, np.array([c[epoch] for c in curves.values()]), final) for epoch in shared}


def _rank(correlate, left: Vector, right: Vector) -> float:  # type: ignore[no-untyped-def]
    return float(correlate(left, right).statistic) if np.ptp(left) > 0 and np.ptp(right) > 0 else math.nan


def shortest(found: dict[int, float], wanted: float) -> int | None:
    """The first epoch whose correlation reaches `wanted`, if there is one before the last."""
    last = max(found, default=0)
    return next((epoch for epoch, value in found.items() if value >= wanted and epoch < last), None)
