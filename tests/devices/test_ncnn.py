from __future__ import annotations

import pytest

from sculptnet.arch import TensorShape
from sculptnet.blocks import Classifier, InvertedResidual
from sculptnet.cost import Precision
from sculptnet.devices import Device, Model, Plan, Quality, open_device
from sculptnet.devices.graphs import Graphs
from sculptnet.devices.measure import precisions_of
from sculptnet.errors import DeviceError
from sculptnet.testing import DeviceSuite

pytest.importorskip("ncnn", reason="needs the extra `ncnn`")
pytest.importorskip("pnnx", reason="needs the extra `ncnn`")

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


@pytest.mark.slow
class TestNcnn(DeviceSuite):
    def device(self) -> Device:
        return open_device("ncnn", 1)


def test_blocks_classifiers_and_networks_are_measured_and_answer_as_they_should() -> None:
    graphs = Graphs()
    models = {
        "block": graphs.context(InvertedResidual(8, 3, 2), TensorShape(8, 6, 6)),
        "classifier": graphs.context(Classifier(3), TensorShape(8, 1, 1)),
    }
    found = list(open_device("ncnn", 1).measure(Plan(models, graphs.empty(), QUICK, alternate=True)))
    assert len(found) == len(models) * QUICK.rounds


def test_it_runs_float32_alone() -> None:
    assert precisions_of(open_device("ncnn", 1)) == {Precision.FP32}


def test_a_graph_that_pnnx_does_not_convert_is_an_error_that_says_so() -> None:
    plan = Plan({"broken": Model(b"no model", (1, 3, 8, 8))}, Graphs().empty(), QUICK)
    with pytest.raises(DeviceError, match="ncnn-1t cannot run broken: pnnx does not convert it"):
        list(open_device("ncnn", 1).measure(plan))
