from __future__ import annotations

import numpy as np

from sculptnet.streams import stream, stream_seed
from sculptnet.testing.elsewhere import run_elsewhere


def first(seed: int, purpose: str, index: int) -> int:
    return int(stream(seed, purpose, index).integers(2**62))


def test_the_same_three_values_give_the_same_stream() -> None:
    assert first(1, "draws", 2) == first(1, "draws", 2)
    assert stream_seed(1, "draws", 2) == stream_seed(1, "draws", 2)


def test_every_value_matters() -> None:
    values = [(seed, purpose, index) for seed in (0, 1) for purpose in ("draws", "batches") for index in (0, 1)]
    assert len({first(*value) for value in values}) == len({stream_seed(*value) for value in values}) == 8


def test_seeds_fit_torch_and_differ() -> None:
    seeds = [stream_seed(0, "weights", index) for index in range(1000)]
    assert len(set(seeds)) == 1000
    assert 0 <= min(seeds) < max(seeds) < 2**63


def test_streams_look_independent() -> None:
    left, right = stream(0, "a").standard_normal(5000), stream(0, "b").standard_normal(5000)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.05


def test_another_process_draws_the_same() -> None:
    code = "from sculptnet.streams import *; print(int(stream(3, 'x', 4).integers(2**62)), stream_seed(3, 'x', 4))"
    other = run_elsewhere(code)
    assert other.split() == [str(first(3, "x", 4)), str(stream_seed(3, "x", 4))]
