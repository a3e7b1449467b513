from __future__ import annotations

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from sculptnet.arch import SearchSpace, TensorShape
from sculptnet.blocks import InvertedResidual
from sculptnet.cost import Precision
from sculptnet.devices import Device, Model, Plan, Quality, measure_networks, measure_onnx, measure_table, open_device
from sculptnet.devices.graphs import Graphs
from sculptnet.devices.measure import graphs_of, precisions_of
from sculptnet.devices.pytorch import Torch
from sculptnet.errors import DeviceError
from sculptnet.export.graph import to_onnx
from sculptnet.machine_limits import cores
from sculptnet.testing import DeviceSuite

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


@pytest.mark.slow
class TestTorch(DeviceSuite):
    def device(self) -> Device:
        return open_device("torch", 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")
class TestTorchCuda(DeviceSuite):
    def device(self) -> Device:
        return open_device("torch-cuda", 1)


@pytest.mark.skipif(cores() < 2, reason="this process may use one core only")
def test_torchs_threads_are_those_asked_for_while_it_measures_and_others_before_and_after() -> None:
    seen: list[int] = []

    class Watching(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return values

    before, model = torch.get_num_threads(), Model(b"", (1, 2), module=Watching())
    for _ in Torch(2).measure(Plan({"a": model}, model, QUICK)):
        assert torch.get_num_threads() == before
    assert set(seen) == {2}
    broken = replace(model, module=torch.nn.Linear(3, 3))
    with pytest.raises(DeviceError, match="torch-2t cannot run a"):
        list(Torch(2).measure(Plan({"a": broken}, model, QUICK)))
    assert torch.get_num_threads() == before


def test_the_module_that_is_measured_stays_as_it_is() -> None:
    model = Graphs().context(InvertedResidual(8, 3, 2), TensorShape(8, 6, 6))
    assert model.module is not None
    model.module.train()
    before = copy.deepcopy(model.module.state_dict())
    list(Torch(1).measure(Plan({"a": model}, model, QUICK)))
    assert model.module.training
    after = model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(before[name].stride() == after[name].stride() for name in before)


def test_a_module_is_no_part_of_the_digest() -> None:
    model = Graphs().empty()
    assert replace(model, module=None).digest() == model.digest()


def test_a_file_is_measured_through_the_module_it_was_exported_from_and_not_without() -> None:
    block = InvertedResidual(8, 3, 2).build(3).eval()
    file = to_onnx(block, TensorShape(3, 8, 8)).SerializeToString()
    timing = measure_onnx({"file": file}, Torch(1), modules={"file": block}, quality=QUICK)["file"]
    assert timing.samples == QUICK.rounds
    with pytest.raises(
        DeviceError, match=r"torch-1t cannot run file: it runs PyTorch modules in fp32, .* measure the arch"
    ):
        measure_onnx({"file": file}, Torch(1), quality=QUICK)


def test_int8_is_refused_at_once(tiny_fbnet: SearchSpace) -> None:
    assert precisions_of(Torch(1)) == {Precision.FP32}
    architecture = tiny_fbnet.decode(tiny_fbnet.sample(np.random.default_rng(0), 1)[0]).architecture
    refusal = "torch-1t runs fp32 only, not int8; give `precision='fp32'` or another `device`"
    with pytest.raises(DeviceError, match=refusal):
        measure_networks({"a": architecture}, Torch(1), precision=Precision.INT8)
    with pytest.raises(DeviceError, match=refusal):
        measure_table(tiny_fbnet, Torch(1), seed=0, precision=Precision.INT8)
    graph = graphs_of(Precision.INT8).empty()
    with pytest.raises(DeviceError, match="torch-1t cannot run int8 graph"):
        list(Torch(1).measure(Plan({"int8 graph": graph}, Graphs().empty(), QUICK)))


def test_compiled_it_refuses_the_blocks_of_a_table(tiny_fbnet: SearchSpace) -> None:
    with pytest.raises(DeviceError, match="torch-compile-1t times whole networks, not the blocks of a latency table"):
        measure_table(tiny_fbnet, open_device("torch-compile", 1), seed=0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler here")
def test_compiled_it_times_whole_networks() -> None:
    block = Graphs().context(InvertedResidual(8, 3, 2), TensorShape(8, 6, 6))
    device = open_device("torch-compile", 1)
    found = list(device.measure(Plan({"network": block}, block, QUICK)))
    assert [one.round for one in found] == [0, 1]
    assert device.describe()["compiled"] is True


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device here")
def test_without_a_cuda_device_that_is_an_error() -> None:
    with pytest.raises(DeviceError, match="torch sees no CUDA device here; `device='torch'` measures on the CPU"):
        open_device("torch-cuda")
