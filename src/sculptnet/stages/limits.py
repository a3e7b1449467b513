"""Limits beside latency, as they are typed: `--limit macs=20e6 --limit peak_memory_bytes=500000`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.cost import (
    ConvFcWeights,
    CostModel,
    Energy,
    Macs,
    ModelBytes,
    Parameters,
    PeakActivation,
    Precision,
    TotalCost,
    cost_of,
    peak_memory,
)
from sculptnet.devices.opening import REMOTE
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
ENERGY = "energy_mj"  # known when the processor's power was measured
NAMES = (*COSTS, ENERGY)


def parse_limits(texts: Sequence[str], device: str) -> dict[str, float]:
    """The most of each cost that `NAME=VALUE` texts allow; what the costs are is not asked for yet.

    Args:
        texts: as typed.
        device: as typed; energy is counted on this machine alone.

    Raises:
        InvalidValue: with everything that is wrong with them.
    """
    limits: dict[str, float] = {}
    problems: list[str] = []
    for text in texts:
        try:
            name, at_most = _parsed(text)
        except SculptNetError as error:
            problems.append(str(error))
            continue
        if name == ENERGY and device.startswith(REMOTE):
            problems.append(
                f"--limit {text}: energy is counted on this machine, and {device} is another; run fit there"
            )
        limits[name] = at_most
    names = [text.partition("=")[0] for text in texts]
    problems += [f"--limit {name} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if problems:
        raise InvalidValue(collected(problems, "limits"))
    return limits


def _parsed(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    find(name, dict.fromkeys(NAMES), "limit")
    try:
        at_most = float(value)
    except ValueError:
        at_most = math.nan
    if not equals or not (math.isfinite(at_most) and at_most > 0):
        raise InvalidValue(f"--limit {text} must read NAME=NUMBER with a number above 0, such as {name}=1e6")
    return name, at_most


def make_limits(asked: Mapping[str, float], precision: Precision, energy: Callable[[], Energy]) -> tuple[Limit, ...]:
    """The limits that were asked for; bytes are those of the file at `precision`, `energy` is called if limited."""
    costs: Mapping[str, Callable[[Precision], CostModel | TotalCost]] = {**COSTS, ENERGY: lambda precision: energy()}
    return tuple(Limit(find(name, costs, "limit")(precision), at_most) for name, at_most in asked.items())


def describe_limits(limits: Sequence[Limit], architecture: Architecture) -> dict[str, dict[str, Any]]:
    """What a network costs of what it may, for its card."""
    return {limit.metric: {"at_most": limit.at_most, "value": _value(limit, architecture)} for limit in limits}


def _value(limit: Limit, architecture: Architecture) -> float:
    parts = limit.cost.parts if isinstance(limit.cost, TotalCost) else (limit.cost,)
    return sum(cost_of(part, architecture) for part in parts)
