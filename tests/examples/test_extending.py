"""Parts of one's own, one file each, pass the suites without a change elsewhere."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from examples.extending.my_block import FusedInvertedResidual, fused_fbnet
from examples.extending.my_data import from_table
from examples.extending.my_device import Reference
from examples.extending.my_search import Annealing

from sculptnet import blocks, data
from sculptnet.arch import SearchSpace
from sculptnet.data import ImageData, Request
from sculptnet.devices import Device
from sculptnet.errors import DataError, DeviceError, InvalidValue
from sculptnet.search import Problem, Search
from sculptnet.testing import BlockSuite, DataSuite, DeviceSuite, SearchSuite, SpaceSuite, tiny_images


class TestMyBlock(BlockSuite):
    examples = (FusedInvertedResidual(16), FusedInvertedResidual(8, 5, 2, stride=2))


class TestMySpace(SpaceSuite):
    kinds = (*blocks.ALL, FusedInvertedResidual)

    def space(self) -> SearchSpace:
        return fused_fbnet(10, 32, width=0.25)


class TestMyDevice(DeviceSuite):
    def device(self) -> Device:
        return Reference()


class TestMySearch(SearchSuite):
    def search(self, problem: Problem, seed: int) -> Search:
        return Annealing(walkers=3).search(problem, seed)


class TestMyData(DataSuite):
    def data(self) -> ImageData:
        return from_table(Request(root=photographs()))


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


@cache
def photographs() -> Path:
    """A folder with a few images and their table."""
    root, images = Path(_folder().name) / "photographs", tiny_images(2, per_class=12).train
    root.mkdir()
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "class"])
        for index, label in enumerate(images.labels):
            images.image(index).save(root / f"{index:02}.png")
            table.writerow([f"{index:02}.png", ["sound", "cracked"][label]])
    return root


def test_my_space_has_ten_candidates_a_layer() -> None:
    assert fused_fbnet().size() == 10**22


def test_my_block_says_what_is_wrong() -> None:
    with pytest.raises(InvalidValue, match=r"2 problems\n  - kernel_size must be odd.*\n  - expansion must be a whole"):
        FusedInvertedResidual(8, 4, 0)


def test_my_device_says_what_it_cannot_do() -> None:
    with pytest.raises(DeviceError, match="one thread, got 2; leave `threads` at 1"):
        Reference(2)


def test_my_search_says_what_is_wrong() -> None:
    with pytest.raises(InvalidValue, match="walkers must be at least 1, got 0"):
        Annealing(walkers=0)


def test_my_data_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no photographs/labels\.csv; it lists the images"):
        from_table(Request())
    (tmp_path / "labels.csv").write_text("file,kind\na.png,x\n")
    with pytest.raises(DataError, match="lacks the columns class"):
        from_table(Request(root=tmp_path))
    (tmp_path / "labels.csv").write_text("file,class\na.png,x\n")
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(DataError, match=r"images of labels\.csv that cannot be read: a.png: not an image"):
        from_table(Request(root=tmp_path))


def test_none_of_them_is_listed_anywhere() -> None:
    assert FusedInvertedResidual not in blocks.ALL
    assert "from_table" not in data.BY_NAME
