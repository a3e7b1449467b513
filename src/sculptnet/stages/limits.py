"""Limits beside latency, as texts: `macs=20e6`, `peak_memory_bytes=500000`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

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
from sculptnet.devices import Device
from sculptnet.devices.opening import REMOTE
from sculptnet.errors import InvalidValue, SculptNetError
from sculptnet.named import find
from sculptnet.records.card import LimitCost
from sculptnet.rules import require
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


def parse_limits(given: Sequence[Limit | str], device: Device | str) -> dict[str, float | Limit]:
    """The limits by name: the most of each cost that `NAME=VALUE` texts allow, and limits as they are.

    Args:
        given: limits, or texts; what their costs are is not asked for yet.
        device: as named; energy is counted on this machine alone.

    Raises:
        InvalidValue: with everything that is wrong with them.
    """
    names = [one.metric if isinstance(one, Limit) else one.partition("=")[0] for one in given]
    limits: dict[str, float | Limit] = {}
    problems: list[str] = []
    for name, one in zip(names, given, strict=True):
        try:
            limits[name] = one if isinstance(one, Limit) else _parsed(one)
        except SculptNetError as error:
            problems.append(str(error))
        if name == ENERGY and isinstance(device, str) and device.startswith(REMOTE):
            problems.append(f"the limit {one}: energy is counted on this machine, and {device} is another; run there")
    problems += [f"the limit on {name} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    require(problems, "limits")
    return limits


def _parsed(text: str) -> float:
    """The most that a text allows; its name is checked."""
    name, equals, value = text.partition("=")
    find(name, dict.fromkeys(NAMES), "limit")
    try:
        at_most = float(value)
    except ValueError:
        at_most = math.nan
    if not equals or not (math.isfinite(at_most) and at_most > 0):
        raise InvalidValue(f"the limit {text!r} must read NAME=NUMBER with a number above 0, such as {name}=1e6")
    return at_most


def make_limits(
    asked: Mapping[str, float | Limit], precision: Precision, energy: Callable[[], Energy]
) -> tuple[Limit, ...]:
    """The limits that were asked for; bytes are those of the file at `precision`, `energy` is called if limited."""
    costs: Mapping[str, Callable[[Precision], CostModel | TotalCost]] = {**COSTS, ENERGY: lambda precision: energy()}
    return tuple(
        given if isinstance(given, Limit) else Limit(find(name, costs, "limit")(precision), given)
        for name, given in asked.items()
    )


def limit_costs(limits: Sequence[Limit], architecture: Architecture) -> dict[str, LimitCost]:
    """What a network costs of what it may, by metric."""
    return {limit.metric: LimitCost(limit.at_most, _value(limit, architecture)) for limit in limits}


def _value(limit: Limit, architecture: Architecture) -> float:
    parts = limit.cost.parts if isinstance(limit.cost, TotalCost) else (limit.cost,)
    return sum(cost_of(part, architecture) for part in parts)
