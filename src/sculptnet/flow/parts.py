"""The data set that a command names: one of ours, or `package.module:name` of the user's own."""

from __future__ import annotations

from pathlib import Path

from sculptnet import data as sources
from sculptnet.data import ImageData, Request, levelled
from sculptnet.named import find, is_part
from sculptnet.state import Progress


def load_data(
    name: str, *, root: Path | None, test_fraction: float, seed: int, skip_broken: bool, progress: Progress
) -> ImageData:
    """A folder, a data set by name, or a function of the user's that takes a `data.Request`; an existing path wins."""
    if is_part(name):
        return levelled(find(name, sources.BY_NAME, "data set")(Request(root, test_fraction, seed, progress)))
    return sources.load(
        name, root=root, test_fraction=test_fraction, seed=seed, skip_broken=skip_broken, progress=progress
    )
