from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from sculptnet.arch import Block, SearchSpace, TensorShape, options_of
from sculptnet.blocks import (
    Activation,
    Conv,
    Gate,
    InvertedResidual,
    PooledConv,
    Skip,
    SqueezeBase,
    SqueezeExcite,
)
from sculptnet.errors import InvalidValue
from sculptnet.export import open_session, to_onnx
from sculptnet.export.session import Images
from sculptnet.nets import Network, set_dropout
from sculptnet.spaces import fbnet

IMAGE = TensorShape(3, 16, 16)
OTHER_BLOCKS = [
    Conv(8, 5, 2, groups=4, activation=Activation.SWISH),
    InvertedResidual(8, 3, 1, expand_at_1=False),
    InvertedResidual(12, 3, 6, stride=2, depthwise_layers=2, activation=Activation.RELU6),
    InvertedResidual(8, 5, 3, squeeze=SqueezeExcite(), activation=Activation.HARD_SWISH),
    InvertedResidual(8, 3, 6, squeeze=SqueezeExcite(0.25, SqueezeBase.INPUT, Gate.SIGMOID, divisor=1)),
    PooledConv(12, Activation.HARD_SWISH),
    Skip(8),
]


def run(model: onnx.ModelProto, images: Images) -> Images:
    (result,) = open_session(model.SerializeToString()).run(None, {"images": images})
    return np.asarray(result, dtype=np.float32)


