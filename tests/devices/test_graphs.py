from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from sculptnet.arch import SearchSpace, TensorShape
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cost import Precision, entries_of
from sculptnet.devices import Model
from sculptnet.devices.graphs import Graphs, chain, neighbours, reference_model, settle
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.plan import example_input
from sculptnet.errors import DeviceError
from sculptnet.export.graph import to_onnx
from sculptnet.export.session import open_session
from sculptnet.nets import Network, initialise
from sculptnet.spaces import fbnetv3

SHAPE = TensorShape(8, 6, 6)


def answer(model: Model) -> np.ndarray:
    session = open_session(model.onnx)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: example_input(model.shape)})[0])


def operators(model: bytes | onnx.ModelProto) -> list[str]:
    graph = (onnx.load_model_from_string(model) if isinstance(model, bytes) else model).graph
    return [node.op_type for node in graph.node]


def test_a_chained_network_has_the_operators_of_the_network_exported_whole(
    tiny_fbnet: SearchSpace, rng: np.random.Generator
) -> None:
    graphs = Graphs()
    for row in tiny_fbnet.sample(rng, 3):
        architecture = tiny_fbnet.decode(row).architecture
        whole = to_onnx(Network(architecture), TensorShape(3, 16, 16))
        chained = onnx.load_model_from_string(graphs.network(architecture).onnx)
        onnx.checker.check_model(chained, full_check=True)
        kept = [name for name in operators(whole) if name != "Identity"]
        assert operators(chained) == kept
        sizes = [sorted(tuple(t.dims) for t in model.graph.initializer) for model in (whole, chained)]
        assert sizes[0] == sizes[1]


def test_a_chained_network_computes_what_its_modules_compute(tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    architecture = tiny_fbnet.decode(tiny_fbnet.sample(rng, 1)[0]).architecture
    model = Graphs().network(architecture)
    assert model.expected is not None
    assert model.expected.shape == (1, 3)
    np.testing.assert_allclose(answer(model), model.expected, rtol=1e-4, atol=1e-6)


def test_contexts_compute_what_their_modules_compute(tiny_fbnet: SearchSpace) -> None:
    graphs = Graphs()
    wanted = [(block, shape) for block, shape in entries_of(tiny_fbnet) if not block.is_identity(shape.channels)]
    for model in [*(graphs.context(*entry) for entry in wanted[::4]), graphs.bare(SHAPE), graphs.empty()]:
        assert model.expected is not None
        np.testing.assert_allclose(answer(model), model.expected, rtol=1e-4, atol=1e-5)


def test_the_same_block_gives_the_same_bytes_and_leaves_torchs_generator_alone() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = Graphs().context(InvertedResidual(16, 5, 3, 2), SHAPE)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert Graphs().context(InvertedResidual(16, 5, 3, 2), SHAPE).digest() == first.digest()


def test_threads_do_not_show_in_the_bytes() -> None:
    block, threads = InvertedResidual(16, 5, 3, 2), torch.get_num_threads()
    try:
        digests = set()
        for count in (1, 2):
            torch.set_num_threads(count)
            digests.add(Graphs().context(block, TensorShape(8, 28, 28)).digest())
    finally:
        torch.set_num_threads(threads)
    assert len(digests) == 1


def test_random_deep_networks_with_gates_answer_alike_in_both_runtimes() -> None:
    space, graphs = fbnetv3(10, 28, width=0.25, round_to=8, stem_stride=2, strides=(2, 1, 2, 1, 1, 2, 1)), Graphs()
    for row in space.sample(np.random.default_rng(0), 2):
        model = graphs.network(space.decode(row).architecture)
        assert model.expected is not None
        largest = np.abs(model.expected).max()
        assert 1e-3 < largest < 10  # a product of gates and sums that grow: 1e-4 to 1e7 with weights as drawn
        assert np.abs(answer(model) - model.expected).max() < 1e-5 * largest


def test_settled_batch_norms_put_out_a_standard_deviation_of_a_half() -> None:
    module = Conv(16, 3).build(8).eval()
    initialise(module, seed=0)
    weights = {name: value.clone() for name, value in module.named_parameters() if value.ndim == 4}
    settle(module, SHAPE)
    norm = next(layer for layer in module.modules() if isinstance(layer, torch.nn.BatchNorm2d))
    seen = torch.randn((8, *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs: list[torch.Tensor] = []
    norm.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        module(seen.float())
    np.testing.assert_allclose(outputs[0].mean(dim=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(outputs[0].std(dim=(0, 2, 3)), 0.5, rtol=1e-3)
    assert not norm.training
    assert norm.momentum == torch.nn.BatchNorm2d(1).momentum
    assert all(torch.equal(module.get_parameter(name), value) for name, value in weights.items())


def test_blocks_stand_between_convolutions_where_a_network_has_some() -> None:
    assert neighbours(InvertedResidual(16, 3, 6, 2), SHAPE) == (True, True)
    assert neighbours(Conv(8, 3, 2), TensorShape(3, 16, 16)) == (False, True)
    assert neighbours(PooledConv(64), SHAPE) == (True, False)
    assert neighbours(Classifier(10), TensorShape(64, 1, 1)) == (False, False)
    assert operators(Graphs().context(Conv(8, 3), SHAPE).onnx) == ["Conv", "Relu"] * 3
    assert operators(Graphs().bare(SHAPE).onnx) == ["Conv", "Relu"] * 2


def test_a_graph_with_two_inputs_cannot_be_chained() -> None:
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "abc"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["a", "b"], ["c"])], "two", value[:2], value[2:])
    with pytest.raises(DeviceError, match="needs one input and one output, got 2 and 1"):
        chain([onnx.helper.make_model(graph)])


def test_int8_models_are_quantised_graphs_close_to_pytorch(tiny_fbnet: SearchSpace) -> None:
    graphs = graphs_of(Precision.INT8)
    architecture = tiny_fbnet.decode(tiny_fbnet.sample(np.random.default_rng(0), 1)[0]).architecture
    for model in (graphs.context(InvertedResidual(16, 5, 3, 2), SHAPE), graphs.network(architecture)):
        assert "QuantizeLinear" in operators(model.onnx)
        assert model.expected is not None
        difference = np.abs(answer(model) - model.expected).max() / np.abs(model.expected).max()
        assert 1e-4 < difference < model.tolerance


def test_the_reference_network_is_always_the_same() -> None:
    assert reference_model().digest() == reference_model().digest()


def test_initialised_weights_depend_on_the_seed_alone() -> None:
    modules = [InvertedResidual(16).build(8) for _ in range(2)]
    for module in modules:
        initialise(module, seed=0)
    assert all(torch.equal(*pair) for pair in zip(*(m.state_dict().values() for m in modules), strict=True))
