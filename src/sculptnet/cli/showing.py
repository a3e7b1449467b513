"""Verbs that show files, settings and devices, and what networks see in photographs.

Each returns what people read and what machines read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any, get_type_hints

from sculptnet import blocks, devices, settings, spaces, zoo
from sculptnet.arch import Architecture, OneOf, Recipe
from sculptnet.cli.catalogue import draw
from sculptnet.cli.measuring_alone import Result, describe_table
from sculptnet.cost import table_from_json
from sculptnet.devices import open_device
from sculptnet.devices.measure import precisions_of
from sculptnet.errors import DeviceError, InvalidValue, collected
from sculptnet.export import detector_standalone, predict
from sculptnet.export.session import open_session
from sculptnet.files import AS_WRITTEN, at_home, read_given, reading
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.methods import FBNet, Searching, made
from sculptnet.nets.ssdlite import DetectorSettings
from sculptnet.networks import LARGE_BATCH_RESOLUTION
from sculptnet.records import to_plain
from sculptnet.records.card import AnyCard, DetectorCard, read_card
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.settings import Setting

SHOWN_CLASSES = 3
MODEL = "model.onnx"
SHOWN = "the folder of a run, a latency table or an architecture file (.json)"
WORDS = ("settings", "detector-settings")


def describe_devices() -> Result:
    """Every device: what it is here and what it runs, or what is missing and how to get it."""
    found = {name: _describe_device(name) for name in devices.BY_NAME}
    lines = [f"{name}: {description.get('missing') or _on_a_line(description)}" for name, description in found.items()]
    return "\n".join(lines), found


def _on_a_line(description: Mapping[str, Any]) -> str:
    values = {key: " and ".join(value) if isinstance(value, list) else value for key, value in description.items()}
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _describe_device(name: str) -> dict[str, Any]:
    try:
        device = open_device(name, 1)
    except DeviceError as error:
        return {"missing": str(error)}
    return {**device.describe(), "precisions": sorted(one.value for one in precisions_of(device))}


def show_settings(method: str | None, space: str | None) -> Result:
    """Everything that `--set` can change, with types and defaults."""
    chosen = made(method, FBNet)
    if not isinstance(chosen, Searching):
        raise InvalidValue(f"method {chosen.name} searches no space")
    maker = chosen.opener(space)
    own = [("space", setting) for setting in settings.settings_of(maker).values()]
    own += [("search", setting) for setting in settings.settings_of(type(chosen)).values()]
    return _listed([*own, *_recipe_settings(chosen.recipe(LARGE_BATCH_RESOLUTION))])


def show_detector_settings() -> Result:
    """The same of `detect`."""
    hints = get_type_hints(DetectorSettings)
    own = [Setting(field.name, hints[field.name], field.default) for field in fields(DetectorSettings)]
    return _listed([*(("detector", setting) for setting in own), *_recipe_settings(DetectorRecipe())])


def _recipe_settings(recipe: Recipe | DetectorRecipe) -> list[tuple[str, Setting]]:
    """The fields of a recipe; of what is open in it, its options."""
    leaves = settings.leaves(recipe)
    opened = [name for name, value in leaves if value == OneOf.__name__]
    found: list[tuple[str, Setting]] = []
    for name, leaf in leaves:
        if not any(name.startswith(f"{one}.") for one in opened):
            value = attrgetter(name)(recipe) if name in opened else leaf
            kind = type(value.options[0] if isinstance(value, OneOf) else value)
            found.append(("recipe", Setting(name, kind, value)))
    return found


def _listed(rows: Sequence[tuple[str, Setting]]) -> Result:
    document = [{"name": f"{group}.{s.name}", "type": s.describe(), "default": _told(s.default)} for group, s in rows]
    width = max(len(row["name"]) for row in document)
    return "\n".join(f"{row['name']:<{width}}  {row['default']}  ({row['type']})" for row in document), document


def _told(value: object) -> str:
    """A default, or what is searched unless it is set."""
    if not isinstance(value, OneOf):
        return repr(value.value if isinstance(value, Enum) else value)
    if value.ordered:
        return f"searched: {value.options[0]!r} to {value.options[-1]!r}, {len(value.options)} values"
    return f"searched: {' or '.join(type(one).__name__ if is_dataclass(one) else repr(one) for one in value.options)}"


def show_target(path: Path) -> Result:
    """A run directory, a table file or an architecture file."""
    path = at_home(path)
    if path.is_dir():
        run = RunDirectory(path)
        info = run.info()
        card = read_card(run.card) if run.card.exists() else None
        document = {"run": to_plain(info), "card": None if card is None else to_plain(card)}
        with reading(run.description, AS_WRITTEN):
            return describe_run(run, info, card), document
    _check_shown(path)
    data = read_given(path, SHOWN)
    if isinstance(data, dict) and "entries" in data:
        with reading(path, "a latency table that `sculptnet measure` wrote"):
            return describe_table(table_from_json(data, blocks.ALL)), data
    if not isinstance(data, dict) or data.get("kind") != Architecture.__name__:
        raise InvalidValue(f"{path} holds neither a latency table nor an architecture; name {SHOWN}")
    with reading(path, "an architecture whose blocks fit together"):
        return draw(blocks.read_architecture(data)), data


def _check_shown(path: Path) -> None:
    """Raises `InvalidValue` for what is no file, with what may have been meant."""
    name = str(path)
    if path.exists():
        return
    if name in zoo.BY_NAME:
        raise InvalidValue(f"{name} is a network of the zoo; `sculptnet zoo {name}` draws it")
    if name in spaces.BY_NAME:
        raise InvalidValue(f"{name} is a space; `sculptnet show settings --space {name}` lists its settings")
    near = get_close_matches(name, WORDS)
    raise InvalidValue(f"{name} does not exist; {f'did you mean {near[0]}?' if near else f'name {SHOWN}'}")


def describe_run(run: RunDirectory, info: RunInfo, card: AnyCard | None) -> str:
    """What was asked, how far it came, what came out."""
    asked, given = info.identity, info.command.get("network")
    what = given if isinstance(given, str) else "a network" if given else _method_of(asked)
    data = info.command["data"]
    budget = "no budget" if asked["latency_ms"] is None else f"budget {asked['latency_ms']} ms"
    lines = [
        f"{run.folder}: {what} on {Path(data).name if isinstance(data, str) else 'images of a program'}, {budget} on "
        f"{asked['device']} ({asked['threads']} threads, {asked.get('precision', 'fp32')})"
    ]
    model = f"model: {'shipped' if card else 'not yet'}"
    if given is None:
        table, trials = "measured" if run.table.exists() else "not yet", len(run.trials(lines.append))
        model = f"table: {table}; trials: {trials}; {model}"
    lines.append(model)
    if card is not None:
        lines += [
            f"{name}: {timing.latency_ms:.3f} ms, {_quality(card, name)}" for name, timing in card.measured.items()
        ]
        lines += [f"warning: {warning}" for warning in card.warnings]
        lines.append(f"report: {run.report}")
    return "\n".join(lines)


def _method_of(identity: Mapping[str, Any]) -> str:
    return str(identity["method"]["method"])


def _quality(card: AnyCard, file: str) -> str:
    if isinstance(card, DetectorCard):
        return f"mAP@0.5 {card.detection.ap50:.2%}"
    accuracy = card.accuracy[file]
    return f"top-1 {accuracy.top1:.2%}, balanced {accuracy.balanced:.2%}"


def predict_photos(model: Path, photos: Sequence[Path]) -> Result:
    """The likeliest classes of each photograph, or the objects that a detector finds in it.

    Raises:
        InvalidValue: with everything that is wrong with the model, a file or a run's folder, and with each photograph.
    """
    model, photos = at_home(model), [at_home(photo) for photo in photos]
    file = shipped_model(model) if model.is_dir() else model
    if _finds_objects(file):
        return _detect_in(file, photos)
    found = predict(file, photos)
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


def shipped_model(folder: Path) -> Path:
    """The float32 file of a run or of a model's folder.

    Raises:
        InvalidValue: it has none.
    """
    file = (RunDirectory(folder).model if RunDirectory(folder).exists() else folder) / MODEL
    if not file.is_file():
        raise InvalidValue(f"{folder} has no {MODEL} yet; name a run that has shipped one, or an .onnx file")
    return file


def _finds_objects(file: Path) -> bool:
    """Whether it is a detector's. What cannot be opened is not; the error comes with those of the photographs."""
    try:
        return "detector" in open_session(file).get_modelmeta().custom_metadata_map
    except InvalidValue:
        return False


def _detect_in(model: Path, photos: Sequence[Path]) -> Result:
    names = [str(photo) for photo in photos]
    try:
        found = detector_standalone.detect(model, names)
    except ValueError as error:
        raise InvalidValue(collected(str(error).splitlines(), "predict")) from error
    pairs = list(zip(names, found, strict=True))
    text = "\n".join(detector_standalone.listed(photo, objects) for photo, objects in pairs)
    return text, [{"photo": photo, "objects": objects} for photo, objects in pairs]
