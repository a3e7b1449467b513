"""Verbs that need no run: measure a space or a network, show files, list devices, classify photographs.

Each returns what people read and what machines read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias

from sculptnet import blocks, devices, settings, spaces, zoo
from sculptnet.arch import Architecture, Recipe, architecture_from_json
from sculptnet.cost import LatencyTable, Precision, macs, parameters, table_from_json
from sculptnet.devices import Device, FileMemo, measure_onnx, measure_table, open_device
from sculptnet.devices.measure import graphs_of
from sculptnet.errors import InvalidValue, suggestion
from sculptnet.export import predict
from sculptnet.files import read_json, write_json
from sculptnet.flow.context import Voice
from sculptnet.flow.measuring import describe_error
from sculptnet.flow.methods import METHODS, Method
from sculptnet.flow.request import SETTING_GROUPS
from sculptnet.named import find
from sculptnet.runs import RunDirectory

Result: TypeAlias = tuple[str, Any]
DEFAULT_RESOLUTION = 224
SHOWN_CLASSES = 3


def measure_target(
    target: str,
    *,
    device: str,
    threads: int,
    precision: Precision,
    resolution: int | None,
    num_classes: int,
    settings: Sequence[str],
    seed: int,
    out: Path | None,
    voice: Voice,
) -> Result:
    """A latency table, if `target` is a space; one measurement, if it is a zoo name, an architecture file or .onnx.

    While a table is measured, its chunks are kept beside `out`; the same call goes on after a kill.
    """
    opened = open_device(device, threads)
    if target in spaces.BY_NAME or ":" in target:
        return _measure_space(
            target, opened, precision, resolution or DEFAULT_RESOLUTION, num_classes, settings, seed, out, voice
        )
    model = _model_bytes(target, precision, resolution)
    timing = measure_onnx({target: model}, opened, progress=voice.progress)[target]
    document = {"target": target, "device": opened.name, "precision": precision.value, **asdict(timing)}
    if out is not None:
        write_json(out, document)
    text = (
        f"{target} on {opened.name}: {timing.median_ms:.3f} ms "
        f"(95 % interval {timing.low_ms:.3f} to {timing.high_ms:.3f}, noise {timing.noise_percent:.1f} %)"
    )
    return text, document


def _measure_space(
    target: str,
    device: Device,
    precision: Precision,
    resolution: int,
    num_classes: int,
    given: Sequence[str],
    seed: int,
    out: Path | None,
    voice: Voice,
) -> Result:
    maker = find(target, spaces.BY_NAME, "space")
    arguments = settings.bind(maker, settings.split(given, SETTING_GROUPS)["space"], "space")
    space = maker(num_classes, resolution, **arguments)
    memo = None if out is None else FileMemo(out.with_name(f"{out.name}.measurements.jsonl"))
    table = measure_table(space, device, seed=seed, precision=precision, memo=memo, progress=voice.progress)
    if out is not None and memo is not None:
        write_json(out, table.to_json())
        memo.path.unlink(missing_ok=True)
    return describe_table(table), table.to_json()


def _model_bytes(target: str, precision: Precision, resolution: int | None) -> bytes:
    path = Path(target)
    if path.suffix == ".onnx":
        if not path.exists():
            raise InvalidValue(f"{path} does not exist; give an exported .onnx file")
        return path.read_bytes()
    architecture = find_architecture(target)
    sized = architecture if resolution is None else replace(architecture, resolution=resolution)
    return graphs_of(precision).network(sized).onnx


def find_architecture(target: str) -> Architecture:
    """The architecture of that name in the zoo, or in that JSON file.

    Raises:
        InvalidValue: there is none.
    """
    if target in zoo.BY_NAME:
        return zoo.BY_NAME[target].architecture
    if Path(target).suffix == ".json":
        return architecture_from_json(read_json(Path(target)), blocks.ALL)
    known = [*spaces.BY_NAME, *zoo.BY_NAME]
    raise InvalidValue(
        f"{target!r} is no space, no zoo name, no architecture file (.json) and no .onnx file; "
        f"{suggestion(target, known)}"
    )


def describe_table(table: LatencyTable) -> str:
    """What people want to know of a table."""
    lines = [f"{table.name}: {len(table.entries_ms)} entries in {table.seconds:.0f} s"]
    if table.held_out is not None:
        lines.append(describe_error(table.held_out))
    return "\n".join([*lines, *(f"Warning: {warning}" for warning in table.warnings())])


def describe_devices() -> Result:
    """Every device that networks can be measured on here."""
    found: dict[str, Mapping[str, Any]] = {name: open_device(name, 1).describe() for name in devices.BY_NAME}
    lines = [
        f"{name}: " + ", ".join(f"{key} {value}" for key, value in description.items())
        for name, description in found.items()
    ]
    return "\n".join(lines), {name: dict(description) for name, description in found.items()}


def show_settings(method: str, space: str) -> Result:
    """Everything that `--set` can change, with types and defaults."""
    chosen = find(method, METHODS, "method")
    search = chosen.search if isinstance(chosen, Method) else chosen
    maker = find(space, spaces.BY_NAME, "space")
    rows = [
        (group, setting)
        for group, function in (("space", maker), ("search", search))
        for setting in settings.settings_of(function).values()
    ]
    document = [{"name": f"{group}.{s.name}", "type": s.describe(), "default": repr(s.default)} for group, s in rows]
    document += [
        {"name": f"recipe.{name}", "type": type(value).__name__, "default": repr(value)}
        for name, value in settings.leaves(Recipe())
    ]
    width = max(len(row["name"]) for row in document)
    return "\n".join(f"{row['name']:<{width}}  {row['default']}  ({row['type']})" for row in document), document


def show_target(path: Path) -> Result:
    """A run directory, a table file or an architecture file."""
    if path.is_dir():
        run = RunDirectory(path)
        info = run.info()
        card = read_json(run.card) if run.card.exists() else None
        return describe_run(run, info, card), {"run": info, "card": card}
    data = read_json(path)
    if isinstance(data, dict) and "entries" in data:
        table = table_from_json(data, blocks.ALL)
        return describe_table(table), data
    return describe_architecture(architecture_from_json(data, blocks.ALL)), data


def describe_run(run: RunDirectory, info: Mapping[str, Any], card: Mapping[str, Any] | None) -> str:
    """What was asked, how far it came, what came out."""
    asked = info["identity"]
    lines = [
        f"{run.folder}: {asked['method']} on {asked['data']}, budget {asked['latency_ms']} ms on "
        f"{asked['device']} ({asked['threads']} threads, {asked['precision']})"
    ]
    lines.append(
        f"table: {'measured' if run.table.exists() else 'not yet'}; "
        f"trials: {len(run.trials(lines.append))}; model: {'shipped' if card else 'not yet'}"
    )
    if card is not None:
        lines += [
            f"{name}: {values['latency_ms']:.3f} ms, top-1 {card['accuracy'][name]['top1']:.2%}"
            for name, values in card["measured"].items()
        ]
        lines.append(f"report: {run.report}")
    return "\n".join(lines)


def describe_architecture(architecture: Architecture) -> str:
    """The network layer by layer."""
    lines = [
        f"{path:<12} {block.label():<14} {shape!s:>12} -> {block.out_shape(shape)}"
        for path, block, shape in architecture.blocks()
    ]
    total = f"{macs(architecture) / 1e6:.1f} M MACs, {parameters(architecture) / 1e6:.2f} M parameters"
    return "\n".join([*lines, total])


def predict_photos(model: Path, photos: Sequence[Path]) -> Result:
    """The likeliest classes of each photograph."""
    found = predict(model, photos)
    ranked = found.best(len(found.classes))
    lines = [
        f"{photo}: " + ", ".join(f"{name} {p:.1%}" for name, p in row[:SHOWN_CLASSES])
        for photo, row in zip(found.photos, ranked, strict=True)
    ]
    document = [
        {"photo": str(photo), "class": row[0][0], "probabilities": dict(row)}
        for photo, row in zip(found.photos, ranked, strict=True)
    ]
    return "\n".join(lines), document
