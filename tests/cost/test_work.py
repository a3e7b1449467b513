from __future__ import annotations

import tracemalloc

import numpy as np

from sculptnet.cost import entries_of
from sculptnet.cost.transfer import LENGTH_SCALE, _covariances
from sculptnet.cost.work import features_of, similarity
from sculptnet.spaces import fbnet


def test_similarity_needs_memory_for_its_result(rng: np.random.Generator) -> None:
    left, right = rng.normal(size=(10_000, 15)), rng.normal(size=(100, 15))
    tracemalloc.start()
    found = similarity(left, right, 1.5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # the differences of all pairs would be 120 MB
    some = rng.integers(0, 10_000, size=50)
    distance = np.mean((left[some, None] - right) ** 2, axis=-1)
    assert np.array_equal(found[some], np.exp(-distance / 4.5))
    assert similarity(left[:0], right, 1.0).shape == (0, 100)


def test_covariances_of_entries_with_networks_are_those_of_all_pairs(rng: np.random.Generator) -> None:
    entries = [entry for entry in entries_of(fbnet(10, 32)) if not entry[0].is_identity(entry[1].channels)]
    old = rng.random(len(entries))
    counts = rng.integers(0, 3, size=(6, len(entries))) * (rng.random(len(entries)) < 0.2)
    logs = np.log1p(features_of(entries))
    deviation = logs.std(axis=0)
    standard = (logs - logs.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    pairs = similarity(standard, standard, LENGTH_SCALE) * (old.mean() ** 2 + np.outer(old, old))
    np.testing.assert_allclose(_covariances(entries, old, counts.astype(float)), pairs @ counts.T, rtol=1e-12)
