"""A latency table: milliseconds measured per block and input shape, and how wrong their sum is on whole networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, final

from sculptnet.arch import Block, SearchSpace, TensorShape, from_json, to_json
from sculptnet.cost.entries import Entry, entries_of
from sculptnet.cost.model import Reduce
from sculptnet.errors import InvalidValue, NotMeasured, SculptNetError, collected, suggestion
from sculptnet.precision import Precision

SCHEMA = 1
TOO_NOISY_PERCENT = 3.0  # split-half noise above which nothing can be said about a device
THROTTLING_PERCENT = 20.0  # slowdown while a table is measured above which the device did not hold its speed
SHOWN_ENTRIES = 12
PUBLISHED = "published"  # in `details`: where a table comes from that was read, not measured
SLOWDOWN = "slowdown_percent"  # in `details`: how much slower the reference network became during the measurement
OPENED_AS = "opened_as"  # in `details`: how a device elsewhere is named on the command line
RELATIVE = "relative_to"  # in `details`: what a published table's entries leave out


@final
@dataclass(frozen=True)
class HeldOut:
    """Whole networks that the table was not fitted on: what it predicted and what was measured.

    Attributes:
        networks: how many.
        mape_percent: mean absolute error over the measured latency.
        bias_percent: mean signed error; above 0, the table predicts too much.
        spearman: rank correlation of prediction and measurement; nan (in JSON null) where there is nothing to rank.
        noise_percent: mean difference between the two halves of each network's own samples: no table can be better; nan
            (in JSON null) where nobody knows.
        pairs: (predicted, measured) in milliseconds.
    """

    networks: int
    mape_percent: float
    bias_percent: float
    spearman: float
    noise_percent: float
    pairs: tuple[tuple[float, float], ...]


@final
@dataclass(frozen=True, eq=False)
class LatencyTable:
    """The latency of a network on one device: `slope` times the sum over its blocks, plus `constant`. A cost model.

    A block's latency is a difference of two measurements, so tiny blocks can come out slightly below zero; such
    entries are stored as 0 and counted in `floored`.

    Attributes:
        device: runtime and threads, `onnxruntime-1t`.
        entries_ms: latency by block and input shape, milliseconds, before `slope`. Identities are not listed: 0.
        slope, constant: fitted on whole networks; `constant` in milliseconds.
        precision: of the measured graphs.
        held_out: the error on networks that were not fitted, or None if nobody looked.
        seconds: what measuring took, without held-out networks.
        reference_ms: the protocol's reference network while the table was made; the device's speed at that time.
        floored: how many entries came out below zero.
        details: what the device says of itself (runtime, version, threads, cpu).
        predicted: entries that were not measured but estimated from others (`cost.fill`).
        predictor_mape_percent: how far such estimates were off on measured entries; None where there are none.
    """

    device: str
    entries_ms: Mapping[Entry, float]
    slope: float = 1.0
    constant: float = 0.0
    precision: Precision = Precision.FP32
    held_out: HeldOut | None = None
    seconds: float = 0.0
    reference_ms: float | None = None
    floored: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    predicted: frozenset[Entry] = frozenset()
    predictor_mape_percent: float | None = None

    @property
    def name(self) -> str:
        """`latency_ms@onnxruntime-1t`; with the precision unless that is fp32."""
        return f"latency_ms@{self.device}" + ("" if self.precision is Precision.FP32 else f"-{self.precision.value}")

    @property
    def reduce(self) -> Reduce:
        """Blocks run one after the other."""
        return Reduce.SUM

    def block(self, path: str, block: Block, shape: TensorShape) -> float:
        """Milliseconds of one block; 0 for an identity.

        Raises:
            NotMeasured: the table lacks this block at this shape.
        """
        if block.is_identity(shape.channels):
            return 0.0
        try:
            return self.slope * self.entries_ms[block, shape]
        except KeyError:
            raise NotMeasured(
                f"{self.device} has no {self.precision.value} latency of {block} at input {shape} ({path}); "
                f"{_remedy(self)}"
            ) from None

    def warnings(self) -> tuple[str, ...]:
        """What a user should know before trusting the table; empty if all is well."""
        found = [] if self.held_out is None else _doubts(self.held_out)
        if self.held_out is None:
            found.append("the table was not checked on whole networks; its error is unknown")
        slowdown = self.details.get(SLOWDOWN, 0.0)
        if slowdown > THROTTLING_PERCENT:
            found.append(
                f"throttling: the reference network became {slowdown:.0f} % slower during the measurement, above "
                f"{THROTTLING_PERCENT:g} %; cool the device or set a fixed clock, and measure again"
            )
        if self.floored:
            found.append(
                f"{self.floored} of {len(self.entries_ms)} blocks came out slightly below zero and count as 0 ms"
            )
        if self.predicted:
            found.append(
                f"{len(self.predicted)} of {len(self.entries_ms)} blocks were not measured but predicted; the "
                f"predictor is wrong by {self.predictor_mape_percent or math.nan:.1f} % on measured blocks"
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `table_from_json` reads it."""
        rows = [
            {"block": to_json(block), "shape": list(shape), "latency_ms": value}
            | ({"predicted": True} if (block, shape) in self.predicted else {})
            for (block, shape), value in self.entries_ms.items()
        ]
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            "schema": SCHEMA,
            "name": self.name,
            **plain,
            "precision": self.precision.value,
            "details": dict(self.details),
            "held_out": held_out_to_json(self.held_out),
            "entries": rows,
            **({} if self.predictor_mape_percent is None else {_PREDICTOR: self.predictor_mape_percent}),
        }


