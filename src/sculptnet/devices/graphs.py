"""Models to time: blocks between fixed neighbours, and whole networks, put together from exported blocks.

Each distinct block is exported once; a network of 24 blocks is a chain of their graphs. That gives the same operators
as exporting the network whole, and takes milliseconds instead of half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias, final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from sculptnet.arch import IMAGE_CHANNELS, Architecture, Block, TensorShape
from sculptnet.blocks import Conv, InvertedResidual, PooledConv
from sculptnet.cost import Precision
from sculptnet.devices.plan import Model, example_input
from sculptnet.errors import DeviceError
from sculptnet.export.graph import to_onnx
from sculptnet.nets import initialise

NARROW = 4  # channels at both ends of a context
TOLERANCE = {Precision.FP32: 1e-3, Precision.INT8: 0.25}  # of the largest output, against PyTorch in float32
# Rounding to 8 bits adds up over the blocks of a network; another network would differ by more than the largest output.
NETWORK_TOLERANCE = {Precision.FP32: 1e-3, Precision.INT8: 0.9}
SETTLED_ON, LARGE_MAP, SETTLED_ON_LARGE = 8, 400, 2  # random inputs; positions from which on there are fewer
SETTLED_WEIGHT = 0.5  # of batch norms: residual blocks add up, and this keeps their sum from growing
Quantise: TypeAlias = Callable[[onnx.ModelProto, TensorShape], onnx.ModelProto]


class Part(NamedTuple):
    """A block's module and its graph."""

    module: nn.Module
    graph: onnx.ModelProto


class Neighbours(NamedTuple):
    """Which fixed 1x1 convolutions a block is timed between."""

    before: bool
    after: bool


def neighbours(block: Block, shape: TensorShape) -> Neighbours:
    """The context of `block`, which depends on it and its input shape alone.

    A stem has the image before it; a classifier and other blocks on single pixels have no convolutions around them, and
    nothing follows a block that ends in one pixel.
    """
    out = block.out_shape(shape)
    before = shape.channels != IMAGE_CHANNELS and shape.height * shape.width > 1
    return Neighbours(before, out.height * out.width > 1)


@final
@dataclass(frozen=True, eq=False)
class Graphs:
    """Makes models of blocks and networks at one precision; exports every block once."""

    precision: Precision = Precision.FP32
    quantise: Quantise | None = None
    _parts: dict[tuple[Block, TensorShape], Part] = field(default_factory=dict)

    def context(self, block: Block, shape: TensorShape) -> Model:
        """`block` between its neighbours."""
        around, out = neighbours(block, shape), block.out_shape(shape)
        before = [self._before(shape)] if around.before else []
        after = [self._after(out)] if around.after else []
        first = TensorShape(NARROW, shape.height, shape.width) if around.before else shape
        return self._model([*before, self._part(block, shape), *after], first)

    def bare(self, shape: TensorShape) -> Model:
        """The two neighbours alone, around a feature map of `shape`."""
        return self._model([self._before(shape), self._after(shape)], TensorShape(NARROW, shape.height, shape.width))

    def empty(self) -> Model:
        """A graph that computes next to nothing: what one call of the runtime takes."""
        shape = TensorShape(NARROW, 1, 1)
        return self._model([self._part(Conv(NARROW, 1), shape)], shape)

    def network(self, architecture: Architecture) -> Model:
        """A whole network; identities are left out."""
        parts = [
            self._part(block, shape)
            for _, block, shape in architecture.blocks()
            if not block.is_identity(shape.channels)
        ]
        image = TensorShape(IMAGE_CHANNELS, architecture.resolution, architecture.resolution)
        return replace(self._model(parts, image), tolerance=NETWORK_TOLERANCE[self.precision])

    def _before(self, shape: TensorShape) -> Part:
        return self._part(Conv(shape.channels, 1), TensorShape(NARROW, shape.height, shape.width))

    def _after(self, shape: TensorShape) -> Part:
        return self._part(Conv(NARROW, 1), shape)

    def _part(self, block: Block, shape: TensorShape) -> Part:
        if (block, shape) not in self._parts:
            with torch.random.fork_rng(devices=[]):
                module = block.build(shape.channels).eval()
            initialise(module, seed=0)
            settle(module, shape)
            self._parts[block, shape] = Part(module, to_onnx(module, shape))
        return self._parts[block, shape]

    def _model(self, parts: Sequence[Part], shape: TensorShape) -> Model:
        graph, module = chain([part.graph for part in parts]), nn.Sequential(*(part.module for part in parts)).eval()
        if self.quantise is not None:
            graph = self.quantise(graph, shape)
        answer = answer_of(module, (1, *shape))
        same = module if self.precision is Precision.FP32 else None
        return Model(graph.SerializeToString(), (1, *shape), answer, TOLERANCE[self.precision], same)


