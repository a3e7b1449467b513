"""CIFAR-10 and CIFAR-100: 60,000 colour photographs of 32 px (Krizhevsky 2009)."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from sculptnet.data.images import ImageData, InMemory
from sculptnet.errors import DataError


def cifar10(root: Path | None, downloads: Path, *, source: type[CIFAR10] = CIFAR10) -> ImageData:
    """CIFAR-10 with its published split of 50,000 and 10,000 images; the arguments are those of `cifar`."""
    return cifar("cifar10", source, root, downloads)


def cifar100(root: Path | None, downloads: Path, *, source: type[CIFAR10] = CIFAR100) -> ImageData:
    """CIFAR-100 with its published split of 50,000 and 10,000 images; the arguments are those of `cifar`."""
    return cifar("cifar100", source, root, downloads)


def cifar(name: str, source: type[CIFAR10], root: Path | None, downloads: Path) -> ImageData:
    """Reads through torchvision, which checks the published MD5 sums before it opens a file.

    Args:
        name: of the data set.
        source: torchvision's class.
        root: the folder with `source.base_folder` or the packed file, or that folder itself; None looks in `downloads`,
            then downloads.
        downloads: where downloaded files are kept.

    Raises:
        DataError: the files are not in `root` or are not the published ones; or there are none and none can be
            downloaded: the message lists the ways to get them.
    """
    place = downloads if root is None else root.parent if root.name == source.base_folder else root
    packed = (place / source.filename).is_file()
    ways = (
        f"get it in one of these ways and run the command again:\n"
        f"  - with access to the internet: it is downloaded by itself\n"
        f"  - elsewhere: download {source.url} into a folder FOLDER and give `root=FOLDER`"
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torchvision says what it does; stdout belongs to the result
            train = source(str(place), train=True, download=root is None or packed)
            test = source(str(place), train=False)
    except (OSError, RuntimeError) as error:
        where = "on this machine, and it cannot be downloaded" if root is None else f"in {place}"
        raise DataError(f"{name} with its published checksums is not {where} ({error}); {ways}") from error
    splits = [
        InMemory(
            torch.from_numpy(part.data.transpose(0, 3, 1, 2).copy()),
            np.array(part.targets, dtype=np.int64),
        )
        for part in (train, test)
    ]
    return ImageData(name, tuple(train.classes), splits[0], splits[1])
