"""Energy from counters; a folder stands for the kernel's, and a device moves them as it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sculptnet.cost import Precision
from sculptnet.devices import Measurement, Plan
from sculptnet.devices.energy import measure_power, open_rapl
from sculptnet.devices.graphs import Graphs
from sculptnet.errors import DeviceError
from sculptnet.flow.context import Voice
from sculptnet.flow.measuring_alone import measure_target
from sculptnet.state import Progress, no_progress
from sculptnet.testing import FakeDevice

FOLDER = "COUNTER_OF_THE_TEST"
TOP_UJ = 1_000_000_000


def counter(folder: Path, name: str, label: str, start_uj: int) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(f"{label}\n")
    (path / "max_energy_range_uj").write_text(f"{TOP_UJ}\n")
    (path / "energy_uj").write_text(f"{start_uj}\n")
    return path


def add(path: Path, joules: float) -> None:
    file = path / "energy_uj"
    file.write_text(f"{(int(file.read_text()) + round(joules * 1e6)) % (TOP_UJ + 1)}\n")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    counter(tmp_path, "intel-rapl:0:0", "core", 0)  # in the package already
    counter(tmp_path, "intel-rapl:1", "psys", 0)  # the whole board
    return counter(tmp_path, "intel-rapl:0", "package-0", TOP_UJ - 3_000_000)


@dataclass
class Drawing:
    """A fake device whose every chunk takes a tenth of a second and 1.5 J."""

    package: Path
    now_s: float = 0.0
    joules: float = 1.5

    @property
    def name(self) -> str:
        return "drawing"

    def describe(self) -> Mapping[str, Any]:
        return FakeDevice().describe()

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        for chunk in FakeDevice().measure(plan, progress):
            self.now_s += 0.1
            add(self.package, self.joules)
            yield chunk

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        add(self.package, 5.0 * seconds)


def drawing_device(threads: int) -> Drawing:
    """A device as the command line makes one."""
    return Drawing(Path(os.environ[FOLDER]))


def test_the_power_is_the_counter_over_time_and_wraps_around(package: Path) -> None:
    device = Drawing(package)
    power = measure_power(
        "a network",
        Graphs().empty(),
        device,
        open_rapl(package.parent),
        idle_s=2.0,
        clock=lambda: device.now_s,
        wait=device.wait,
    )
    assert power.running_w == pytest.approx(15.0)
    assert power.idle_w == pytest.approx(5.0)
    assert power.energy_mj(4.0) == pytest.approx(60.0)
    assert power.above_idle_mj(4.0) == pytest.approx(40.0)


def test_counters_that_stand_still_are_an_error(package: Path) -> None:
    device = Drawing(package, joules=0.0)
    with pytest.raises(DeviceError, match="the energy counters stand still"):
        measure_power("a network", Graphs().empty(), device, open_rapl(package.parent), idle_s=0.1)


def test_no_counter_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"has no energy counter of a processor .* leave --energy out"):
        open_rapl(tmp_path / "powercap")


def test_a_counter_that_is_no_number_is_said(package: Path) -> None:
    (package / "energy_uj").write_text("much")
    with pytest.raises(DeviceError, match=r"energy_uj cannot be read as a number"):
        open_rapl(package.parent)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_that_may_not_be_read_names_the_command(package: Path) -> None:
    (package / "energy_uj").chmod(0)
    with pytest.raises(DeviceError, match=r"sudo chmod a\+r .*energy_uj"):
        open_rapl(package.parent)


def test_a_network_is_measured_with_its_energy(package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER, str(package))
    text, document = measure_target(
        "fbnet_96_035_1",
        device="tests.devices.test_energy:drawing_device",
        threads=1,
        precision=Precision.FP32,
        resolution=32,
        num_classes=1000,
        settings=(),
        seed=0,
        out=tmp_path / "out.json",
        voice=Voice(lambda line: None, no_progress),
        energy=True,
        powercap=package.parent,
    )
    assert document["energy_mj"] == pytest.approx(document["power"]["running_w"] * document["median_ms"])
    assert document["above_idle_mj"] == pytest.approx(document["energy_mj"])  # nothing draws power while it waits
    assert f"{document['energy_mj']:.3g} mJ per inference" in text
    assert json.loads((tmp_path / "out.json").read_text()) == document
