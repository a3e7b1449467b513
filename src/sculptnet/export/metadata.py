"""What travels inside an ONNX file beside the weights: the names of the classes and how to prepare a photo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from onnx import ModelProto, helper

from sculptnet.arch import to_json
from sculptnet.data.preprocessing import Preprocessing, preprocessing_from_json
from sculptnet.errors import InvalidValue, collected

CLASSES, PREPROCESSING = "classes", "preprocessing"  # keys of the file's `metadata_props`
SHOWN_CHARACTERS = 60


@final
@dataclass(frozen=True)
class Metadata:
    """The names of the classes in the order of the logits, and how an image becomes the network's input."""

    classes: tuple[str, ...]
    preprocessing: Preprocessing


def attach(model: ModelProto, metadata: Metadata) -> None:
    """Writes `metadata` into `model`, in place of all metadata there."""
    del model.metadata_props[:]
    content = {CLASSES: list(metadata.classes), PREPROCESSING: to_json(metadata.preprocessing)}
    helper.set_model_props(model, {key: json.dumps(value) for key, value in content.items()})


def metadata_of(properties: Mapping[str, str], name: str) -> Metadata:
    """The metadata in a file's properties.

    Args:
        properties: the file's `metadata_props`.
        name: what errors call the file.

    Raises:
        InvalidValue: something is missing or is not what `attach` writes.
    """
    missing = [key for key in (CLASSES, PREPROCESSING) if key not in properties]
    if missing:
        raise InvalidValue(
            f"{name} is an ONNX file without {' and '.join(map(repr, missing))} in its metadata; "
            "predictions need a file that SculptNet exported, such as `model/model.onnx` of a run"
        )
    problems: list[str] = []
    classes, preprocessing = _parsed(properties, CLASSES, problems), _parsed(properties, PREPROCESSING, problems)
    if not problems and not (isinstance(classes, list) and classes and all(isinstance(c, str) for c in classes)):
        problems.append(f"{CLASSES!r} must be a list of names, got {_short(properties[CLASSES])}")
    if not problems:
        try:
            return Metadata(tuple(classes), preprocessing_from_json(preprocessing))
        except InvalidValue as error:
            problems.append(f"{PREPROCESSING!r}: {error}")
    raise InvalidValue(collected(problems, f"{name} has metadata that no export wrote; export the network again"))


def _parsed(properties: Mapping[str, str], key: str, problems: list[str]) -> Any:
    try:
        return json.loads(properties[key])
    except ValueError:
        problems.append(f"{key!r} must be JSON, got {_short(properties[key])}")
        return None


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "...")
