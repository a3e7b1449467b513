from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from sculptnet.arch import Architecture, SearchSpace, choice
from sculptnet.blocks import ALL, Classifier, Conv, PooledConv
from sculptnet.cost import cost_of, entries_of, macs, table_from_json
from sculptnet.devices import FileMemo, Measurement, OnnxRuntime, Plan, Quality, measure_table, recheck
from sculptnet.devices.graphs import Graphs
from sculptnet.devices.tables import distinct_networks, leaning_networks, reference_network
from sculptnet.errors import InvalidValue, NotMeasured
from sculptnet.records.run_events import TableMeasured
from sculptnet.spaces import fbnet
from sculptnet.state import Progress, no_progress
from sculptnet.testing import FakeDevice
from sculptnet.testing.elsewhere import run_elsewhere

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)
EXACT = FakeDevice(noise_percent=0.0)
SMALL: dict[str, Any] = {
    "channels": (8, 16),
    "layers": (1, 1),
    "strides": (1, 2),
    "stem_channels": 8,
    "head_channels": 16,
}


@dataclass(frozen=True)
class Throttled:
    """A device that becomes 3 % slower with every round."""

    device: FakeDevice

    @property
    def name(self) -> str:
        return self.device.name

    def describe(self) -> Mapping[str, Any]:
        return self.device.describe()

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        for chunk in self.device.measure(plan, progress):
            yield replace(chunk, reference_ms=chunk.reference_ms * (1 + 0.03 * chunk.round))


@pytest.fixture(scope="module")
def small() -> SearchSpace:
    return fbnet(3, 8, **SMALL)


def test_where_latency_is_additive_the_table_is_exact(small: SearchSpace, rng: np.random.Generator) -> None:
    table = measure_table(small, EXACT, seed=0, num_calibration=5, num_held_out=5)
    assert table.slope == pytest.approx(1.0, rel=1e-3)
    assert table.held_out is not None
    assert table.held_out.mape_percent < 0.1
    assert table.held_out.networks == 5
    graphs = Graphs()
    for row in small.sample(rng, 5):
        architecture = small.decode(row).architecture
        assert cost_of(table, architecture) == pytest.approx(
            EXACT.latency_ms(graphs.network(architecture).onnx), rel=1e-3
        )


def test_a_table_holds_every_block_of_its_space_and_no_identity(small: SearchSpace) -> None:
    table = measure_table(small, EXACT, seed=0, num_calibration=2, num_held_out=0)
    wanted = {(block, shape) for block, shape in entries_of(small) if not block.is_identity(shape.channels)}
    assert set(table.entries_ms) == wanted
    assert table.held_out is None
    assert table.details == {**EXACT.describe(), "slowdown_percent": 0.0}
    assert (table.device, table.name) == ("fake", "latency_ms@fake")


def test_blocks_beyond_the_most_are_predicted_and_marked(small: SearchSpace) -> None:
    whole = measure_table(small, EXACT, seed=0, num_calibration=5, num_held_out=0, most_entries=None)
    count = len(whole.entries_ms) - 5
    table = measure_table(small, EXACT, seed=0, num_calibration=5, num_held_out=5, most_entries=count)
    assert set(table.entries_ms) == set(whole.entries_ms)
    assert len(table.predicted) == 5
    for entry, value in table.entries_ms.items():
        if entry not in table.predicted:
            assert value == pytest.approx(whole.entries_ms[entry])
    assert any("5 of" in warning and "predicted" in warning for warning in table.warnings())
    again = measure_table(small, EXACT, seed=1, num_calibration=5, num_held_out=0, most_entries=count)
    assert again.predicted != table.predicted
    with pytest.raises(InvalidValue, match="most_entries must be at least 10, got 9"):
        measure_table(small, EXACT, seed=0, most_entries=9)


def test_the_same_seed_gives_the_same_table_in_another_process(small: SearchSpace) -> None:
    code = (
        "import json; from sculptnet.spaces import fbnet; from sculptnet.devices import measure_table;"
        "from sculptnet.testing import FakeDevice;"
        f"space = fbnet(3, 8, **{SMALL});"
        "table = measure_table(space, FakeDevice(), seed=5, num_calibration=2, num_held_out=2, clock=lambda: 0.0);"
        "print(json.dumps(table.to_json()))"
    )
    there = run_elsewhere(code)
    here = measure_table(small, FakeDevice(), seed=5, num_calibration=2, num_held_out=2, clock=lambda: 0.0)
    assert json.loads(there) == json.loads(json.dumps(here.to_json()))


def test_networks_are_drawn_without_repetition_and_more_begin_with_the_same(small: SearchSpace) -> None:
    drawn = distinct_networks(small, 0, 40)
    assert len(set(drawn)) == len(drawn) == 40
    assert distinct_networks(small, 0, 20) == drawn[:20]


def test_leaning_networks_reach_further_than_independent_ones() -> None:
    space = fbnet()
    lean = [macs(network) for network in leaning_networks(space, 0, 40)]
    plain = [macs(network) for network in distinct_networks(space, 0, 40)]
    assert min(lean) < 0.6 * min(plain)
    assert max(lean) > 1.3 * max(plain)


