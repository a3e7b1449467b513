"""Limits beside latency: as typed, checked before anything is trained, kept, and on the card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.flow.conftest import Ask

from sculptnet import cost
from sculptnet.cost import Energy, LatencyTable, Precision
from sculptnet.errors import DeviceError, Infeasible, InvalidValue, RunError
from sculptnet.files import read_json
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.records.card import LimitCost
from sculptnet.runs import RunDirectory
from sculptnet.search import Limit
from sculptnet.stages.limits import COSTS, NAMES, make_limits, parse_limits
from sculptnet.verbs import run_fit


@dataclass
class Machine:
    """A clock and an energy counter that move together, 15 W: by 1 ms as progress is told, by 1 us at every look."""

    powercap: Path
    passed_us: int = 0

    def __post_init__(self) -> None:
        self.package.mkdir(parents=True)
        for file, content in (("name", "package-0"), ("max_energy_range_uj", "999999999999"), ("energy_uj", "0")):
            (self.package / file).write_text(content)

    @property
    def package(self) -> Path:
        return self.powercap / "intel-rapl:0"

    def clock(self) -> float:
        self.pass_us(1)
        return 1e-6 * self.passed_us

    def progress(self, what: str, done: int, total: int) -> None:
        self.pass_us(1000)

    def pass_us(self, microseconds: int) -> None:
        self.passed_us += microseconds
        (self.package / "energy_uj").write_text(str(15 * self.passed_us))


def nothing_measured() -> Energy:
    raise AssertionError("energy is not limited")


def test_every_name_makes_the_limit_of_that_name() -> None:
    energy = Energy(LatencyTable("fake-1t", {}), 15.0)
    for precision in Precision:
        limits = make_limits(parse_limits([f"{name}=2e6" for name in NAMES], "onnxruntime"), precision, lambda: energy)
        assert [limit.at_most for limit in limits] == [2e6] * len(NAMES)
        assert [limit.metric.removesuffix("-int8") for limit in limits] == [*COSTS, "predicted_energy_mj"]
        assert limits[-1].cost is energy
        assert make_limits({"macs": 5.0}, precision, nothing_measured) == (Limit(cost.Macs(), 5.0),)


@pytest.mark.parametrize("device", ["ssh://board", "adb:phone"])
def test_energy_is_limited_on_this_machine_alone(ask: Ask, tmp_path: Path, device: str) -> None:
    with pytest.raises(InvalidValue, match=f"energy_mj=2: energy is counted on this machine, and {device} is another"):
        parse_limits(["energy_mj=2"], device)
    with pytest.raises(InvalidValue, match="energy is counted on this machine"):
        run_fit(ask(tmp_path / "run", limits=("energy_mj=2",), device=device))
    assert not (tmp_path / "run").exists()


def test_everything_that_is_wrong_with_limits_is_said_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_limits(["macz=1", "macs=-1", "parameters", "macs=5"], "onnxruntime")
    for expected in (
        "unknown limit 'macz'; did you mean macs?",
        "the limit 'macs=-1' must read NAME=NUMBER with a number above 0, such as macs=1e6",
        "the limit 'parameters' must read NAME=NUMBER",
        "the limit on macs is given twice",
    ):
        assert expected in str(caught.value)


def test_a_network_is_fitted_to_all_limits(ask: Ask, said: list[str], listener: Listener, tmp_path: Path) -> None:
    both = ("macs=330e3", "peak_memory_bytes=45e3")
    result = run_fit(ask(tmp_path / "run", limits=both, listener=listener), Stage.EXPORT)
    assert result.card is not None
    assert result.within_budget is True
    assert result.card.limits == {
        "macs": LimitCost(330e3, cost.macs(result.architecture)),
        "peak_memory_bytes": LimitCost(45e3, cost.peak_memory_bytes(result.architecture)),
    }
    assert all(one.value <= one.at_most for one in result.card.limits.values())
    assert any("of random networks meet latency_ms@fake-1t <= 0.2 and macs <= 330000 and peak" in line for line in said)
    assert f"macs is {cost.macs(result.architecture):,}, within the limit of 330,000" in result.summary()
    trials = RunDirectory(result.folder).trials(print)
    assert all(trial.metrics["macs"] <= 330e3 for trial in trials if trial.error is None)
    with pytest.raises(RunError, match="holds another run"):
        run_fit(ask(tmp_path / "run", limits=both[:1], listener=listener), Stage.EXPORT)


def test_a_network_is_fitted_to_a_limited_energy(ask: Ask, said: list[str], tmp_path: Path) -> None:
    machine = Machine(tmp_path / "powercap")
    listener = Listener(said.append, machine.progress)
    options = ask(tmp_path / "run", limits=("macs=330e3", "energy_mj=1.2"), listener=listener)
    result = run_fit(options, Stage.EXPORT, machine.clock, machine.powercap)
    assert result.card is not None
    run = RunDirectory(result.folder)
    energy = read_json(run.energy)
    assert energy["watts"] == pytest.approx(15.0, rel=1e-3)
    assert "Power: 15.0 W over 4 networks; energy of 4 others off by" in "\n".join(said)
    assert said.count("Measuring the power of fake-1t") == 1, "kept with the run"
    limit = result.card.limits["predicted_energy_mj"]
    assert result.card.predicted is not None
    assert limit.at_most == 1.2
    assert limit.value == pytest.approx(energy["watts"] * result.card.predicted.latency_ms)
    assert limit.value <= 1.2
    assert result.card.limits["macs"].value <= 330e3
    assert f"predicted_energy_mj is {limit.value:.3g}, within the limit of 1.2" in result.summary()
    trials = [trial.metrics for trial in run.trials(print) if trial.error is None]
    assert all(metrics["predicted_energy_mj"] <= 1.2 for metrics in trials)
    again = run_fit(options, Stage.EXPORT, machine.clock, tmp_path / "nothing")
    assert again.card == result.card, "a finished run needs no counter"


def test_energy_that_nothing_counts_stops_before_the_table(ask: Ask, listener: Listener, tmp_path: Path) -> None:
    options = ask(tmp_path / "run", limits=("energy_mj=1",), listener=listener)
    with pytest.raises(DeviceError, match=r"has no energy counter of a processor .* leave .*the limit energy_mj out"):
        run_fit(options, Stage.SEARCH, powercap=tmp_path / "powercap")
    run = RunDirectory(tmp_path / "run")
    assert not run.table.exists()
    assert not run.measurements.exists()


def test_limits_that_nothing_meets_stop_before_the_search(ask: Ask, listener: Listener, tmp_path: Path) -> None:
    options = ask(tmp_path / "run", limits=("macs=1000",), listener=listener)
    with pytest.raises(
        Infeasible, match=r"no network of this space was found that meets .* and macs <= 1000\n.*lowest"
    ):
        run_fit(options, Stage.SEARCH)
