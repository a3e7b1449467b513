"""Data sets by name, or a folder of images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, final

from sculptnet.data.cifar import cifar10, cifar100
from sculptnet.data.fashion import fashion_mnist
from sculptnet.data.folders import folder
from sculptnet.data.images import ImageData
from sculptnet.data.solar_cells import elpv
from sculptnet.errors import DataError, suggestion
from sculptnet.files import at_home
from sculptnet.state import Progress, no_progress


@final
@dataclass(frozen=True)
class Request:
    """What a source may use of a request.

    Attributes:
        root: a folder that the user says holds the files.
        test_fraction, seed: for sources that bring no test split.
        progress: called often while files are read.
    """

    root: Path | None = None
    test_fraction: float = 0.2
    seed: int = 0
    progress: Progress = no_progress


class Source(Protocol):
    """A named data set."""

    def __call__(self, request: Request) -> ImageData:
        """Reads it."""
        ...


BY_NAME: Mapping[str, Source] = MappingProxyType(
    {
        "cifar10": lambda request: cifar10(request.root, download_folder()),
        "cifar100": lambda request: cifar100(request.root, download_folder()),
        "elpv": lambda request: elpv(test_fraction=request.test_fraction, seed=request.seed, progress=request.progress),
        "fashion_mnist": lambda request: fashion_mnist(request.root, download_folder()),
    }
)


def download_folder() -> Path:
    """Where downloads are kept: `sculptnet` in `$XDG_CACHE_HOME` or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sculptnet"


def load(
    source: str | Path,
    *,
    root: Path | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    progress: Progress = no_progress,
) -> ImageData:
    """The data set `source`: a name in `BY_NAME`, or a folder (a `Path`, or text that is no such name).

    Args:
        source: a name or a folder.
        root: where the files of a named data set are; None looks in the usual places, then downloads.
        test_fraction: of each class, where the data brings no test split.
        seed: of that choice.
        skip_broken: leave files of a folder out that cannot be read.
        progress: called often while files are read.

    Raises:
        DataError: the data cannot be found or used; the message says why and what to do.
        MissingExtra: a named data set needs a package.
    """
    if isinstance(source, str) and source in BY_NAME:
        return BY_NAME[source](Request(root, test_fraction, seed, progress))
    path = at_home(Path(source))
    if not path.exists() and isinstance(source, str) and path.name == source:
        raise DataError(
            f"{source!r} is neither a folder here nor a data set known by name; {suggestion(source, BY_NAME)}"
        )
    return folder(path, test_fraction=test_fraction, seed=seed, skip_broken=skip_broken, progress=progress)