def digest(model: onnx.ModelProto) -> str:
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def operations(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def every_block(space: SearchSpace) -> Iterator[tuple[Block, TensorShape]]:
    """Each distinct block of the space with an input shape that it meets."""
    shape, seen = TensorShape(3, space.architecture.resolution, space.architecture.resolution), set()
    for _, template in space.architecture.named():
        for block in options_of(template):
            if (block, shape) not in seen:
                seen.add((block, shape))
                yield block, shape
        shape = options_of(template)[0].out_shape(shape)


def assert_computes_the_same(
    block: Block, shape: TensorShape, lively: Callable[[nn.Module], nn.Module], rng: np.random.Generator
) -> None:
    module = lively(block.build(shape.channels)).eval()
    images = rng.standard_normal((2, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    got = run(to_onnx(module, shape, dynamic_batch=True), images)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5, err_msg=f"{block} at {shape}")


SMALL = fbnet(4, 12, channels=(8, 16), layers=(1, 3), strides=(1, 2), stem_channels=8, head_channels=24)


@pytest.mark.parametrize(
    "space", [SMALL, pytest.param(fbnet(4, 16, width=0.35), marks=pytest.mark.slow)], ids=["small", "width 0.35"]
)
def test_every_block_of_fbnets_space_computes_the_same_in_onnx(
    space: SearchSpace, lively: Callable[[nn.Module], nn.Module], rng: np.random.Generator
) -> None:
    for block, shape in every_block(space):
        assert_computes_the_same(block, shape, lively, rng)


@pytest.mark.parametrize("block", OTHER_BLOCKS, ids=lambda block: block.label())
def test_blocks_of_other_families_compute_the_same_in_onnx(
    block: Block, lively: Callable[[nn.Module], nn.Module], rng: np.random.Generator
) -> None:
    assert_computes_the_same(block, TensorShape(8, 9, 7), lively, rng)


def test_several_blocks_in_a_row_make_one_graph(lively: Callable[[nn.Module], nn.Module]) -> None:
    between = nn.Sequential(
        Conv(8).build(3), InvertedResidual(8, groups=2, expansion=1).build(8), Skip(8).build(8), Skip(16, 2).build(8)
    )
    graph = to_onnx(lively(between), IMAGE).graph
    assert [node.op_type for node in graph.node].count("Conv") == 5
    assert [dim.dim_value for dim in graph.output[0].type.tensor_type.shape.dim] == [1, 16, 8, 8]


@pytest.mark.parametrize("dynamic_batch", [False, True])
def test_a_network_is_nothing_but_the_operations_it_needs(network: Network, dynamic_batch: bool) -> None:
    residual = ["Conv", "Relu", "Conv", "Relu", "Conv"]
    shuffled = ["Conv", "Relu", "Reshape", "Transpose", "Reshape", "Conv", "Relu", "Conv"]
    assert operations(to_onnx(network, IMAGE, dynamic_batch=dynamic_batch)) == [
        *("Conv", "Relu"),
        *(*shuffled, "Add"),
        *shuffled,
        *(*residual, "Add"),
        *("Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"),
    ]


def test_an_open_batch_takes_any_number_of_images(network: Network, images: Images) -> None:
    model = to_onnx(network, IMAGE, dynamic_batch=True)
    sizes = [(dim.dim_param, dim.dim_value) for dim in model.graph.output[0].type.tensor_type.shape.dim]
    assert sizes == [("batch", 0), ("", 3)]
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    for count in (1, 2, 6):
        np.testing.assert_allclose(run(model, images[:count]), expected[:count], rtol=1e-5, atol=1e-5)


def test_constants_are_named_after_the_modules_that_hold_them(network: Network) -> None:
    names = {tensor.name for tensor in to_onnx(network, IMAGE).graph.initializer}
    weights = {f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}
    biases = {name.removesuffix("weight") + "bias" for name in weights}  # of folded batch norms
    shuffles = {name for name in names if ".shuffle." in name}
    assert names == weights | biases | shuffles
    assert len(shuffles) == 4


def test_an_identity_stays_an_identity() -> None:
    assert operations(to_onnx(Skip(3).build(3), IMAGE)) == ["Identity"]


def test_dropout_and_stochastic_depth_leave_no_trace(network: Network) -> None:
    before = digest(to_onnx(network, IMAGE))
    set_dropout(network, dropout=0.3, drop_path=0.2)
    assert digest(to_onnx(network.train(), IMAGE)) == before


def test_exports_before_do_not_change_the_bytes(network: Network) -> None:
    first = digest(to_onnx(network, IMAGE))
    to_onnx(Conv(8).build(3), IMAGE)
    assert digest(to_onnx(network, IMAGE)) == first


def test_the_module_is_left_as_it_was(network: Network) -> None:
    network.train()
    network.stages[0].eval()  # a frozen part
    network.to(memory_format=torch.channels_last)
    modes = [layer.training for layer in network.modules()]
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    to_onnx(network, IMAGE)
    assert [layer.training for layer in network.modules()] == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert network.get_parameter("stem.conv.weight").is_contiguous(memory_format=torch.channels_last)
    assert torch.is_grad_enabled()


def test_memory_format_and_half_precision_do_not_matter(network: Network) -> None:
    plain = digest(to_onnx(network, IMAGE))
    assert digest(to_onnx(network.to(memory_format=torch.channels_last), IMAGE)) == plain
    assert operations(to_onnx(network.half(), IMAGE)) == operations(to_onnx(network.float(), IMAGE))


def test_threads_may_export_at_the_same_time(tiny_fbnet: SearchSpace, rng: np.random.Generator) -> None:
    networks = [Network(tiny_fbnet.decode(row).architecture) for row in tiny_fbnet.sample(rng, 4)]
    alone = [digest(to_onnx(network, IMAGE)) for network in networks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda network: digest(to_onnx(network, IMAGE)), networks))
    assert together == alone


def test_a_wrong_input_shape_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"Sequential has no ONNX graph for an input of 5x16x16: .*expected input"):
        to_onnx(Conv(8).build(3), TensorShape(5, 16, 16))
    assert operations(to_onnx(Conv(8).build(3), IMAGE)) == ["Conv", "Relu"]  # nothing is left over from the failure


class Unheard(nn.Module):
    """Uses an operation that ONNX does not know."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.special.i1(x)
        return y


def test_an_operation_without_an_onnx_form_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"Unheard has no ONNX graph .*special_i1.* has a form in ONNX opset 17"):
        to_onnx(Unheard(), IMAGE)
