"""Limits beside latency, as they are typed: `--limit macs=20e6 --limit peak_memory_bytes=500000`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.cost import (
    ConvFcWeights,
    CostModel,
    Macs,
    ModelBytes,
    Parameters,
    PeakActivation,
    Precision,
    TotalCost,
    cost_of,
    peak_memory,
)
from sculptnet.errors import InvalidValue, SculptNetError, collected
from sculptnet.named import find
from sculptnet.search import Limit

COSTS: Mapping[str, Callable[[Precision], CostModel | TotalCost]] = {
    "macs": lambda precision: Macs(),
    "parameters": lambda precision: Parameters(),
    "conv_fc_weights": lambda precision: ConvFcWeights(),
    "model_bytes": ModelBytes,
    "peak_activation_bytes": PeakActivation,
    "peak_memory_bytes": peak_memory,
}


def parse_limits(texts: Sequence[str], precision: Precision) -> tuple[Limit, ...]:
    """The limits of `NAME=VALUE` texts; bytes are those of the file at `precision`.

    Raises:
        InvalidValue: with everything that is wrong with them.
    """
    limits, problems = [], []
    for text in texts:
        try:
            limits.append(_parsed(text, precision))
        except SculptNetError as error:
            problems.append(str(error))
    names = [text.partition("=")[0] for text in texts]
    problems += [f"--limit {name} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if problems:
        raise InvalidValue(collected(problems, "--limit"))
    return tuple(limits)


def _parsed(text: str, precision: Precision) -> Limit:
    name, equals, value = text.partition("=")
    make = find(name, COSTS, "limit")
    try:
        at_most = float(value)
    except ValueError:
        at_most = math.nan
    if not equals or not (math.isfinite(at_most) and at_most > 0):
        raise InvalidValue(f"--limit {text} must read NAME=NUMBER with a number above 0, such as {name}=1e6")
    return Limit(make(precision), at_most)


def describe_limits(limits: Sequence[Limit], architecture: Architecture) -> dict[str, dict[str, Any]]:
    """What a network costs of what it may, for its card."""
    return {limit.metric: {"at_most": limit.at_most, "value": _value(limit, architecture)} for limit in limits}


def _value(limit: Limit, architecture: Architecture) -> float:
    parts = limit.cost.parts if isinstance(limit.cost, TotalCost) else (limit.cost,)
    return sum(cost_of(part, architecture) for part in parts)