def settle(module: nn.Module, shape: TensorShape) -> None:
    """Gives the batch norms of an untrained block the statistics of random inputs of `shape`.

    With a mean of 0 and a variance of 1, activations grow or vanish from block to block, and squeeze-and-excitation
    gates multiply them: answers of random networks then lie anywhere between 1e-4 and 1e7, and some depend on the order
    of float32 sums by a tenth of themselves, so that they could not be compared. Settled, runtimes agree to 1e-6.

    Computed in double precision, so that the number of threads does not show in the graph's bytes.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        number = SETTLED_ON if shape.height * shape.width < LARGE_MAP else SETTLED_ON_LARGE
        generator = torch.Generator().manual_seed(0)
        module.double()(torch.randn((number, *shape), generator=generator, dtype=torch.float64))
        module.float()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
            if norm.affine:
                norm.weight.fill_(SETTLED_WEIGHT)


def answer_of(module: nn.Module, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """What `module` answers to `example_input(shape)`."""
    with torch.no_grad():
        answer: npt.NDArray[np.float32] = module(torch.from_numpy(example_input(shape))).numpy()
    return answer


def chain(graphs: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """One model that runs `graphs` one after the other; each has one input and one output.

    Raises:
        DeviceError: a graph has several inputs or outputs.
    """
    nodes, initialisers = [], []
    joint = graphs[0].graph.input[0].name
    for index, model in enumerate(graphs):
        graph = model.graph
        if len(graph.input) != 1 or len(graph.output) != 1:
            raise DeviceError(
                f"a block's graph needs one input and one output, got {len(graph.input)} and {len(graph.output)}"
            )
        names = {graph.input[0].name: joint, "": ""}
        for tensor in graph.initializer:
            copy = onnx.TensorProto()
            copy.CopyFrom(tensor)
            copy.name = names.setdefault(tensor.name, f"{index}/{tensor.name}")
            initialisers.append(copy)
        for node in graph.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.name = f"{index}/{node.name}"
            copied.input[:] = [names.setdefault(name, f"{index}/{name}") for name in node.input]
            copied.output[:] = [names.setdefault(name, f"{index}/{name}") for name in node.output]
            nodes.append(copied)
        joint = names[graph.output[0].name]
    output = onnx.ValueInfoProto()
    output.CopyFrom(graphs[-1].graph.output[0])
    output.name = joint
    whole = onnx.helper.make_graph(nodes, "chain", [graphs[0].graph.input[0]], [output], initialisers)
    joined = onnx.helper.make_model(whole, opset_imports=list(graphs[0].opset_import))
    joined.ir_version = graphs[0].ir_version
    return joined


def reference_model() -> Model:
    """The network that every chunk is compared with: the same on all devices, so that its time tells their speed."""
    blocks: tuple[Block, ...] = (Conv(16, 3, 2), *(InvertedResidual(32, 3, 3, 2), InvertedResidual(32, 5, 6)))
    shape, parts = TensorShape(IMAGE_CHANNELS, 64, 64), []
    for block in (*blocks, PooledConv(128)):
        parts.append((block, shape))
        shape = block.out_shape(shape)
    graphs = Graphs()
    return graphs._model([graphs._part(*part) for part in parts], TensorShape(IMAGE_CHANNELS, 64, 64))