_PREDICTOR = "predictor_mape_percent"  # absent from files without predicted entries
_MAYBE_NAN = ("spearman", "noise_percent")
_PLAIN = ("device", "slope", "constant", "seconds", "reference_ms", "floored")


def _remedy(table: LatencyTable) -> str:
    if PUBLISHED in table.details:
        return (
            f"it comes from {table.details[PUBLISHED]}: take the space, resolution and widths that it was made for, or "
            "read it with partial=True and let `cost.fill` predict the rest"
        )
    device = table.details.get(OPENED_AS) or table.details.get("runtime", "RUNTIME")
    threads = table.details.get("threads", 1)
    return (
        f"run `sculptnet measure SPACE --device {device} --threads {threads} --out table.json` with the resolution, "
        "number of classes and settings of this space"
    )


def _doubts(held_out: HeldOut) -> list[str]:
    found = []
    if held_out.noise_percent > TOO_NOISY_PERCENT:
        found.append(
            f"too noisy to measure: the same network differs by {held_out.noise_percent:.1f} % between two halves of "
            f"its samples, above {TOO_NOISY_PERCENT:g} %; stop other programs, and measure again"
        )
    unknown = math.isnan(held_out.noise_percent)
    allowed = 1 + (0.0 if unknown else 2 * held_out.noise_percent)
    if held_out.mape_percent > allowed:
        noise = f"the noise of {held_out.noise_percent:.1f} % explains {allowed:.1f} %"
        found.append(
            f"the table is wrong by {held_out.mape_percent:.1f} % on networks it was not fitted on; "
            f"{'how noisy they are is not known' if unknown else noise}: leave that much room under a budget"
        )
    return found


def check_covers(table: LatencyTable, space: SearchSpace) -> None:
    """Raises `NotMeasured` with everything that `table` lacks to price the networks of `space`."""
    missing = [
        f"{block} at input {shape}"
        for block, shape in entries_of(space)
        if not block.is_identity(shape.channels) and (block, shape) not in table.entries_ms
    ]
    if missing:
        shown = missing[:SHOWN_ENTRIES]
        if len(missing) > len(shown):
            shown.append(f"and {len(missing) - len(shown)} more")
        raise NotMeasured(
            collected(shown, f"the table of {table.device} does not cover the space") + f"\n{_remedy(table)}"
        )


# ---------------------------------------------------------------------- reading
def table_from_json(data: Any, blocks: Iterable[type]) -> LatencyTable:
    """The table that `LatencyTable.to_json` wrote.

    Args:
        data: parsed JSON.
        blocks: the block classes that entries may name.

    Raises:
        InvalidValue: with everything that is wrong in the file.
    """
    if not isinstance(data, Mapping):
        raise InvalidValue(f"latency table: expected a JSON object, got {type(data).__name__}")
    if data.get("schema") != SCHEMA:
        raise InvalidValue(
            f"latency table: schema {data.get('schema')!r} is not {SCHEMA}, the one this version of SculptNet reads; "
            "measure again, or use the version that wrote it"
        )
    problems: list[str] = []
    known = {"schema", "name", "precision", "details", "held_out", "entries", _PREDICTOR, *_PLAIN}
    problems += [f"{key} is no field; {suggestion(key, known)}" for key in sorted(set(data) - known)]
    problems += [f"{key} is missing" for key in sorted(known - {"name", "details", _PREDICTOR} - set(data))]
    if problems:
        raise InvalidValue(collected(problems, "latency table"))
    predicted: set[Entry] = set()
    table = LatencyTable(
        device=data["device"],
        entries_ms=_read_entries(data["entries"], tuple(blocks), predicted, problems),
        slope=_number(data, "slope", problems, above=0.0),
        constant=_number(data, "constant", problems),
        precision=_read_precision(data["precision"], problems),
        held_out=held_out_from_json(data["held_out"], problems),
        seconds=_number(data, "seconds", problems),
        reference_ms=None if data["reference_ms"] is None else _number(data, "reference_ms", problems, above=0.0),
        floored=int(_number(data, "floored", problems)),
        details=data.get("details", {}),
        predicted=frozenset(predicted),
        predictor_mape_percent=None if data.get(_PREDICTOR) is None else _number(data, _PREDICTOR, problems),
    )
    if not isinstance(table.device, str) or not table.device:
        problems.append(f"device must be a name such as 'onnxruntime-1t', got {table.device!r}")
    if not isinstance(table.details, Mapping):
        problems.append(f"details must be an object, got {table.details!r}")
    elif SLOWDOWN in table.details:
        _number(table.details, SLOWDOWN, problems, at="details.")
    if (table.predictor_mape_percent is None) == bool(predicted):
        problems.append(f"{_PREDICTOR} belongs to files with predicted entries; here are {len(predicted)}")
    if problems:
        raise InvalidValue(collected(problems, "latency table"))
    return table


