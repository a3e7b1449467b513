"""Fashion-MNIST: 70,000 grey images of clothing, 28 px, ten classes (Xiao et al. 2017, arXiv 1708.07747)."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torchvision.datasets import FashionMNIST

from sculptnet.data.images import ImageData, InMemory
from sculptnet.errors import DataError

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
# SHA-256 of the unpacked files: the gzip headers of Debian's package differ from those of the published files.
CHECKSUMS: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }
)
WAYS = """get Fashion-MNIST in one of these ways and run the command again:
  - Debian and Ubuntu: apt-get install dataset-fashion-mnist
  - with access to the internet: it is downloaded by itself
  - elsewhere: download the four files *-ubyte.gz of github.com/zalandoresearch/fashion-mnist into a folder FOLDER
    and give `root=FOLDER`"""


def fashion_mnist(
    root: Path | None,
    downloads: Path,
    *,
    installed: Path = DEBIAN_FOLDER,
    source: type[FashionMNIST] = FashionMNIST,
    checksums: Mapping[str, str] = CHECKSUMS,
) -> ImageData:
    """Fashion-MNIST with its published split of 60,000 and 10,000 images.

    Args:
        root: the folder with the four idx files, packed or not; None looks in `installed`, then in `downloads`, then
            downloads.
        downloads: where downloaded files are kept.
        installed: where Debian's package `dataset-fashion-mnist` puts the files.
        source: whose `resources` are downloaded.
        checksums: SHA-256 of the unpacked files.

    Raises:
        DataError: the files are not in `root` or are not the published ones; or there are none and none can be
            downloaded: the message lists the ways to get them.
    """
    place = root or next((path for path in (installed, _raw(downloads, source)) if not _missing(path)), None)
    if place is None:
        place = _downloaded(downloads, source)
    if _missing(place):
        raise DataError(f"{place} lacks {', '.join(_missing(place))} (with or without .gz)\n{WAYS}")
    content = {name: _unpacked(place, name, digest) for name, digest in checksums.items()}
    train, test = (
        InMemory(
            torch.from_numpy(_array(content[f"{part}-images-idx3-ubyte"], 3)[:, None]),
            _array(content[f"{part}-labels-idx1-ubyte"], 1).astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    notes = ("grey images, widened to three equal channels", "licence: MIT")
    return ImageData("fashion_mnist", tuple(source.classes), train, test, notes)


def _raw(downloads: Path, source: type[FashionMNIST]) -> Path:
    return downloads / source.__name__ / "raw"  # where torchvision puts the files


def _missing(place: Path) -> list[str]:
    return [name for name in CHECKSUMS if not (place / name).is_file() and not (place / f"{name}.gz").is_file()]


def _downloaded(downloads: Path, source: type[FashionMNIST]) -> Path:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torchvision says what it does; stdout belongs to the result
            source(str(downloads), download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"Fashion-MNIST is not on this machine and cannot be downloaded ({error})\n{WAYS}") from error
    return _raw(downloads, source)


def _unpacked(place: Path, name: str, digest: str) -> bytes:
    plain = place / name
    path = plain if plain.is_file() else place / f"{name}.gz"
    try:
        content = path.read_bytes() if path == plain else gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}; remove it and get it again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise DataError(
            f"{path} is not the published file: its content has SHA-256 {found}, not {digest}; remove it and get it "
            "again (another data set: give it as a folder of images)"
        )
    return content


def _array(content: bytes, dimensions: int) -> npt.NDArray[np.uint8]:
    """The array in an idx file of bytes: magic 0x00000800 + dimensions, sizes as big-endian 32 bits, then the data."""
    sizes = np.frombuffer(content, ">u4", dimensions, offset=4).astype(int)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes).copy()
