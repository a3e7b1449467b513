"""A latency table that was measured before: read, checked on the device, and refused where it is another one's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.methods.flows import BUDGET_MS, SPACE, fitted, job_of

from sculptnet import spaces
from sculptnet.cost import Energy, FactoredCost, HeldOut, LatencyTable, Precision
from sculptnet.devices import measure_table
from sculptnet.errors import InvalidValue, NotMeasured
from sculptnet.job import FitJob
from sculptnet.methods import Random
from sculptnet.stages.table import check_table, describe_energy, describe_error, measured_table
from sculptnet.testing import FakeDevice


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    """The space's blocks on the computed device."""
    return measure_table(SPACE(3, 16), FakeDevice(), seed=0)


def with_table(table: LatencyTable, folder: Path, said: list[str] | None = None) -> FitJob:
    """A run that is given `table` in a file."""
    path = folder / "given.json"
    path.write_text(json.dumps(table.to_json()))
    return job_of(folder / "run", Random(), table=path, said=said)


def test_a_given_table_is_rechecked_on_three_networks_and_kept(table: LatencyTable, tmp_path: Path) -> None:
    said: list[str] = []
    job = with_table(table, tmp_path, said)
    found = measured_table(job, BUDGET_MS)
    rows = job.space.sample(np.random.default_rng(0), 20)
    assert np.array_equal(FactoredCost(job.space, found).of(rows), FactoredCost(job.space, table).of(rows))
    (line,) = [text for text in said if "re-checked on 3 networks" in text]
    assert line.startswith(f"Table {tmp_path / 'given.json'}, ")
    said.clear()
    assert measured_table(job, BUDGET_MS).to_json() == found.to_json(), "the run has its own from then on"
    assert not said


def test_a_table_of_a_slower_device_is_refused_with_how_far_it_is_off(table: LatencyTable, tmp_path: Path) -> None:
    assert table.reference_ms is not None
    slower = replace(table, slope=1.5 * table.slope, constant=1.5 * table.constant)
    with pytest.raises(
        InvalidValue, match=r"given\.json is \d\d % off on this device, more than 15 %: it was measured"
    ):
        measured_table(with_table(slower, tmp_path), BUDGET_MS)
    assert not (tmp_path / "run" / "table.json").exists()


def test_a_table_of_another_precision_or_space_is_refused(table: LatencyTable, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"was measured on int8 graphs, the budget judges fp32; measure one with"):
        measured_table(with_table(replace(table, precision=Precision.INT8), tmp_path), BUDGET_MS)
    (tmp_path / "other").mkdir()
    job = with_table(table, tmp_path / "other")
    wider = replace(job, subject=spaces.fbnet(3, 16, channels=(8, 16, 40), layers=(1, 1, 1), strides=(1, 2, 2)))
    with pytest.raises(NotMeasured, match=r"the table of fake does not cover the space: 11 problems\n"):
        measured_table(wider, BUDGET_MS)


@pytest.mark.parametrize("content", ["[1, 2]", '{"rows": []}', "null"])
def test_a_file_that_is_no_table_is_refused_before_there_is_a_run(content: str, tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    path.write_text(content)
    with pytest.raises(InvalidValue, match=r"given\.json is not a latency table; "):
        check_table(path)
    with pytest.raises(InvalidValue, match=r"given\.json is not a latency table"):
        fitted(tmp_path / "run", table=path)
    assert not (tmp_path / "run").exists()


def test_a_table_that_is_damaged_says_which_file_it_is(table: LatencyTable, tmp_path: Path) -> None:
    job = with_table(table, tmp_path)
    (tmp_path / "given.json").write_text(json.dumps({**table.to_json(), "entries": 5}))
    with pytest.raises(InvalidValue, match=rf"`table` {tmp_path / 'given.json'}: "):
        measured_table(job, BUDGET_MS)


def test_errors_of_tables_and_of_energies_are_a_line_each(table: LatencyTable) -> None:
    error = HeldOut(20, 1.23, -0.5, 0.987, 0.4, ())
    assert describe_error(error) == (
        "Table checked on 20 networks it was not fitted on: MAPE 1.2 %, bias -0.5 %, Spearman 0.987; noise floor 0.4 %"
    )
    energy = Energy(table, 12.34, measured_w=(12.0, 12.7), held_out=None)
    assert describe_energy(energy) == "Power: 12.3 W over 2 networks; the space has no others to check it on"
    checked = replace(energy, held_out=error)
    assert describe_energy(checked) == "Power: 12.3 W over 2 networks; energy of 20 others off by 1.2 %"
