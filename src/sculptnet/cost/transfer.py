"""A table for another device, from the table of one and a few whole networks measured on the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sculptnet.arch import Architecture
from sculptnet.cost.entries import Entry
from sculptnet.cost.errors_of_tables import Vector, error_of
from sculptnet.cost.table import LatencyTable
from sculptnet.cost.work import features_of, similarity
from sculptnet.errors import InvalidValue, NotMeasured, collected

FEWEST = 5  # networks
LENGTH_SCALE = 2.0  # in standard deviations of log features; 1.5 to 3 do as well on 26 devices
ENTRIES_AT_ONCE = 1024
NOISES = np.logspace(-3, 3, 13)  # variance of a measurement over that of what blocks add, tried by leaving one out


def transfer(
    source: LatencyTable,
    device: str,
    networks: Sequence[Architecture],
    measured_ms: Sequence[float],
    *,
    noise_percent: float = math.nan,
    details: Mapping[str, Any] | None = None,
) -> LatencyTable:
    """The table of `device`: that of another device, corrected so that it explains a few measured networks.

    On the new device a block takes `slope` times what it takes on the old one plus a deviation of its own; deviations
    are Gaussian with mean 0, partly proportional to the old latency and partly not, and alike for blocks that do alike
    work. Their posterior mean given the measurements is linear algebra; how far measurements are trusted is what
    leaves the smallest error when each network in turn is left out.

    Ten networks rank others better than the old table does, twenty to fifty come near a table fitted on thousands; on
    phones that report whole, noisy milliseconds ten are too few (`benchmarks/results/transfer.md`). Blocks that can
    never be told apart in whole networks, such as stem and head, share what they take in an arbitrary way.

    Args:
        source: covers all `networks`; its slope and constant are applied.
        device: the new table's device.
        networks: drawn at random from the space that is to be searched, 10 to 50.
        measured_ms: their latency on `device`.
        noise_percent: mean difference between the two halves of a network's own samples, if known.
        details: of the new table, beside `transferred_from`.

    Returns:
        The table; its `held_out` is the error of each network predicted from the others.

    Raises:
        InvalidValue: fewer than five networks, or latencies that make no sense.
        NotMeasured: `source` does not cover a network.
    """
    _check(networks, measured_ms)
    entries = list(source.entries_ms)
    old = source.slope * np.array([source.entries_ms[entry] for entry in entries])
    counts = _counts(source, entries, networks)
    measured = np.asarray(measured_ms, dtype=np.float64)
    fit = _fitted(counts, old, _covariances(entries, old, counts), measured)
    kept = np.maximum(fit.entries_ms, 0.0)
    constant = float(np.average(measured - counts @ kept, weights=measured**-2.0))  # of the relative error
    return replace(
        source,
        device=device,
        entries_ms=dict(zip(entries, kept.tolist(), strict=True)),
        slope=1.0,
        constant=constant,
        held_out=error_of(fit.left_out, measured, noise_percent),
        seconds=0.0,
        reference_ms=None,
        floored=int(np.sum(fit.entries_ms < 0)),
        details={**(details or {}), "transferred_from": source.name},
    )


def _check(networks: Sequence[Architecture], measured_ms: Sequence[float]) -> None:
    problems = []
    if len(networks) != len(measured_ms):
        problems.append(f"{len(networks)} networks need as many latencies, got {len(measured_ms)}")
    if len(networks) < FEWEST:
        problems.append(f"at least {FEWEST} networks are needed, better 20, got {len(networks)}")
    problems += [
        f"measured_ms[{index}] must be a finite number above 0, got {value!r}"
        for index, value in enumerate(measured_ms)
        if not (math.isfinite(value) and value > 0)
    ]
    if problems:
        raise InvalidValue(collected(problems, "transfer"))


def _counts(source: LatencyTable, entries: Sequence[Entry], networks: Sequence[Architecture]) -> Vector:
    """How often each entry stands in each network, shape `(networks, entries)`."""
    position = {entry: index for index, entry in enumerate(entries)}
    counts = np.zeros((len(networks), len(entries)))
    for row, network in zip(counts, networks, strict=True):
        for path, block, shape in network.blocks():
            if block.is_identity(shape.channels):
                continue
            if (block, shape) not in position:
                raise NotMeasured(f"{source.device} has no latency of {block} at input {shape} ({path}) to start from")
            row[position[block, shape]] += 1
    return counts


def _covariances(entries: Sequence[Entry], old: Vector, counts: Vector) -> Vector:
    """The covariance of each entry's deviation with each network's, shape `(entries, networks)`.

    The deviation of a block is as large as a mean block, or as the block itself. Those of all pairs of entries would be
    gigabytes for a large table; networks hold few of them.
    """
    logs = np.log1p(features_of(entries))
    deviation = logs.std(axis=0)
    standard = (logs - logs.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    held = np.flatnonzero(counts.any(axis=0))
    result: Vector = np.empty((len(entries), len(counts)))
    for start in range(0, len(entries), ENTRIES_AT_ONCE):
        part = slice(start, start + ENTRIES_AT_ONCE)
        sizes = old.mean() ** 2 + np.outer(old[part], old[held])
        result[part] = similarity(standard[part], standard[held], LENGTH_SCALE) * sizes @ counts[:, held].T
    return result


@dataclass(frozen=True, eq=False)
class _Fit:
    entries_ms: Vector
    left_out: Vector  # each network, predicted from the others


def _fitted(counts: Vector, old: Vector, shared: Vector, measured: Vector) -> _Fit:
    """Slope and constant are free, deviations have a prior, the noise grows with the latency (universal kriging)."""
    sums = counts @ old
    free = np.stack([sums, np.full(len(sums), float(sums.mean()))], axis=1)
    explained = counts @ shared
    scale = max(float(np.trace(explained - explained.mean(axis=0))) / len(sums), float(np.finfo(np.float64).tiny))
    noise = np.diag((measured / measured.mean()) ** 2)
    fits: list[tuple[float, _Fit]] = []
    for ratio in NOISES:
        slopes, residual = kriging(explained / scale + ratio * noise, free)
        left_out = measured - (residual @ measured) / np.diag(residual)
        values = (slopes @ measured)[0] * old + shared @ (residual @ measured) / scale
        fits.append((float(np.mean((left_out / measured - 1) ** 2)), _Fit(values, left_out)))
    return min(fits, key=lambda fit: fit[0])[1]


def kriging(covariance: Vector, free: Vector) -> tuple[Vector, Vector]:
    """Generalised least squares of measurements with that covariance on the columns of `free`.

    Returns:
        The matrix that makes coefficients of measurements, `(columns, n)`; and, `(n, n)`, the one that makes what they
        leave, over the covariance: divided by its diagonal, that is how far each measurement lies from what the others
        predict.
    """
    inverse = np.linalg.inv(covariance)
    slopes = np.linalg.pinv(free.T @ inverse @ free) @ free.T @ inverse
    return slopes, inverse - inverse @ free @ slopes
