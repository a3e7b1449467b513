"""Stand-ins that make tests fast and exact: a device that computes its latencies, and images that anything can learn.

They are parts like any other, not mocks: everything that takes a device or a data set takes these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np
import onnx
import torch

from sculptnet.data import ImageData, InMemory
from sculptnet.devices import Measurement, Model, Plan, check_answer, example_input
from sculptnet.devices.plan import BOTH
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.export.session import open_session
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream


@final
@dataclass(frozen=True)
class FakeDevice:
    """A device whose latencies follow from multiply-adds and operators, plus noise that depends on `seed` alone.

    Answers are checked as on a real device, in ONNX Runtime.

    Attributes:
        label: its name.
        macs_per_ms: multiply-adds in a millisecond.
        operator_ms: for each operator of the graph.
        call_ms: for each call.
        noise_percent: standard deviation of single chunks.
        seed: of the noise.
    """

    label: str = "fake"
    macs_per_ms: float = 1e7
    operator_ms: float = 1e-3
    call_ms: float = 5e-3
    noise_percent: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    @property
    def precisions(self) -> frozenset[str]:
        """Both."""
        return BOTH

    def describe(self) -> Mapping[str, Any]:
        """What it claims to be."""
        return {"runtime": "fake", "version": "1", "threads": 1, "cpu": "none", "cores": 1}

    def measure(self, plan: Plan, progress: Progress = no_progress) -> Iterator[Measurement]:
        """Yields every chunk that is not held, round by round, without waiting."""
        reference_ms = self.latency_ms(plan.reference.onnx)
        latencies = {name: self._checked(name, model) for name, model in plan.models.items()}
        chunks = [(name, index) for index in range(plan.quality.rounds) for name in plan.models]
        for done, (name, index) in enumerate((chunk for chunk in chunks if chunk not in plan.held), start=1):
            digest = plan.models[name].digest()
            noise = stream(self.seed, f"testing.fakes: {digest}", index).normal(0, self.noise_percent / 100)
            progress(f"measuring on {self.name}", done + len(plan.held), len(chunks))
            yield Measurement(name, index, latencies[name] / reference_ms * float(np.exp(noise)), reference_ms)

    def latency_ms(self, model: bytes) -> float:
        """The latency of a serialised ONNX model, without noise."""
        graph = onnx.load_model_from_string(model)
        return self.call_ms + self.operator_ms * len(graph.graph.node) + onnx_macs(graph) / self.macs_per_ms

    def _checked(self, name: str, model: Model) -> float:
        try:
            session = open_session(model.onnx)
            (answer,) = session.run(None, {session.get_inputs()[0].name: example_input(model.shape)})
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base class
            raise DeviceError(f"{self.name} cannot run {name}: {error}") from error
        check_answer(self.name, name, model, np.asarray(answer))
        return self.latency_ms(model.onnx)


def fake_device(threads: int) -> FakeDevice:
    """A `FakeDevice`, made as devices are by name: `sculptnet.testing:fake_device`."""
    return FakeDevice(label=f"fake-{threads}t")


def onnx_macs(model: onnx.ModelProto) -> int:
    """Multiply-adds of the convolutions and matrix products in a graph, for one image."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = value.type.tensor_type.shape.dim
        shapes[value.name] = tuple(size.dim_value or 1 for size in sizes)  # an open batch counts as one image
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += prod(shapes[node.input[1]]) * prod(shapes[node.input[0]][:-1])
    return total


def tiny_images(
    num_classes: int = 3, *, per_class: int = 24, resolution: int = 16, grey: bool = False, seed: int = 0
) -> ImageData:
    """A data set in memory: stripes whose direction is the class, in noise; a quarter as many test images.

    Small networks learn it in a few epochs, and nothing learns it without looking.

    Raises:
        InvalidValue: fewer than two classes or four images per class.
    """
    if num_classes < 2 or per_class < 4:
        raise InvalidValue(f"tiny_images needs 2 classes of 4 images or more, got {num_classes} of {per_class}")
    train = _stripes(num_classes, per_class, resolution, grey, stream(seed, "testing.fakes.train"))
    test = _stripes(num_classes, per_class // 4, resolution, grey, stream(seed, "testing.fakes.test"))
    names = tuple(f"direction_{index}" for index in range(num_classes))
    return ImageData("tiny_images", names, train, test, notes=("made up for tests",))


def _stripes(classes: int, per_class: int, resolution: int, grey: bool, rng: np.random.Generator) -> InMemory:
    labels = np.tile(np.arange(classes, dtype=np.int64), per_class)
    angle = (np.pi * labels / classes)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, len(labels))[:, None, None]
    down, right = np.mgrid[:resolution, :resolution]
    waves = np.sin((np.cos(angle) * right + np.sin(angle) * down) * 2 * np.pi / 5 + phase)
    noise = rng.normal(0, 0.3, (len(labels), 1 if grey else 3, resolution, resolution))
    values = np.clip(127.5 + 80 * (waves[:, None] + noise), 0, 255).astype(np.uint8)
    return InMemory(torch.from_numpy(values), labels)
