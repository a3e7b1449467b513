"""What an agent sends back, judged line by line: it was written elsewhere, so nothing of it is believed unseen."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, final

from sculptnet.devices.agent import SCHEMA, Chunk, Row
from sculptnet.devices.plan import Measurement, Plan
from sculptnet.devices.remote.packing import Order
from sculptnet.errors import InvalidValue, collected

SHOWN_PROBLEMS = 20
WORD = re.compile(r"[\w.-]{1,80}")
CHUNK_FIELDS = {"event", "part", "seconds", *(part.name for part in fields(Measurement))}


@final
@dataclass(frozen=True, eq=False)
class Results:
    """Every chunk of an order.

    Attributes:
        name: of the device there, such as `onnxruntime-1t`.
        host: what the machine calls itself.
        details: what the device says of itself.
        parts: the chunks of each plan.
        seconds: what measuring each plan took.
    """

    name: str
    host: str
    details: Mapping[str, Any]
    parts: tuple[tuple[Measurement, ...], ...]
    seconds: tuple[float, ...]


def chunk_problem(row: Row, plans: Sequence[Plan]) -> str | None:
    """What is wrong with one chunk of the results of `plans`, or None."""
    if set(row) != CHUNK_FIELDS or row["event"] != "chunk":
        return f"a chunk has the fields {', '.join(sorted(CHUNK_FIELDS))}, got {', '.join(sorted(map(str, row)))}"
    part, model, index = row["part"], row["model"], row["round"]
    if type(part) is not int or not 0 <= part < len(plans):
        return f"part must lie in 0..{len(plans) - 1}, got {part!r}"
    if not isinstance(model, str) or model not in plans[part].models:
        return f"part {part} of the plan has no model {model!r}"
    rounds = plans[part].quality.rounds
    if type(index) is not int or not 0 <= index < rounds:
        return f"round must lie in 0..{rounds - 1}, got {index!r}"
    for name, least in (("ratio", 0.0), ("reference_ms", 0.0), ("seconds", -math.inf)):
        value = row[name]
        if type(value) not in (int, float) or not math.isfinite(value) or value <= least:
            return f"{name} must be a finite number{' above 0' if least == 0 else ''}, got {value!r}"
    return None if type(row["disturbed"]) is bool else f"disturbed must be true or false, got {row['disturbed']!r}"


def measurement_of(row: Row) -> Measurement:
    """The chunk of a row that has no problem."""
    return Measurement(row["model"], row["round"], float(row["ratio"]), float(row["reference_ms"]), row["disturbed"])


def read_results(text: str, order: Order, source: str) -> Results:
    """The results of `order`.

    Args:
        text: what the agent wrote, one JSON object a line.
        order: what it was asked.
        source: where the text is from, for errors.

    Raises:
        InvalidValue: with everything that is wrong, an order other than this one first.
    """
    rows, problems = _rows(text)
    header = rows.pop(0)[1] if rows else {}
    problems = [*_header_problems(header, order), *problems]
    if problems:
        raise _refused(problems, source)
    found: dict[Chunk, Row] = {}
    for number, row in rows:
        problem = chunk_problem(row, order.plans)
        if problem is None and found.setdefault((row["part"], row["model"], row["round"]), row) is not row:
            problem = f"round {row['round']} of {row['model']} is there twice"
        if problem is not None:
            problems.append(f"line {number}: {problem}")
    total = sum(len(plan.models) * plan.quality.rounds for plan in order.plans)
    if len(found) < total and not problems:
        problems.append(f"{len(found)} of {total} chunks are there; run the same command there again, it goes on")
    if problems:
        raise _refused(problems, source)
    by_part = [[row for row in found.values() if row["part"] == part] for part in range(len(order.plans))]
    return Results(
        header["name"],
        header["host"],
        header["details"],
        tuple(tuple(map(measurement_of, part)) for part in by_part),
        tuple(sum(row["seconds"] for row in part) for part in by_part),
    )


def _refused(problems: list[str], source: str) -> InvalidValue:
    shown = problems[:SHOWN_PROBLEMS]
    more = len(problems) - len(shown)
    return InvalidValue(collected([*shown, f"and {more} more"] if more else shown, source))


def _rows(text: str) -> tuple[list[tuple[int, Row]], list[str]]:
    rows, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append((number, row))
        else:
            problems.append(f"line {number}: no JSON object")
    return rows, problems


def _header_problems(header: Row, order: Order) -> list[str]:
    if header.get("event") != "device" or header.get("schema") != SCHEMA:
        return [f"the first line must be the header that the agent writes, of schema {SCHEMA}"]
    request = header.get("request")
    if not isinstance(request, dict):
        return [f"request must be an object, got {request!r}"]
    differing = [key for key in order.request if request.get(key) != order.request[key]]
    if differing:
        words = [f"{key} was {request.get(key)!r} there, {order.request[key]!r} here" for key in differing]
        return [f"measured for another bundle: {'; '.join(words)}; give the options that the bundle was made with"]
    if header.get("plan") != order.identity():
        return ["measured for another bundle, made by another machine or version of the libraries; read it there"]
    return device_problems(header)


def device_problems(header: Row) -> list[str]:
    """What is wrong with what an agent says of its machine."""
    problems = [
        f"{key} must be a word of letters, digits, '.', '_' and '-', got {header.get(key)!r}"
        for key in ("name", "host")
        if not isinstance(header.get(key), str) or not WORD.fullmatch(header[key])
    ]
    details = header.get("details")
    plain = isinstance(details, dict) and all(type(value) in (str, int, float, bool) for value in details.values())
    return problems if plain else [*problems, f"details must be an object of words and numbers, got {details!r}"]
