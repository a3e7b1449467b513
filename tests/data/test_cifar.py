from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from sculptnet.data import InMemory
from sculptnet.data.cifar import cifar, cifar10, cifar100
from sculptnet.errors import DataError


class Unreachable(CIFAR10):  # type: ignore[misc]
    """CIFAR-10 on a server that does not answer: nothing listens on port 9 of this machine."""

    url = "http://127.0.0.1:9/cifar-10-python.tar.gz"


def _write(path: Path, content: dict[str, Any]) -> str:
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def tiny(tmp_path: Path) -> type[CIFAR10]:
    """The layout of CIFAR-10 with ten training and five test images."""
    folder, rng = tmp_path / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir()
    sums = {}
    for name, count in (("data_batch_1", 10), ("test_batch", 5)):
        images = rng.integers(0, 256, size=(count, 3 * 32 * 32), dtype=np.uint8)
        sums[name] = _write(folder / name, {"data": images, "labels": [index % 2 for index in range(count)]})
    names = _write(folder / "batches.meta", {"label_names": ["cat", "dog"]})

    class Tiny(Unreachable):
        train_list = (["data_batch_1", sums["data_batch_1"]],)
        test_list = (["test_batch", sums["test_batch"]],)
        meta = {"filename": "batches.meta", "key": "label_names", "md5": names}  # noqa: RUF012

    return Tiny


@pytest.mark.parametrize("root", [".", "cifar-10-batches-py"])
def test_a_given_folder_is_read(root: str, tiny: type[CIFAR10], tmp_path: Path) -> None:
    data = cifar("cifar10", tiny, tmp_path / root, tmp_path / "downloads")
    assert data.classes == ("cat", "dog")
    assert isinstance(data.train, InMemory)
    assert data.train.images.shape == (10, 3, 32, 32)
    assert data.test.labels.tolist() == [0, 1, 0, 1, 0]
    content = pickle.loads((tmp_path / "cifar-10-batches-py/data_batch_1").read_bytes())
    assert data.train.images.numpy().tobytes() == content["data"].tobytes()
    assert not data.grey


def test_a_folder_with_other_content_is_refused_before_it_is_opened(tiny: type[CIFAR10], tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py/data_batch_1").write_bytes(b"not a pickle")
    with pytest.raises(DataError, match="cifar10 with its published checksums is not in"):
        cifar("cifar10", tiny, tmp_path, tmp_path / "downloads")


def test_where_nothing_can_be_reached_all_ways_are_listed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for load in (cifar10, cifar100):
        with pytest.raises(DataError) as caught:
            load(None, tmp_path, source=Unreachable)
        assert "not on this machine, and it cannot be downloaded (" in str(caught.value)
        assert "with access to the internet: it is downloaded by itself" in str(caught.value)
        assert "into a folder FOLDER and give `root=FOLDER`" in str(caught.value)
    assert capfd.readouterr().out == ""
