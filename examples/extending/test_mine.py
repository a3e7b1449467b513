"""The suites that parts of your own have to pass, here on those of this folder. Nothing else has to be written.

pytest examples/extending/test_mine.py

Beside your own parts it is `from my_block import ...`, and `PYTHONPATH=. pytest test_mine.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.extending.my_block import FusedInvertedResidual, fused_fbnet
from examples.extending.my_data import TABLE, from_table
from examples.extending.my_device import Reference
from examples.extending.my_search import Annealing

from sculptnet import blocks
from sculptnet.arch import SearchSpace
from sculptnet.data import ImageData, Request
from sculptnet.devices import Device
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


FOLDER = TemporaryDirectory()


@cache
def photographs() -> Path:
    """A few images and their table; another process, which a suite starts, has a folder of its own."""
    root, images, rows = Path(FOLDER.name), tiny_images(2, per_class=12).train, ["file,class"]
    for index, label in enumerate(images.labels):
        images.image(index).save(root / f"{index:02}.png")
        rows.append(f"{index:02}.png,{['sound', 'cracked'][label]}")
    (root / TABLE).write_text("\n".join(rows))
    return root
