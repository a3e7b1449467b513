"""What every device must do. No time decides a test: a fast or a slow device passes alike."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sculptnet.arch import Architecture
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cost import Precision, cost_of
from sculptnet.devices import Device, Measurement, Model, Plan, Quality, measure_networks, measure_table
from sculptnet.devices.measure import check_all_run, graphs_of, precisions_of
from sculptnet.errors import DeviceError
from sculptnet.spaces import fbnet
from sculptnet.testing.elsewhere import error_text

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


class DeviceSuite(ABC):
    """Subclass it in a test file, name the class `Test...`, write `device`."""

    @abstractmethod
    def device(self) -> Device:
        """A new device; called several times."""

    def test_the_name_is_one_word_and_always_the_same(self) -> None:
        name = self.device().name
        assert name == self.device().name
        assert name, "the name stands in files and metrics"
        assert not set(name) & set(" @/:"), f"{name!r} must not contain spaces, @, / or :"

    def test_it_says_what_a_reader_of_its_times_must_know(self) -> None:
        described = self.device().describe()
        missing = {"runtime", "version", "threads", "cpu"} - set(described)
        assert not missing, f"describe() lacks {sorted(missing)}"
        assert json.loads(json.dumps(dict(described))) == dict(described), "describe() must be plain JSON"

    def test_every_chunk_is_measured_once(self) -> None:
        plan = self._plan()
        found = list(self.device().measure(plan))
        assert _keys(found) == sorted((name, index) for name in plan.models for index in range(plan.quality.rounds))
        assert all(math.isfinite(one.ratio) and one.ratio > 0 and one.reference_ms > 0 for one in found)

    def test_what_is_held_is_not_measured_again(self) -> None:
        plan = self._plan()
        held = frozenset({(next(iter(plan.models)), 0), (next(iter(plan.models)), 1)})
        found = list(self.device().measure(replace(plan, held=held)))
        again = sorted(set(_keys(found)) & held)
        assert not again, f"measured again although held: {again}"
        assert len(found) == len(plan.models) * plan.quality.rounds - len(held)

    def test_a_wrong_answer_is_an_error_that_names_the_model(self) -> None:
        plan = self._plan()
        name, model = next(iter(plan.models.items()))
        assert model.expected is not None
        wrong = replace(model, expected=model.expected + 10 * np.abs(model.expected).max() + 1)
        self._fails(replace(plan, models={name: wrong}), name)

    def test_a_model_that_cannot_run_is_an_error_that_names_it(self) -> None:
        self._fails(replace(self._plan(), models={"broken model": Model(b"no model", (1, 3, 8, 8))}), "broken model")

    def test_whole_networks_are_timed(self) -> None:
        timings = measure_networks({"a": _network(8), "b": _network(16)}, self.device(), quality=QUICK)
        for timing in timings.values():
            assert 0 < timing.low_ms <= timing.median_ms <= timing.high_ms < math.inf
            assert timing.samples == QUICK.rounds

    def test_a_table_covers_its_space(self) -> None:
        device, space = self.device(), fbnet(2, 8, channels=(8,), layers=(2,), strides=(1,), head_channels=8)
        table = measure_table(space, device, seed=0, quality=QUICK, num_calibration=3, num_held_out=3)
        assert table.name == f"latency_ms@{device.name}"
        assert table.held_out is not None
        assert table.held_out.networks == 3
        rows = space.sample(np.random.default_rng(0), 10)
        assert all(math.isfinite(cost_of(table, space.decode(row).architecture)) for row in rows)

    def test_it_runs_the_precisions_that_it_says_it_does(self) -> None:
        device = self.device()
        check_all_run(device)
        for precision in precisions_of(device):
            graphs = graphs_of(precision)
            plan = Plan({"network": graphs.network(_network(8))}, graphs.network(_network(8)), QUICK)
            assert len(list(device.measure(plan))) == QUICK.rounds, f"{device.name} does not run {precision.value}"

    def _plan(self) -> Plan:
        graphs = graphs_of(Precision.FP32)
        models = {f"network {width}": graphs.network(_network(width)) for width in (8, 16)}
        return Plan(models, models["network 8"], QUICK)

    def _fails(self, plan: Plan, name: str) -> None:
        text = error_text(DeviceError, lambda: list(self.device().measure(plan)))
        assert name in text, f"the message must name {name!r}: {text}"


def _keys(found: Sequence[Measurement]) -> list[tuple[str, int]]:
    return sorted((one.model, one.round) for one in found)


def _network(width: int) -> Architecture:
    stage = (InvertedResidual(width, expansion=2), InvertedResidual(width, 5, 1, groups=2))
    return Architecture(8, Conv(8, stride=2), (stage,), PooledConv(16), Classifier(3))
