"""Numbers with their intervals, for tables, and JSON in a line."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sculptnet.accuracy import Accuracy
from sculptnet.report.facts import Latency
from sculptnet.report.text import MISSING, interval, milliseconds, percent, percent_interval
from sculptnet.report.values import Inline, Ranged


def latency_cell(latency: Latency | None) -> Inline:
    """A latency with its interval."""
    if latency is None:
        return MISSING
    if not math.isfinite(latency.low_ms):
        return milliseconds(latency.ms)
    return Ranged(milliseconds(latency.ms), interval(latency.low_ms, latency.high_ms))


def accuracy_cell(accuracy: Accuracy | None) -> Inline:
    """An accuracy with its interval."""
    return MISSING if accuracy is None else Ranged(percent(accuracy.top1), percent_interval(*accuracy.interval()))


def listed(values: Mapping[str, object]) -> str:
    """JSON data as one line of text: names and values."""
    return "; ".join(f"{key} {_one(item)}" for key, item in values.items() if item is not None and key != "kind")


def _one(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_one(item)}" for key, item in value.items()) + ")"
    return ", ".join(map(_one, value)) if isinstance(value, (list, tuple)) else str(value)
