"""What the scripts beside exported models share, and hold: the model is opened, photos are read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps, UnidentifiedImageError

WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's grey images of 16 bits
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


def read_photo(photo: Path, problems: list[str]) -> Image.Image | None:
    """The photo as 8-bit RGB, or None; what is wrong is added to `problems`."""
    if not photo.is_file():
        problems.append(f"{photo} {'is a folder; name the image files in it' if photo.is_dir() else 'does not exist'}")
        return None
    try:
        return open_rgb(photo)
    except UNREADABLE as error:
        reason = "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)
        problems.append(f"{photo} cannot be read as an image ({reason})")
        return None


def open_rgb(photo: Path) -> Image.Image:
    """8-bit RGB: turned as the EXIF tag says, alpha over white, 16 bits scaled to 8, grey widened."""
    with Image.open(photo) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers; images need 8 or 16 bits per channel")
    if image.mode in WIDE_MODES:
        wide = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")
