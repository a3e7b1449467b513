"""Files of weights, read without running what they may hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sculptnet.errors import InvalidValue
from sculptnet.files import at_home, reading

_CHECKSUM = re.compile(r"-([0-9a-f]{8,64})$")  # torch's and timm's files end in the first digits of their SHA-256


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, `.pth` or `.pt` file by name; of the last two in the order of the file.

    A training's checkpoint may hold them under `state_dict`.

    Raises:
        InvalidValue: there is no such file, it holds something else, or its name ends in a checksum that its content
            does not have.
    """
    path = at_home(path)
    if not path.is_file():
        raise InvalidValue(f"there is no file {path}")
    _verify(path)
    if path.suffix == ".safetensors":
        with reading(path, "a whole safetensors file"):
            try:
                return load_file(path)
            except SafetensorError as error:
                raise InvalidValue(f"{path} is not a whole safetensors file: {error}") from error
    if path.suffix not in (".pth", ".pt"):
        raise InvalidValue(f"{path} must end in .safetensors, .pth or .pt")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # bytes that are no pickle bring up whatever lies in its reader
        first = str(error).strip().partition("\n")[0]
        raise InvalidValue(f"{path} is not a whole file of weights and nothing else: {first}") from error
    return _tensors(content, path)


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise InvalidValue(f"{path} must hold tensors by name, got {type(content).__name__}")
    other = next((name for name, value in content.items() if not isinstance(value, Tensor)), None)
    if other is not None:
        raise InvalidValue(f"{path} must hold tensors by name, {other!r} is {type(content[other]).__name__}")
    return {str(name): tensor for name, tensor in content.items()}


def _verify(path: Path) -> None:
    """Compares the content with the checksum in the file's name, if there is one."""
    named = _CHECKSUM.search(path.stem)
    if named is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(named[1]):
        raise InvalidValue(
            f"{path} is damaged: its SHA-256 begins with {digest[: len(named[1])]}, its name says {named[1]};"
            " download it again, or rename it if those digits are no checksum"
        )
