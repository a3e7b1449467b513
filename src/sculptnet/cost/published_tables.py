"""Published latency tables of FBNet's space, read for a space of ours; `published_yaml` reads Once-for-All's format.

A published table is a `LatencyTable` that no device at hand was measured for: slope 1, and an error that nobody knows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet.arch import Block, SearchSpace, TensorShape
from sculptnet.blocks import InvertedResidual, Skip
from sculptnet.cost.entries import Entry, entries_of
from sculptnet.cost.table import PUBLISHED, RELATIVE, LatencyTable, check_covers
from sculptnet.errors import InvalidValue, collected, suggestion

OPS = ("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip")
STAGES = ((16, 1), (24, 4), (32, 4), (64, 4), (112, 4), (184, 4), (352, 1))  # width and layers of FBNet's stages
PI4_STRIDES = (1, 2, 2, 1, 1, 1, 1)  # of the first layer of each stage, in the script that measured the list
PI4_SIDE = 32  # pixels
US_PER_MS = 1000.0

Price: TypeAlias = Callable[[Block, TensorShape], float | None]
Layer: TypeAlias = tuple[int, int, TensorShape]  # output width, stride, input


def read_fbnet_tables(path: Path, space: SearchSpace, *, partial: bool = False) -> dict[str, LatencyTable]:
    """The tables of HW-NAS-Bench's FBNet space (Li et al., ICLR 2021), by device: pixel3, raspi4, eyeriss, fpga.

    The file holds `ops`, `layers` (`in_ch`, `out_ch`, `stride`, `in_hw`) and, for each of `devices`, `constant_ms` and
    `table_ms`: for every layer the milliseconds of each op beyond those of a skip in that layer. What all networks
    share - stem, head, classifier, and the skips that change shapes - is in the constant; there, entries are 0.

    Args:
        path: the JSON file.
        space: whose entries are wanted: `fbnet(resolution=32)`, or a part of it.
        partial: keep what there is of a table that does not cover the space.

    Raises:
        InvalidValue: with everything that is wrong in the file.
        NotMeasured: the file lacks blocks or shapes of the space; the message lists them.
    """
    data = read_json_table(path)
    problems: list[str] = []
    ops, layers = _read_ops(data, problems), _read_layers(data, problems)
    devices = data.get("devices") if isinstance(data, Mapping) else None
    if not isinstance(devices, Mapping) or not devices:
        problems.append("devices must be an object with at least one device")
        devices = {}
    rows = {
        name: _read_device(device, f"devices.{name}", ops, len(layers), problems) for name, device in devices.items()
    }
    if problems:
        raise InvalidValue(collected(problems, f"latency tables in {path}"))
    details = {PUBLISHED: "HW-NAS-Bench's FBNet space", RELATIVE: "a skip in the same layer"}
    return {
        name: table_of(name, space, _priced(layers, values, space), details, constant=constant, partial=partial)
        for name, (constant, values) in rows.items()
    }


def read_fbnet_pi4_table(path: Path, space: SearchSpace, *, partial: bool = False) -> LatencyTable:
    """FBNet's space on a Raspberry Pi 4B, TensorFlow without graphs, 32 px (jh88/fbnet).

    The file is a list over the 22 layers, null for what is fixed, of microseconds: the nine candidates, or eight where
    a skip would change the shape. It was made for `fbnet(resolution=32, strides=(1, 2, 2, 1, 1, 1, 1))` without such
    skips. Layers of one shape were measured several times: their mean. Stem, head and classifier were not: 0.

    Args:
        path: the JSON file.
        space: whose entries are wanted.
        partial: keep what there is of a table that does not cover the space.

    Raises:
        InvalidValue: with everything that is wrong in the file.
        NotMeasured: the file lacks blocks or shapes of the space; the message lists them.
    """
    data, layers = read_json_table(path), _layers(PI4_SIDE, PI4_STRIDES)
    if not isinstance(data, list) or len(rows := [row for row in data if row is not None]) != len(layers):
        raise InvalidValue(f"latency table in {path}: expected a list with {len(layers)} layers that are not null")
    problems: list[str] = []
    for index, (row, (width, stride, shape)) in enumerate(zip(rows, layers, strict=True)):
        count = len(OPS) - (0 if Skip(width, stride).is_identity(shape.channels) else 1)
        if not isinstance(row, list) or len(row) != count:
            problems.append(f"layer {index} must be a list of {count} numbers, got {row!r:.80}")
        else:
            problems += [f"layer {index}: {problem}" for problem in map(not_a_latency, row) if problem]
    if problems:
        raise InvalidValue(collected(problems, f"latency table in {path}"))
    values = [{op: us / US_PER_MS for op, us in zip(OPS, row, strict=False)} for row in rows]
    details = {PUBLISHED: "FBNet's space on a Raspberry Pi 4B, TensorFlow"}
    return table_of("pi4-tensorflow", space, _priced(layers, values, space), details, partial=partial)


# ---------------------------------------------------------------------- shared with published_yaml
def table_of(
    device: str,
    space: SearchSpace,
    price: Price,
    details: Mapping[str, Any],
    *,
    constant: float = 0.0,
    partial: bool = False,
) -> LatencyTable:
    """The table of all entries of `space` that `price` knows, in milliseconds.

    Raises:
        NotMeasured: `price` does not know them all, and the table is not to be `partial`.
    """
    wanted = [entry for entry in entries_of(space) if not entry[0].is_identity(entry[1].channels)]
    found = {entry: value for entry in wanted if (value := price(*entry)) is not None}
    table = LatencyTable(device, found, constant=constant, details=details)
    if not partial:
        check_covers(table, space)
    return table


def not_a_latency(value: Any) -> str | None:
    """What is wrong with a number of milli- or microseconds, if anything."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return f"a latency must be a finite number, at least 0, got {value!r}"
    return None