def _number(data: Mapping[str, Any], key: str, problems: list[str], above: float = -math.inf, at: str = "") -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= above:
        rule = "a finite number" + (f" above {above:g}" if above > -math.inf else "")
        problems.append(f"{at}{key} must be {rule}, got {value!r}")
        return math.nan if above == -math.inf and key != "floored" else 0.0
    return float(value)


def _read_precision(value: Any, problems: list[str]) -> Precision:
    names = [member.value for member in Precision]
    if value not in names:
        problems.append(f"precision is {value!r}; {suggestion(str(value), names)}")
        return Precision.FP32
    return Precision(value)


def held_out_to_json(held_out: HeldOut | None) -> dict[str, Any] | None:
    """Plain JSON data; `held_out_from_json` reads it."""
    if held_out is None:
        return None
    plain = {**asdict(held_out), "pairs": [list(pair) for pair in held_out.pairs]}
    return plain | {key: None for key in _MAYBE_NAN if math.isnan(plain[key])}


def held_out_from_json(data: Any, problems: list[str]) -> HeldOut | None:
    """What `held_out_to_json` wrote; `problems` is told what is wrong with it."""
    if data is None:
        return None
    names = {part.name for part in fields(HeldOut)}
    if not isinstance(data, Mapping) or set(data) != names:
        problems.append(f"held_out must be null or an object with the fields {', '.join(sorted(names))}")
        return None
    unknown = {name for name in _MAYBE_NAN if data[name] is None}
    wanted = names - {"networks", "pairs"} - unknown
    numbers = {name: _number(data, name, problems, at="held_out.") for name in wanted} | dict.fromkeys(
        unknown, math.nan
    )
    pairs = data["pairs"]
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        problems.append("held_out.pairs must be a list of [predicted, measured]")
        pairs = []
    if data["networks"] != len(pairs):
        problems.append(f"held_out.networks is {data['networks']!r}, but there are {len(pairs)} pairs")
    return HeldOut(networks=len(pairs), pairs=tuple((pair[0], pair[1]) for pair in pairs), **numbers)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(number) in (int, float) for number in value)


def _read_entries(
    rows: Any, blocks: tuple[type, ...], predicted: set[Entry], problems: list[str]
) -> dict[Entry, float]:
    """Milliseconds by entry; those that the file marks are added to `predicted`."""
    if not isinstance(rows, list):
        problems.append(f"entries must be a list, got {type(rows).__name__}")
        return {}
    found: dict[Entry, float] = {}
    for index, row in enumerate(rows):
        at = f"entries.{index}"
        if not isinstance(row, Mapping) or set(row) - {"predicted"} != {"block", "shape", "latency_ms"}:
            problems.append(f"{at} must have the fields block, shape and latency_ms, and may have predicted")
            continue
        entry = _read_entry(row, blocks, at, problems)
        value = _number(row, "latency_ms", problems, at=f"{at}.")
        if value < 0:
            problems.append(f"{at}.latency_ms must not be below 0, got {value:g}")
        if entry in found:
            problems.append(f"{at} repeats {entry[0]} at input {entry[1]}")
        elif entry is not None:
            found[entry] = value
            if row.get("predicted", False) is True:
                predicted.add(entry)
        if not isinstance(row.get("predicted", False), bool):
            problems.append(f"{at}.predicted must be true or false, got {row['predicted']!r}")
    return found


def _read_entry(row: Mapping[str, Any], blocks: tuple[type, ...], at: str, problems: list[str]) -> Entry | None:
    shape = row["shape"]
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        problems.append(f"{at}.shape must be three whole numbers above 0 (channels, height, width), got {shape!r}")
        return None
    try:
        block = from_json(row["block"], blocks)
    except SculptNetError as error:
        problems.append(f"{at}.block: {error}")
        return None
    if not isinstance(block, Block):
        problems.append(f"{at}.block is {block!r}, not a block")
        return None
    return block, TensorShape(*shape)
