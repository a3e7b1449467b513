"""What people read at the end of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.cards import CLASSIFIER, MEASURED

from sculptnet.records.card import ClassifierCard
from sculptnet.result import FitResult
from sculptnet.zoo import mobilenet_v2


def card(latency_ms: float, reference_ms: float) -> ClassifierCard:
    """Of a network for 1 ms, searched when the reference network took 0.5 ms."""
    timing = replace(MEASURED, latency_ms=latency_ms, reference_ms=reference_ms, loop_ms=0.8)
    return replace(CLASSIFIER, within_budget=latency_ms <= 1.0, measured={"model.onnx": timing}, limits={}, warnings=())


@pytest.mark.parametrize(
    ("latency_ms", "reference_ms", "verdict"),
    [
        (0.95, 0.5, "model.onnx is within the budget of 1 ms on phone"),
        (1.1, 0.51, "model.onnx is OVER the budget of 1 ms by 10.0% on phone"),
        (
            1.2,
            0.75,
            "model.onnx is OVER the budget of 1 ms by 20.0% (it takes 0.800 ms at the speed of the table; the device "
            "is 1.50 times as slow now) on phone",
        ),
    ],
)
def test_the_verdict_says_by_how_much_and_how_much_of_it_is_the_device(
    latency_ms: float, reference_ms: float, verdict: str
) -> None:
    result = FitResult(Path("run"), mobilenet_v2(10, 32), card(latency_ms, reference_ms), None)
    first, second, *_ = result.summary().splitlines()
    assert first.endswith("ms (0.800 in a loop)   top-1 90.00% (82.56% to 94.48%), balanced 90.00%")
    assert second == verdict
    assert result.within_budget is (latency_ms <= 1.0)