def read_json_table(path: Path) -> Any:
    """Parsed JSON.

    Raises:
        InvalidValue: it is absent or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InvalidValue(f"{path} cannot be read as JSON: {error}") from error


# ---------------------------------------------------------------------- FBNet's layers
def _priced(layers: Sequence[Layer], values: Sequence[Mapping[str, float]], space: SearchSpace) -> Price:
    """Milliseconds of a block at a shape: the mean over the layers where it stands; 0 for what is fixed in `space`."""
    measured: dict[Entry, list[float]] = {}
    for (width, stride, shape), row in zip(layers, values, strict=True):
        for op, value in row.items():
            measured.setdefault((_block(op, width, stride), shape), []).append(value)
    template = space.architecture
    fixed = (template.stem, template.head, template.classifier)

    def price(block: Block, shape: TensorShape) -> float | None:
        found = measured.get((block, shape))
        if found is not None:
            return sum(found) / len(found)
        return 0.0 if block in fixed else None

    return price


def _block(op: str, width: int, stride: int) -> Block:
    """The candidate of that name: `k5_e1_g2` has kernel 5, expansion 1, 2 groups."""
    if op == "skip":
        return Skip(width, stride)
    kernel, expansion, *groups = op.split("_")
    return InvertedResidual(width, int(kernel[1:]), int(expansion[1:]), stride, int(groups[0][1:]) if groups else 1)


def _layers(side: int, strides: Sequence[int]) -> list[Layer]:
    found, shape = [], TensorShape(STAGES[0][0], side, side)
    for (width, count), first in zip(STAGES, strides, strict=True):
        for stride in (first, *(1,) * (count - 1)):
            found.append((width, stride, shape))
            shape = Skip(width, stride).out_shape(shape)
    return found


# ---------------------------------------------------------------------- HW-NAS-Bench's file
def _read_ops(data: Any, problems: list[str]) -> list[str]:
    ops = data.get("ops") if isinstance(data, Mapping) else None
    if not isinstance(ops, list) or not ops:
        problems.append(f"ops must be a list of candidates, got {ops!r:.80}")
        return []
    problems += [f"ops: {op!r} is no candidate; {suggestion(str(op), OPS)}" for op in ops if op not in OPS]
    return [op for op in ops if op in OPS]


def _read_layers(data: Any, problems: list[str]) -> list[Layer]:
    rows = data.get("layers") if isinstance(data, Mapping) else None
    if not isinstance(rows, list) or not rows:
        problems.append(f"layers must be a list of objects, got {rows!r:.80}")
        return []
    found: list[Layer] = []
    for index, row in enumerate(rows):
        sizes = [row.get(name) if isinstance(row, Mapping) else None for name in ("in_ch", "out_ch", "stride", "in_hw")]
        channels, width, stride, side = (size if type(size) is int and size > 0 else 0 for size in sizes)
        if not min(channels, width, stride, side):
            problems.append(f"layers.{index} must have in_ch, out_ch, stride and in_hw above 0, got {row!r:.80}")
        found.append((width, stride, TensorShape(channels, side, side)))
    return found


def _read_device(
    device: Any, at: str, ops: Sequence[str], num_layers: int, problems: list[str]
) -> tuple[float, list[Mapping[str, float]]]:
    """The constant and the rows of one device."""
    fields: Mapping[str, Any] = device if isinstance(device, Mapping) else {}
    constant: Any = fields.get("constant_ms")
    rows = fields.get("table_ms")
    if wrong := not_a_latency(constant):
        problems.append(f"{at}.constant_ms: {wrong}")
        constant = 0.0
    if not isinstance(rows, list) or len(rows) != num_layers:
        problems.append(f"{at}.table_ms must be a list with a row for each of {num_layers} layers, got {rows!r:.80}")
        return 0.0, []
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping) or set(row) != set(ops):
            problems.append(f"{at}.table_ms.{index} must have a number for each of {', '.join(ops)}, got {row!r:.80}")
        else:
            problems += [f"{at}.table_ms.{index}.{op}: {w}" for op, value in row.items() if (w := not_a_latency(value))]
    return constant, rows
