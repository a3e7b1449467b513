"""Energy as a cost: the latency of a table times one power, for a network, for a space, and on disk."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from sculptnet.arch import SearchSpace
from sculptnet.cost import (
    Energy,
    FactoredCost,
    HeldOut,
    LatencyTable,
    Precision,
    Reduce,
    cost_of,
    energy_from_json,
    entries_of,
)
from sculptnet.errors import InvalidValue, NotMeasured

HELD_OUT = HeldOut(2, 3.1, -0.5, math.nan, 0.7, ((10.0, 10.1), (20.0, 20.2)))


@pytest.fixture
def energy(tiny_fbnet: SearchSpace) -> Energy:
    wanted = [(block, shape) for block, shape in entries_of(tiny_fbnet) if not block.is_identity(shape.channels)]
    entries_ms = {entry: 0.25 + index for index, entry in enumerate(wanted)}
    return Energy(LatencyTable("fake-1t", entries_ms, slope=2.0, constant=0.5), 11.25, (11.0, 11.5), HELD_OUT)


def test_the_energy_of_a_network_is_the_power_times_its_latency(
    energy: Energy, tiny_fbnet: SearchSpace, rng: np.random.Generator
) -> None:
    for row in tiny_fbnet.sample(rng, 10):
        architecture = tiny_fbnet.decode(row).architecture
        assert cost_of(energy, architecture) == pytest.approx(11.25 * cost_of(energy.table, architecture), rel=1e-12)


def test_over_a_space_it_is_the_power_times_the_latency(
    energy: Energy, tiny_fbnet: SearchSpace, rng: np.random.Generator
) -> None:
    rows = tiny_fbnet.sample(rng, 50)
    energies_mj, latencies_ms = (FactoredCost(tiny_fbnet, cost).of(rows) for cost in (energy, energy.table))
    np.testing.assert_allclose(energies_mj, 11.25 * latencies_ms, rtol=1e-12)


def test_the_name_carries_unit_device_and_precision(energy: Energy) -> None:
    assert (energy.name, energy.reduce) == ("energy_mj@fake-1t", Reduce.SUM)
    int8 = replace(energy, table=replace(energy.table, precision=Precision.INT8))
    assert int8.name == "energy_mj@fake-1t-int8"


def test_what_the_table_lacks_is_an_error(energy: Energy, tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    lacking = replace(energy, table=replace(energy.table, entries_ms={}))
    with pytest.raises(NotMeasured, match="fake-1t has no fp32 latency of"):
        cost_of(lacking, tiny_fbnet.decode(tiny_fbnet.sample(rng, 1)[0]).architecture)


def test_json_and_back(energy: Energy) -> None:
    read = energy_from_json(json.loads(json.dumps(energy.to_json())), energy.table)
    assert read.to_json() == energy.to_json()
    assert read.held_out is not None
    assert math.isnan(read.held_out.spearman)
    unchecked = replace(energy, held_out=None)
    assert energy_from_json(unchecked.to_json(), energy.table) == unchecked


def test_everything_that_is_wrong_in_a_file_is_said_at_once(energy: Energy) -> None:
    wrong = energy.to_json() | {
        "schema": 9,
        "name": "energy_mj@board",
        "watts": -1,
        "measured_w": [True],
        "held_out": 3,
    }
    with pytest.raises(InvalidValue) as caught:
        energy_from_json(wrong, energy.table)
    for expected in (
        "schema 9 is not 1",
        "it is 'energy_mj@board', and the table is of energy_mj@fake-1t; measure the power again",
        "watts must be a number above 0, got -1",
        "measured_w must be a list of numbers above 0, got [True]",
        "held_out must be null or an object",
    ):
        assert expected in str(caught.value)
    with pytest.raises(InvalidValue, match=r"watt is no field; did you mean watts\?"):
        energy_from_json(energy.to_json() | {"watt": 1.0}, energy.table)
    with pytest.raises(InvalidValue, match="expected a JSON object, got list"):
        energy_from_json([], energy.table)


def test_a_power_is_above_zero(energy: Energy) -> None:
    with pytest.raises(InvalidValue, match=r"Energy\.watts must be a number above 0, got 0"):
        Energy(energy.table, 0.0)
