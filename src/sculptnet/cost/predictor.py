"""Latency of blocks that nobody measured, predicted from measured blocks of the same device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from sculptnet.arch import SearchSpace
from sculptnet.cost.entries import Entry, entries_of
from sculptnet.cost.errors_of_tables import Vector
from sculptnet.cost.table import RELATIVE, LatencyTable
from sculptnet.cost.work import features_of, similarity
from sculptnet.errors import InvalidValue
from sculptnet.streams import stream

FEWEST = 10  # measured entries to learn from
FOLDS = 10
AT_ONCE = 2**12  # entries predicted together: their differences to all measured ones are held
LENGTH_SCALE, RIDGE = 1.0, 1e-3  # of the correction, in standard deviations of log features; chosen on eight tables


@final
@dataclass(frozen=True, eq=False)
class LatencyPredictor:
    """Milliseconds of blocks: a sum of work with a price each, times a correction learned from similar blocks.

    The prices (of multiply-adds, of numbers moved, of weights, of a layer) are at least 0 and fit the relative error,
    so that large blocks far from the measured ones stay plausible. The correction is kernel ridge regression of the
    logarithm of what remains, on the logarithms of `Work`; far from measured blocks it fades.

    Attributes:
        mape_percent: mean absolute error of tenths of the measured blocks, predicted from the other nine tenths. Blocks
            unlike all of them (another resolution) can be further off.
        measured: how many blocks it learned from.
    """

    mape_percent: float
    measured: int
    _fit: _Fit

    def predict_ms(self, entries: Sequence[Entry]) -> Vector:
        """Milliseconds of each of `entries`."""
        parts = [entries[start : start + AT_ONCE] for start in range(0, len(entries), AT_ONCE)]
        return np.concatenate([_predicted(self._fit, features_of(part)) for part in parts] or [np.empty(0)])


@dataclass(frozen=True, eq=False)
class _Fit:
    scale: Vector  # of the terms
    prices: Vector
    least_ms: float
    mean: Vector  # of the log features
    deviation: Vector
    known: Vector  # standardised log features of the measured entries
    weights: Vector
    level: float


def fit_predictor(entries_ms: Mapping[Entry, float]) -> LatencyPredictor:
    """Learns from measured entries; those of 0 ms, too fast to be measured, are left out.

    Raises:
        InvalidValue: fewer than ten entries are above 0.
    """
    entries = [entry for entry, value in entries_ms.items() if value > 0]
    if len(entries) < FEWEST:
        raise InvalidValue(f"a predictor needs at least {FEWEST} measured blocks above 0 ms, got {len(entries)}")
    features, values = features_of(entries), np.array([entries_ms[entry] for entry in entries], dtype=np.float64)
    # drawn: entries come in the order of the space, whose layers may have as many candidates as there are folds
    fold = stream(0, "cost.predictor: folds").permutation(len(entries)) % FOLDS
    left_out = np.empty(len(entries))
    for number in range(FOLDS):
        left_out[fold == number] = _predicted(
            _fitted(features[fold != number], values[fold != number]), features[fold == number]
        )
    mape_percent = 100 * float(np.mean(np.abs(left_out - values) / values))
    return LatencyPredictor(mape_percent, len(entries), _fitted(features, values))


def fill(table: LatencyTable, space: SearchSpace) -> LatencyTable:
    """`table` with what it lacks for `space` predicted from what was measured, marked in `predicted`.

    Raises:
        InvalidValue: too few entries were measured, or they are relative to something that the table does not hold.
    """
    if RELATIVE in table.details:
        raise InvalidValue(
            f"the entries of {table.device} are relative to {table.details[RELATIVE]}; other blocks cannot be "
            "predicted from them: take a table of whole latencies"
        )
    wanted = [entry for entry in entries_of(space) if not entry[0].is_identity(entry[1].channels)]
    missing = [entry for entry in wanted if entry not in table.entries_ms or entry in table.predicted]
    if not missing:
        return table
    measured = {entry: value for entry, value in table.entries_ms.items() if entry not in table.predicted}
    predictor = fit_predictor(measured)
    found = dict(zip(missing, predictor.predict_ms(missing).tolist(), strict=True))
    return replace(
        table,
        entries_ms=measured | found,
        predicted=frozenset(found),
        predictor_mape_percent=predictor.mape_percent,
    )


# ---------------------------------------------------------------------- the regression
def _terms(features: Vector) -> Vector:
    """What is paid for: the first eight features, a call, and the rows of depthwise kernels."""
    depthwise_macs, kernel_size = features[:, 2], features[:, 13]
    return np.column_stack([features[:, :8], np.ones(len(features)), depthwise_macs / kernel_size])


def _fitted(features: Vector, values: Vector) -> _Fit:
    terms, logs = _terms(features), np.log1p(features)
    scale = np.maximum(terms.max(axis=0), 1.0)
    from scipy.optimize import nnls  # a second to import, which few processes need

    prices, _ = nnls(terms / scale / values[:, None], np.ones(len(values)))
    least_ms = float(values.min()) / 1000  # a logarithm needs something
    rest = np.log(values / np.maximum(terms / scale @ prices, least_ms))
    mean, deviation = logs.mean(axis=0), logs.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    known = (logs - mean) / deviation
    level = float(rest.mean())
    weights = np.linalg.solve(similarity(known, known, LENGTH_SCALE) + RIDGE * np.eye(len(known)), rest - level)
    return _Fit(scale, prices, least_ms, mean, deviation, known, weights, level)


def _predicted(fit: _Fit, features: Vector) -> Vector:
    paid = np.maximum(_terms(features) / fit.scale @ fit.prices, fit.least_ms)
    logs = (np.log1p(features) - fit.mean) / fit.deviation
    result: Vector = paid * np.exp(fit.level + similarity(logs, fit.known, LENGTH_SCALE) @ fit.weights)
    return result
