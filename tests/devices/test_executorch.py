"""Lowering takes seconds for each block: `make test-executorch` runs these in an environment of their own."""

from __future__ import annotations

import pytest

from sculptnet.cost import Precision
from sculptnet.devices import Device, Plan, Quality, open_device
from sculptnet.devices.graphs import Graphs
from sculptnet.devices.measure import precisions_of
from sculptnet.testing import DeviceSuite

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)
pytest.importorskip("executorch", reason="needs the extra `executorch`; `make test-executorch` installs it")
pytestmark = pytest.mark.slow


class TestExecuTorch(DeviceSuite):
    def device(self) -> Device:
        return open_device("executorch", 1)


def test_it_runs_float32_alone() -> None:
    assert precisions_of(open_device("executorch", 1)) == {Precision.FP32}


def test_the_reference_network_is_lowered_once() -> None:
    from sculptnet.devices import executorch

    device, graphs = executorch.ExecuTorch(1), Graphs()
    for _ in range(2):
        list(device.measure(Plan({}, graphs.empty(), QUICK)))
    assert list(device._reference) == [graphs.empty().digest()]