def test_entries_below_zero_count_as_zero_and_are_reported(small: SearchSpace) -> None:
    noisy = FakeDevice(noise_percent=60.0, operator_ms=1e-6, call_ms=1.0)
    table = measure_table(small, noisy, seed=0, num_calibration=2, num_held_out=2)
    assert table.floored > 0
    assert min(table.entries_ms.values()) == 0.0
    assert sum(value == 0.0 for value in table.entries_ms.values()) == table.floored
    assert any(f"{table.floored} of {len(table.entries_ms)} blocks" in warning for warning in table.warnings())


def test_a_noisy_device_is_called_too_noisy(small: SearchSpace) -> None:
    table = measure_table(small, FakeDevice(noise_percent=40.0), seed=0, num_calibration=3, num_held_out=5)
    assert any("too noisy to measure" in warning for warning in table.warnings())


def test_a_device_that_becomes_slower_is_throttling(small: SearchSpace) -> None:
    table = measure_table(small, Throttled(EXACT), seed=0, num_calibration=2, num_held_out=2)
    assert table.details["slowdown_percent"] == pytest.approx(100 * (1.30 / 1.03 - 1))
    (warning,) = (warning for warning in table.warnings() if "throttling" in warning)
    assert f"{table.details['slowdown_percent']:.0f} % slower during the measurement, above 20 %" in warning


def test_a_space_with_few_networks_is_measured_with_those_it_has() -> None:
    stages = ((Conv(8, choice(1, 3)),),)
    space = SearchSpace(Architecture(8, Conv(8), stages, PooledConv(16), Classifier(3)))
    table = measure_table(space, EXACT, seed=0)
    assert table.held_out is not None
    assert table.held_out.networks == 1
    assert table_from_json(json.loads(json.dumps(table.to_json())), ALL).to_json() == table.to_json()


def test_a_finished_table_is_answered_from_the_memo(small: SearchSpace, tmp_path: Any) -> None:
    def measured(device: FakeDevice) -> Any:
        memo = FileMemo(tmp_path / "memo")
        return measure_table(
            small, device, seed=0, num_calibration=2, num_held_out=2, memo=memo, clock=lambda: 0.0
        ).to_json()

    assert measured(FakeDevice()) == measured(FakeDevice(seed=1))


def test_numbers_of_networks_that_make_no_sense_are_named_together(small: SearchSpace) -> None:
    with pytest.raises(InvalidValue) as caught:
        measure_table(small, EXACT, seed=0, num_calibration=0, num_held_out=-1)
    assert "num_calibration must be at least 1, got 0" in str(caught.value)
    assert "num_held_out must be at least 0, got -1" in str(caught.value)


def test_one_event_tells_what_came_out(small: SearchSpace) -> None:
    events: list[Any] = []
    table = measure_table(small, EXACT, seed=0, num_calibration=2, num_held_out=2, log=events.append)
    (event,) = events
    assert isinstance(event, TableMeasured)
    assert event.name == table.name
    assert table.held_out is not None
    assert event.mape_percent == table.held_out.mape_percent


# ---------------------------------------------------------------------- recheck
def test_a_table_fits_the_device_it_was_made_on(small: SearchSpace) -> None:
    table = measure_table(small, EXACT, seed=0, num_calibration=5, num_held_out=2)
    found = recheck(table, small, EXACT, seed=1)
    assert found.error.networks == 3
    assert found.error.mape_percent < 0.1
    assert found.speed == pytest.approx(1.0)


def test_a_device_that_became_slower_is_seen_in_error_and_speed(small: SearchSpace) -> None:
    table = measure_table(small, EXACT, seed=0, num_calibration=5, num_held_out=2)
    slower = replace(EXACT, macs_per_ms=EXACT.macs_per_ms / 2, operator_ms=EXACT.operator_ms * 2, call_ms=0.01)
    found = recheck(table, small, slower, seed=1)
    assert found.speed == pytest.approx(0.5)
    assert found.error.bias_percent == pytest.approx(-50, abs=0.1)


def test_the_table_of_another_device_or_space_is_refused(small: SearchSpace) -> None:
    table = measure_table(small, EXACT, seed=0, num_calibration=2, num_held_out=0)
    with pytest.raises(InvalidValue, match="the table was made on fake, not on other"):
        recheck(table, small, replace(EXACT, label="other"), seed=0)
    with pytest.raises(NotMeasured):
        recheck(table, fbnet(3, 8), EXACT, seed=0)


def test_the_reference_is_a_network_of_the_space_at_64_pixels_or_less(small: SearchSpace) -> None:
    network = reference_network(small)
    assert network == reference_network(small)
    small.encode(network)
    space = fbnet()
    assert reference_network(space).resolution == 64
    space.encode(replace(reference_network(space), resolution=224))


# ---------------------------------------------------------------------- a real device
def test_a_real_device_gives_a_table(small: SearchSpace) -> None:
    table = measure_table(small, OnnxRuntime(1), seed=0, quality=QUICK, num_calibration=3, num_held_out=3)
    rows = small.sample(np.random.default_rng(0), 10)
    assert all(cost_of(table, small.decode(row).architecture) > 0 for row in rows)
    assert table.seconds > 0
