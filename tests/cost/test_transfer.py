from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.cost import FactoredCost, LatencyTable, check_covers, cost_of, entries_of, read_fbnet_tables, transfer
from sculptnet.cost.entries import Entry
from sculptnet.cost.errors_of_tables import fit_affine, spearman
from sculptnet.cost.transfer import kriging
from sculptnet.cost.work import work_of
from sculptnet.errors import InvalidValue, NotMeasured
from sculptnet.spaces import fbnet

TABLES = Path(__file__).parents[2].parent / "shared" / "data" / "tables"


def table_of(space: SearchSpace, latency_ms: Callable[[Entry], float]) -> LatencyTable:
    entries = [(block, shape) for block, shape in entries_of(space) if not block.is_identity(shape.channels)]
    return LatencyTable("old", {entry: latency_ms(entry) for entry in entries}, slope=2.0, constant=1.0)


def by_work(entry: Entry) -> float:
    work = work_of(*entry)
    return 0.01 + 1e-6 * (work.dense_macs + 3 * work.depthwise_macs)


def slower_at_5(entry: Entry) -> float:
    return by_work(entry) * (2.5 if work_of(*entry).kernel_size == 5 else 1.0)


def drawn(space: SearchSpace, rng: np.random.Generator, count: int) -> list[Architecture]:
    return [space.decode(row).architecture for row in space.sample(rng, count)]


def test_a_device_that_is_slower_throughout_is_found_exactly(rng: np.random.Generator) -> None:
    space = fbnet(10, 32)
    source = table_of(space, by_work)
    networks = drawn(space, rng, 20)
    found = transfer(source, "new", networks[:8], [3 * cost_of(source, network) + 0.5 for network in networks[:8]])
    check_covers(found, space)
    assert found.name == "latency_ms@new"
    for network in networks:
        assert cost_of(found, network) == pytest.approx(3 * cost_of(source, network) + 0.5, rel=1e-6)
    for entry, value in found.entries_ms.items():
        assert value == pytest.approx(3 * 2.0 * source.entries_ms[entry], rel=1e-5)
    assert found.held_out is not None
    assert found.held_out.networks == 8
    assert found.held_out.mape_percent < 1e-4


def test_a_device_that_is_slower_at_some_work_is_ranked_right(rng: np.random.Generator) -> None:
    space = fbnet(10, 32)
    source, target = table_of(space, by_work), table_of(space, slower_at_5)
    networks = drawn(space, rng, 130)
    old, new = (np.array([cost_of(table, network) for network in networks]) for table in (source, target))
    found = transfer(source, "new", networks[:30], new[:30].tolist())
    predicted = np.array([cost_of(found, network) for network in networks[30:]])
    slope, constant = fit_affine(old[:30], new[:30])
    error, affine = (np.mean(np.abs(p / new[30:] - 1)) for p in (predicted, slope * old[30:] + constant))
    assert error < affine / 4
    assert spearman(predicted, new[30:]) > 0.98 > spearman(old[30:], new[30:])


def test_what_the_others_predict_is_what_leaving_one_out_gives(rng: np.random.Generator) -> None:
    root, free, values = rng.normal(size=(9, 9)), rng.normal(size=(9, 2)), rng.normal(size=9)
    covariance = root @ root.T + np.eye(9)
    _, residual = kriging(covariance, free)
    for index in range(9):
        others = np.arange(9) != index
        slopes, rest = kriging(covariance[np.ix_(others, others)], free[others])
        predicted = free[index] @ slopes @ values[others] + covariance[index, others] @ rest @ values[others]
        assert values[index] - (residual @ values)[index] / residual[index, index] == pytest.approx(predicted)


def test_the_new_table_says_where_it_comes_from_and_forgets_how_the_old_was_measured(rng: np.random.Generator) -> None:
    space = fbnet(10, 32)
    networks = drawn(space, rng, 6)
    source = table_of(space, by_work)
    found = transfer(source, "new", networks, [2.0, 2.1, 2.5, 1.9, 2.2, 2.0], noise_percent=1.5, details={"cpu": "b"})
    assert found.details == {"cpu": "b", "transferred_from": "latency_ms@old"}
    assert (found.slope, found.seconds, found.reference_ms) == (1.0, 0.0, None)
    assert found.held_out is not None
    assert found.held_out.noise_percent == 1.5
    assert min(found.entries_ms.values()) >= 0
    assert [pair[1] for pair in found.held_out.pairs] == [2.0, 2.1, 2.5, 1.9, 2.2, 2.0]


def test_everything_that_is_wrong_is_said_at_once(tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    source, networks = table_of(tiny_fbnet, by_work), drawn(tiny_fbnet, rng, 5)
    with pytest.raises(InvalidValue, match="transfer: 4 problems") as caught:
        transfer(source, "new", networks[:4], [1.0, math.nan, -1.0])
    assert "4 networks need as many latencies, got 3" in str(caught.value)
    assert "at least 5 networks are needed, better 20, got 4" in str(caught.value)
    assert "measured_ms[2] must be a finite number above 0, got -1.0" in str(caught.value)
    with pytest.raises(NotMeasured, match=r"old has no latency of .* to start from"):
        transfer(source, "new", drawn(fbnet(10, 32), rng, 5), [1.0] * 5)


@pytest.mark.shared
@pytest.mark.skipif(not TABLES.is_dir(), reason="the table collections beside the repository are absent")
@pytest.mark.parametrize(
    ("device", "count", "at_least"),
    [("2080ti_64", 20, 0.95), ("silver_4210r", 20, 0.85), ("raspi4", 20, 0.95), ("samsung_s7", 50, 0.65)],
)
def test_a_few_networks_carry_the_pixel_3_to_other_devices(device: str, count: int, at_least: float) -> None:
    """Rank correlation on 500 other networks; the Pixel 3's own table has 0.76, 0.57, 0.96 and 0.70.

    The Galaxy S7 is so noisy that a table fitted on 4,000 networks has 0.80; with 20 networks, one of them an outlier,
    all can be lost.
    """
    space = fbnet(100, 32)
    source = read_fbnet_tables(TABLES / "fbnet_hwnasbench_lut.json", space)["pixel3"]
    with (TABLES / "fbnet_5000_latency_ms.csv").open() as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(550), strict=False)]
    choices = np.array([[int(digit) for digit in row["ops_digits"]] for row in rows])
    measured = np.array([float(row[device]) for row in rows])
    networks = [space.decode(row).architecture for row in choices[:count]]
    found = transfer(source, device, networks, measured[:count].tolist())
    assert spearman(FactoredCost(space, found).of(choices[50:]), measured[50:]) > at_least
