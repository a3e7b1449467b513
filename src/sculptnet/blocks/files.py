"""Architecture files, read with SculptNet's blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sculptnet.arch import Architecture, architecture_from_json
from sculptnet.arch.recipe import RECIPE_PARTS
from sculptnet.blocks.listed import ALL
from sculptnet.errors import InvalidValue

OWN_BLOCKS = (
    "(Blocks of your own are not known to a file: their architecture is read in a module of yours, "
    "`architecture_from_json(json.loads(TEXT), [*blocks.ALL, YourBlock])`, and trained as `package.module:name`; the "
    ".onnx files of its run are measured as they are)"
)


def read_architecture(data: Any) -> Architecture:
    """An architecture of SculptNet's blocks, as JSON holds it.

    Raises:
        InvalidValue: it is none; where it has blocks of somebody's own, the message says how those are read.
    """
    try:
        return architecture_from_json(data, ALL)
    except InvalidValue as error:
        if set(_kinds(data)) <= {kind.__name__ for kind in (Architecture, *RECIPE_PARTS, *ALL)}:
            raise
        raise InvalidValue(f"{error} {OWN_BLOCKS}") from error


def _kinds(data: Any) -> Iterator[str]:
    """The names of classes in JSON, at any depth."""
    if isinstance(data, dict):
        yield from [str(data["kind"])] if "kind" in data else []
        data = list(data.values())
    if isinstance(data, list):
        for one in data:
            yield from _kinds(one)
