from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest

from sculptnet.arch import SearchSpace, TensorShape
from sculptnet.cost import Precision
from sculptnet.devices import FileMemo, Measurement, OnnxRuntime, Plan, Quality, measure_networks, measure_onnx, times
from sculptnet.devices.graphs import Graphs
from sculptnet.errors import InvalidValue
from sculptnet.export.graph import to_onnx
from sculptnet.nets import Network
from sculptnet.state import Progress, no_progress
from sculptnet.testing import FakeDevice

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


@dataclass(frozen=True)
class Killed:
    """A device that is interrupted after a number of chunks."""

    device: FakeDevice
    after: int

    @property
    def name(self) -> str:
        return self.device.name

    def describe(self) -> Mapping[str, Any]:
        return self.device.describe()

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        for index, measurement in enumerate(self.device.measure(plan, progress)):
            if index == self.after:
                raise KeyboardInterrupt
            yield measurement


def test_a_timing_is_the_medians_of_ratios_times_the_speed_of_the_reference(tiny_fbnet: SearchSpace) -> None:
    device = FakeDevice(noise_percent=0.0)
    model = Graphs().network(tiny_fbnet.decode(tiny_fbnet.sample(np.random.default_rng(0), 1)[0]).architecture)
    timing = times({"a": model}, device)["a"]
    assert timing.median_ms == pytest.approx(device.latency_ms(model.onnx))
    assert (timing.noise_percent, timing.samples, timing.disturbed) == (0.0, Quality().rounds, 0)


def test_a_killed_measurement_goes_on_and_ends_with_the_same_numbers(tmp_path: Any) -> None:
    graphs, device = Graphs(), FakeDevice(noise_percent=3.0)
    models = {"a": graphs.empty(), "b": graphs.bare(TensorShape(8, 4, 4))}
    with pytest.raises(KeyboardInterrupt):
        times(models, Killed(device, 7), memo=FileMemo(tmp_path / "memo"))
    told: list[int] = []
    memo = FileMemo(tmp_path / "memo")
    resumed = times(models, device, memo=memo, progress=lambda what, done, total: told.append(done))
    assert resumed == times(models, device)
    assert min(told) == 8
    assert times(models, Killed(device, 0), memo=FileMemo(tmp_path / "memo")) == resumed


def test_another_device_reference_or_way_of_measuring_is_not_answered_from_the_memo(tmp_path: Any) -> None:
    graphs = Graphs()
    models, other = {"a": graphs.empty()}, graphs.bare(TensorShape(8, 4, 4))
    times(models, FakeDevice(), memo=FileMemo(tmp_path / "memo"))
    for device, arguments in (
        (FakeDevice(label="other"), {}),
        (FakeDevice(), {"reference": other}),
        (FakeDevice(), {"alternate": True}),
        (FakeDevice(), {"quality": Quality(chunk_ms=7.0)}),
    ):
        with pytest.raises(KeyboardInterrupt):
            times(models, Killed(device, 0), memo=FileMemo(tmp_path / "memo"), **arguments)


def test_the_memo_knows_models_by_content_not_by_name(tmp_path: Any) -> None:
    model = Graphs().empty()
    first = times({"a": model}, FakeDevice(), memo=FileMemo(tmp_path / "memo"))["a"]
    assert times({"z": model}, Killed(FakeDevice(), 0), memo=FileMemo(tmp_path / "memo")) == {"z": first}


def test_networks_and_files_of_them_take_the_same_time(tiny_fbnet: SearchSpace) -> None:
    architecture = tiny_fbnet.decode(tiny_fbnet.sample(np.random.default_rng(1), 1)[0]).architecture
    device = FakeDevice(noise_percent=0.0)
    untrained = measure_networks({"a": architecture}, device)["a"]
    for dynamic_batch in (False, True):
        file = to_onnx(Network(architecture), TensorShape(3, 16, 16), dynamic_batch=dynamic_batch)
        assert measure_onnx({"a": file.SerializeToString()}, device)["a"].median_ms == pytest.approx(
            untrained.median_ms, rel=0.02
        )


def test_int8_networks_run_on_a_real_device(tiny_fbnet: SearchSpace) -> None:
    architecture = tiny_fbnet.decode(tiny_fbnet.sample(np.random.default_rng(1), 1)[0]).architecture
    timing = measure_networks({"a": architecture}, OnnxRuntime(1), precision=Precision.INT8, quality=QUICK)["a"]
    assert timing.median_ms > 0


def test_a_file_with_open_sizes_or_several_inputs_is_refused() -> None:
    def model(*shapes: list[Any]) -> bytes:
        inputs = [onnx.helper.make_tensor_value_info(f"x{i}", 1, shape) for i, shape in enumerate(shapes)]
        output = onnx.helper.make_tensor_value_info("y", 1, None)
        node = onnx.helper.make_node("Sum", [value.name for value in inputs], ["y"])
        return bytes(onnx.helper.make_model(onnx.helper.make_graph([node], "g", inputs, [output])).SerializeToString())

    with pytest.raises(InvalidValue, match=r"wide.onnx: .*height and width are open; give them as `resolution=PIXELS`"):
        measure_onnx({"wide.onnx": model(["batch", 3, "height", 8])}, FakeDevice())
    assert measure_onnx({"wide.onnx": model(["batch", 3, "height", 8])}, FakeDevice(), resolution=8)
    with pytest.raises(InvalidValue, match=r"two.onnx: a network with one input, .* this has 2"):
        measure_onnx({"two.onnx": model([1, 3], [1, 3])}, FakeDevice())
