from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import FashionMNIST

from sculptnet.data import InMemory, inspect
from sculptnet.data.fashion import CHECKSUMS, DEBIAN_FOLDER, fashion_mnist
from sculptnet.errors import DataError


class Unreachable(FashionMNIST):  # type: ignore[misc]
    """Fashion-MNIST on a server that does not answer: nothing listens on port 9 of this machine."""

    mirrors = ("http://127.0.0.1:9/",)


@pytest.fixture
def tiny() -> dict[str, bytes]:
    """The four files, unpacked, with 20 and 10 images of 4 px."""
    rng, files = np.random.default_rng(0), {}
    for part, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, size=(count, 4, 4), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        files[f"{part}-images-idx3-ubyte"] = struct.pack(">IIII", 0x803, count, 4, 4) + images.tobytes()
        files[f"{part}-labels-idx1-ubyte"] = struct.pack(">II", 0x801, count) + labels.tobytes()
    return files


def _sums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_packed_and_plain_files_are_read(tiny: dict[str, bytes], tmp_path: Path) -> None:
    for index, (name, content) in enumerate(tiny.items()):
        packed = gzip.compress(content, compresslevel=1 + index, mtime=index)  # another header, the same content
        (tmp_path / (name if index == 0 else f"{name}.gz")).write_bytes(content if index == 0 else packed)
    data = fashion_mnist(tmp_path, tmp_path / "downloads", checksums=_sums(tiny))
    assert isinstance(data.train, InMemory)
    assert data.train.images.shape == (20, 1, 4, 4)
    assert data.train.images.numpy().tobytes() == tiny["train-images-idx3-ubyte"][16:]
    assert data.test.labels.tolist() == list(range(10))
    assert data.grey
    assert "grey images, widened to three equal channels" in data.notes


def test_changed_content_is_refused(tiny: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in tiny.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is not the published file: its content has SHA-256"):
        fashion_mnist(tmp_path, tmp_path)


def test_torn_archives_are_refused(tiny: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in tiny.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read: .*; remove it and get it again"):
        fashion_mnist(tmp_path, tmp_path, checksums=_sums(tiny))


def test_a_given_folder_without_the_files_lists_the_ways(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").touch()
    with pytest.raises(DataError) as caught:
        fashion_mnist(tmp_path, tmp_path)
    text = str(caught.value)
    assert "lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (with or without .gz)" in text
    assert "apt-get install dataset-fashion-mnist" in text


def test_where_nothing_can_be_reached_all_ways_are_listed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError) as caught:
        fashion_mnist(None, tmp_path, installed=tmp_path / "none", source=Unreachable)
    text = str(caught.value)
    assert text.startswith("Fashion-MNIST is not on this machine and cannot be downloaded (")
    for way in ("apt-get install dataset-fashion-mnist", "with access to the internet", "`root=FOLDER`"):
        assert way in text
    assert capfd.readouterr().out == ""


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_files_of_debian_are_the_published_ones(tmp_path: Path) -> None:
    data = fashion_mnist(None, tmp_path)
    assert isinstance(data.train, InMemory)
    assert data.train.images.shape == (60_000, 1, 28, 28)
    assert np.bincount(data.train.labels).tolist() == [6_000] * 10
    assert np.bincount(data.test.labels).tolist() == [1_000] * 10
    assert data.classes[9] == "Ankle boot"
    assert len(CHECKSUMS) == 4
    findings = inspect(data)
    assert findings.warnings == ()  # small pictures of few shapes: alike, but no copies
    assert (findings.identical, findings.near_duplicates) == (0, 30)
