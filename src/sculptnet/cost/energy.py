"""The energy of a network: its latency times the power that the processor draws while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, final

from sculptnet.arch import Block, TensorShape
from sculptnet.cost.model import Reduce
from sculptnet.cost.table import HeldOut, LatencyTable, held_out_from_json, held_out_to_json
from sculptnet.errors import InvalidValue, collected, suggestion

SCHEMA = 1


@final
@dataclass(frozen=True)
class Energy:
    """Millijoules of one inference: the latency by a table times one power. A cost model.

    That the power hardly depends on which network of a space runs is an assumption; `measured_w` and `held_out` say how
    far it holds.

    Attributes:
        table: the latency, of the same device.
        watts: the power of the whole processor while a network runs.
        measured_w: the power of each of the networks that `watts` is the mean of.
        held_out: the error on other networks, its pairs in millijoules; or None if nobody looked.

    Raises:
        InvalidValue: `watts` is not a number above 0.
    """

    table: LatencyTable
    watts: float
    measured_w: tuple[float, ...] = ()
    held_out: HeldOut | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.watts) and self.watts > 0):
            raise InvalidValue(f"Energy.watts must be a number above 0, got {self.watts!r}")

    @property
    def name(self) -> str:
        """`energy_mj@onnxruntime-1t`; with the precision unless that is fp32."""
        return f"energy_mj@{self.table.name.partition('@')[2]}"

    @property
    def constant(self) -> float:
        """Millijoules of a network apart from its blocks."""
        return self.watts * self.table.constant

    @property
    def reduce(self) -> Reduce:
        """As their times, the energies of blocks add up."""
        return self.table.reduce

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Millijoules of one block.

        Raises:
            NotMeasured: the table lacks this block at this shape.
        """
        return self.watts * self.table.block(path, block, shape)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, without the table; `energy_from_json` reads it."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "watts": self.watts,
            "measured_w": list(self.measured_w),
            "held_out": held_out_to_json(self.held_out),
        }


def energy_from_json(data: Any, table: LatencyTable) -> Energy:
    """The energy that `Energy.to_json` wrote, over the table that it was measured with.

    Raises:
        InvalidValue: with everything that is wrong in the file.
    """
    if not isinstance(data, Mapping):
        raise InvalidValue(f"energy: expected a JSON object, got {type(data).__name__}")
    known = {"schema", "name", *(part.name for part in fields(Energy) if part.name != "table")}
    problems = [f"{key} is no field; {suggestion(key, known)}" for key in sorted(set(data) - known)]
    problems += [f"{key} is missing" for key in sorted(known - set(data))]
    if problems:
        raise InvalidValue(collected(problems, "energy"))
    if data["schema"] != SCHEMA:
        problems.append(f"schema {data['schema']!r} is not {SCHEMA}, the one this version of SculptNet reads")
    expected = Energy(table, 1.0).name
    if data["name"] != expected:
        problems.append(f"it is {data['name']!r}, and the table is of {expected}; measure the power again")
    measured_w = data["measured_w"]
    if not isinstance(measured_w, list) or not all(map(_is_power, measured_w)):
        problems.append(f"measured_w must be a list of numbers above 0, got {measured_w!r}")
    if not _is_power(data["watts"]):
        problems.append(f"watts must be a number above 0, got {data['watts']!r}")
    held_out = held_out_from_json(data["held_out"], problems)
    if problems:
        raise InvalidValue(collected(problems, "energy"))
    return Energy(table, float(data["watts"]), tuple(map(float, measured_w)), held_out)


def _is_power(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0
