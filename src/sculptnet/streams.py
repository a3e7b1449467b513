"""Random streams: every use of randomness names its purpose, so no use disturbs another."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = [
    "stream",
    "stream_seed",
]


def _sequence(seed: int, purpose: str, index: int) -> np.random.SeedSequence:
    digest = hashlib.sha256(purpose.encode()).digest()
    words = [int.from_bytes(digest[start : start + 4], "little") for start in range(0, 16, 4)]
    return np.random.SeedSequence([seed, *words, index])


def stream(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A generator that depends on these three values alone, in every process and on every platform."""
    return np.random.default_rng(_sequence(seed, purpose, index))


def stream_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A seed below 2**63 for a generator of another library, from the same three values as `stream`."""
    return int(_sequence(seed, purpose, index).generate_state(1, np.uint64)[0] >> np.uint64(1))
