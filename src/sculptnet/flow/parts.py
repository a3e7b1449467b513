"""From names to parts: what a command names is one of ours, or `package.module:name` of the user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sculptnet import data as sources
from sculptnet import devices
from sculptnet.data import ImageData, Request
from sculptnet.devices import Device
from sculptnet.errors import InvalidValue, suggestion
from sculptnet.state import Progress

P = TypeVar("P")


def find(name: str, known: Mapping[str, P], what: str) -> P:
    """The entry of `known` with that name, or what `package.module:name` points to.

    Raises:
        InvalidValue: there is none; near misses are suggested.
    """
    if name in known:
        return known[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise InvalidValue(f"unknown {what} {name!r}; {suggestion(name, known)} (your own: package.module:name)")
    try:
        part: P = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidValue(f"{what} {name!r} cannot be imported: {error}") from error
    return part


def open_device(name: str, threads: int) -> Device:
    """The device of that name with that many threads."""
    maker: Callable[[int], Device] = find(name, devices.BY_NAME, "device")
    return maker(threads)


def load_data(
    name: str, *, root: Path | None, test_fraction: float, seed: int, skip_broken: bool, progress: Progress
) -> ImageData:
    """A folder, a data set by name, or a function of the user's that takes a `data.Request`."""
    module, colon, _ = name.partition(":")
    if colon and module.replace(".", "").isidentifier():
        return find(name, sources.BY_NAME, "data set")(Request(root, test_fraction, seed, progress))
    return sources.load(
        name, root=root, test_fraction=test_fraction, seed=seed, skip_broken=skip_broken, progress=progress
    )
