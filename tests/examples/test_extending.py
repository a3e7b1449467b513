"""Parts of one's own, one file each, pass the suites without a change elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from examples.extending.my_block import FusedInvertedResidual, fused_fbnet
from examples.extending.my_data import from_table
from examples.extending.my_device import Reference
from examples.extending.my_search import Annealing
from examples.extending.test_mine import TestMyBlock, TestMyData, TestMyDevice, TestMySearch, TestMySpace

import sculptnet
from sculptnet import blocks, data
from sculptnet.data import Request
from sculptnet.devices import Device, Measurement, Plan
from sculptnet.devices.measure import check_all_run, precisions_of
from sculptnet.errors import DataError, DeviceError, InvalidValue
from sculptnet.precision import Precision
from sculptnet.state import Progress, no_progress
from sculptnet.testing import DeviceSuite, tiny_images

__all__ = ["TestMyBlock", "TestMyData", "TestMyDevice", "TestMySearch", "TestMySpace"]  # run here


def test_my_space_has_ten_candidates_a_layer() -> None:
    assert fused_fbnet().size() == 10**22


def test_my_block_says_what_is_wrong() -> None:
    with pytest.raises(InvalidValue, match=r"2 problems\n  - kernel_size must be odd.*\n  - expansion must be a whole"):
        FusedInvertedResidual(8, 4, 0)


def test_my_device_says_what_it_cannot_do() -> None:
    with pytest.raises(DeviceError, match="one thread, got 2; leave `threads` at 1"):
        Reference(2)


def test_my_device_says_what_it_runs() -> None:
    assert precisions_of(Reference()) == {Precision.FP32}
    check_all_run(Reference())


@dataclass(frozen=True)
class Quiet:
    """A device that runs fp32 alone, as many do, and does not say so."""

    name: ClassVar[str] = "quiet-1t"

    def describe(self) -> Mapping[str, Any]:
        return Reference().describe()

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        return Reference().measure(plan, progress)


def test_a_device_that_does_not_say_what_it_runs_is_tried_before_anything_is_trained(tmp_path: Path) -> None:
    remedy = r"quiet-1t does not run every file that a run ships.* `precisions`, here `frozenset\(\{'fp32'\}\)`"
    with pytest.raises(DeviceError, match=remedy):
        sculptnet.fit(tiny_images(), 50.0, device=Quiet(), method="random", run_dir=tmp_path / "run")
    assert not (tmp_path / "run" / "table.json").exists()
    with pytest.raises(DeviceError, match=remedy):
        DeviceSuite.test_it_runs_the_precisions_that_it_says_it_does(SuiteOfQuiet())


class SuiteOfQuiet(DeviceSuite):
    def device(self) -> Device:
        return Quiet()


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
