"""What the scripts beside exported models share, and hold: the model is opened, photos are read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import onnxruntime
from PIL import Image, UnidentifiedImageError

from sculptnet.data.rgb import FULL_WHITE, UnusableError, as_rgb

UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    struct.error,
    Image.DecompressionBombError,
)  # what Pillow's readers raise


def open_model(
    path: Path, threads: int, key: str, problems: list[str]
) -> tuple[onnxruntime.InferenceSession | None, list[str], dict[str, Any] | None]:
    """The session, the names of the classes, the preprocessing under `key`; what is wrong is added to `problems`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no other base
        problems.append(f"{path} is not an ONNX file that can be run: {error}")
        return None, [], None
    metadata = session.get_modelmeta().custom_metadata_map
    missing = [name for name in ("classes", key) if name not in metadata]
    if missing:
        problems.append(f"{path} is an ONNX file without {' and '.join(map(repr, missing))} in its metadata")
        return None, [], None
    return session, json.loads(metadata["classes"]), json.loads(metadata[key])


def read_photo(photo: Path, stated: dict[str, Any] | None, problems: list[str]) -> Image.Image | None:
    """The photo as 8-bit RGB as the preprocessing `stated` says, or None; what is wrong is added to `problems`."""
    if not photo.is_file():
        problems.append(f"{photo} {'is a folder; name the image files in it' if photo.is_dir() else 'does not exist'}")
        return None
    try:
        return open_rgb(photo, stated or {})
    except UnusableError as error:
        problems.append(f"{photo}: {error}")
        return None
    except UNREADABLE as error:
        reason = "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)
        problems.append(f"{photo} cannot be read as an image ({reason})")
        return None


def open_rgb(photo: Path, stated: dict[str, Any]) -> Image.Image:
    """8-bit RGB, as it was in training; what was exported before levels were stated was trained on the full range."""
    with Image.open(photo) as opened:
        return as_rgb(opened, stated.get("white_level", FULL_WHITE), stated.get("float_white_level"))
