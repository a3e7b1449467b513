"""Energy from counters; a folder stands for the kernel's, and a device moves them as it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sculptnet.cli.measure_options import MeasureOptions
from sculptnet.cli.measuring_alone import measure_target
from sculptnet.cost import Energy, LatencyTable, cost_of
from sculptnet.devices import Measurement, Plan, Quality, measure_table
from sculptnet.devices.energy import Rapl, measure_power, open_rapl, power_networks, power_of
from sculptnet.devices.graphs import Graphs
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.listening import Listener
from sculptnet.spaces import fbnet
from sculptnet.state import Progress, no_progress
from sculptnet.testing import FakeDevice

QUIET = FakeDevice(label="drawing", noise_percent=0.0)
FOLDER = "COUNTER_OF_THE_TEST"
SPACE = fbnet(3, 16, channels=(8, 16), layers=(1, 1), strides=(1, 2), head_channels=16)
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
    """A fake device whose every chunk takes a tenth of a second and 1.5 J; `says` is added to its description."""

    package: Path
    now_s: float = 0.0
    joules: float = 1.5
    says: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "drawing"

    def describe(self) -> Mapping[str, Any]:
        return {**FakeDevice().describe(), **self.says}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        for chunk in QUIET.measure(plan, progress):
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
    power = power_of(
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
    with pytest.raises(DeviceError, match="the energy counters stand still while a network runs"):
        power_of("a network", Graphs().empty(), device, open_rapl(package.parent), idle_s=0.1)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    quality = Quality(rounds=2)
    return measure_table(SPACE, QUIET, seed=0, quality=quality, num_calibration=3, num_held_out=3)


def powers(table: LatencyTable, device: Drawing, rapl: Rapl, networks: int = 3, num_held_out: int = 4) -> Energy:
    return measure_power(
        table,
        SPACE,
        device,
        rapl,
        seed=1,
        networks=networks,
        num_held_out=num_held_out,
        quality=Quality(rounds=3),
        clock=lambda: device.now_s,
    )


def test_a_constant_power_is_found_and_the_error_is_that_of_the_latency(package: Path, table: LatencyTable) -> None:
    energy = powers(table, Drawing(package), open_rapl(package.parent))
    assert energy.table is table
    assert energy.watts == pytest.approx(15.0)
    assert energy.measured_w == pytest.approx((15.0, 15.0, 15.0))
    _, others = power_networks(table, SPACE, 1, 3, 4)
    latencies_ms = [QUIET.latency_ms(Graphs().network(one).onnx) for one in others]
    assert energy.held_out is not None
    assert energy.held_out.pairs == tuple(
        pytest.approx((15 * cost_of(table, one), 15 * ms)) for one, ms in zip(others, latencies_ms, strict=True)
    )
    errors = [abs(cost_of(table, one) / ms - 1) for one, ms in zip(others, latencies_ms, strict=True)]
    assert energy.held_out.mape_percent == pytest.approx(100 * sum(errors) / 4, abs=1e-6)


def test_energies_are_stated_at_the_speed_of_the_table(package: Path, table: LatencyTable) -> None:
    assert table.reference_ms is not None
    slow = replace(table, reference_ms=2 * table.reference_ms, slope=2 * table.slope, constant=2 * table.constant)
    energies = [powers(one, Drawing(package), open_rapl(package.parent)) for one in (table, slow)]
    errors = [energy.held_out.mape_percent for energy in energies if energy.held_out is not None]
    assert errors == pytest.approx([errors[0]] * 2, abs=1e-6)


def test_the_networks_of_a_power_and_those_that_check_it_differ(table: LatencyTable) -> None:
    for networks, others in ((4, 4), (1, 0), (40, 40)):
        chosen, checked = power_networks(table, SPACE, 0, networks, others)
        assert not set(chosen) & set(checked)
        assert (len(chosen), len(checked)) == (min(networks, len(chosen)), min(others, len(checked)))
        assert (chosen, checked) == power_networks(table, SPACE, 0, networks, others)


def test_a_power_that_nobody_checked_states_no_error(package: Path, table: LatencyTable) -> None:
    assert powers(table, Drawing(package), open_rapl(package.parent), num_held_out=0).held_out is None


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"host": "board"}, "drawing runs on board, and the energy counters are those of this machine; measure there"),
        ({"gpu": "a GPU"}, "drawing computes on a GPU, and the energy counters see the processor alone; leave"),
    ],
)
def test_a_device_that_the_counters_do_not_see_is_an_error(
    package: Path, table: LatencyTable, says: Mapping[str, Any], expected: str
) -> None:
    with pytest.raises(DeviceError, match=expected):
        powers(table, Drawing(package, says=says), open_rapl(package.parent))


def test_everything_that_is_wrong_with_a_power_is_said_at_once(package: Path, table: LatencyTable) -> None:
    with pytest.raises(InvalidValue) as caught:
        powers(replace(table, device="other"), Drawing(package), open_rapl(package.parent), 0, -1)
    for expected in (
        "networks must be at least 1, got 0",
        "num_held_out must be at least 0, got -1",
        "the table was made on other, not on drawing; measure it there",
    ):
        assert expected in str(caught.value)


def test_no_counter_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        DeviceError, match=r"has no energy counter of a processor .* leave `energy` or the limit energy_mj out"
    ):
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
    options = MeasureOptions(
        device="tests.devices.test_energy:drawing_device", resolution=32, out=tmp_path / "out.json", energy=True
    )
    listener = Listener(lambda line: None)
    text, document = measure_target("fbnet_96_035_1", options, listener, powercap=package.parent)
    assert document["energy_mj"] == pytest.approx(document["power"]["running_w"] * document["median_ms"])
    assert document["above_idle_mj"] == pytest.approx(document["energy_mj"])  # nothing draws power while it waits
    assert f"{document['energy_mj']:.3g} mJ per inference" in text
    assert json.loads((tmp_path / "out.json").read_text()) == document
