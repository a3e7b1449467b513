from __future__ import annotations

import pytest

from sculptnet.arch import TensorShape
from sculptnet.blocks import InvertedResidual
from sculptnet.cost import Precision
from sculptnet.devices import Device, Plan, Quality, measure_onnx, open_device
from sculptnet.devices.measure import graphs_of, precisions_of
from sculptnet.export.graph import to_onnx
from sculptnet.testing import DeviceSuite

openvino = pytest.importorskip("openvino", reason="needs the extra `openvino`")

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


@pytest.mark.slow
class TestOpenVino(DeviceSuite):
    def device(self) -> Device:
        return open_device("openvino", 1)


def test_it_is_set_up_for_latency_in_float32_without_pinning() -> None:
    from sculptnet.devices.openvino import OpenVino

    core, model = openvino.Core(), graphs_of(Precision.FP32).empty()
    compiled = core.compile_model(core.read_model(model.onnx), "CPU", OpenVino(1)._settings())
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("PERFORMANCE_HINT") == "LATENCY"
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_the_description_says_which_instructions_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert open_device("openvino", 1).describe()["most_instructions"] == "all"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert open_device("openvino", 1).describe()["most_instructions"] == "AVX2"


def test_quantised_graphs_are_computed_in_int8() -> None:
    from sculptnet.devices.openvino import OpenVino

    model = graphs_of(Precision.INT8).context(InvertedResidual(16, 3, 3), TensorShape(16, 8, 8))
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.onnx), "CPU", OpenVino(1)._settings())
    nodes = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    computed = [
        info["runtimePrecision"].astype(str) for info in nodes if info["layerType"].astype(str) == "Convolution"
    ]
    assert computed
    assert set(computed) <= {"u8", "i8"}


def test_quantised_models_are_measured_and_answer_as_they_should() -> None:
    device, graphs = open_device("openvino", 1), graphs_of(Precision.INT8)
    assert precisions_of(device) == frozenset(Precision)
    model = graphs.context(InvertedResidual(16, 3, 3), TensorShape(16, 8, 8))
    found = list(device.measure(Plan({"block": model}, graphs.empty(), QUICK, alternate=True)))
    assert len(found) == QUICK.rounds


def test_an_exported_file_with_an_open_batch_is_measured_at_one_image() -> None:
    block = InvertedResidual(8, 3, 2).build(3)
    file = to_onnx(block, TensorShape(3, 8, 8), dynamic_batch=True).SerializeToString()
    timing = measure_onnx({"file": file}, open_device("openvino", 1), modules={"file": block.eval()}, quality=QUICK)
    assert timing["file"].median_ms > 0
