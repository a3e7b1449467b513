from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from torch import nn

from sculptnet.arch import Block, TensorShape
from sculptnet.blocks import Activation, Classifier, Conv, InvertedResidual, PooledConv, Skip, SqueezeExcite
from sculptnet.errors import InvalidValue
from sculptnet.export import open_session, quantise, to_onnx
from sculptnet.export.int8 import OPERATIONS, activation_ranges
from sculptnet.export.session import Images
from sculptnet.nets import Network
from sculptnet.spaces.fbnet_space import CANDIDATES, candidate

IMAGE = TensorShape(3, 16, 16)
BLOCKS = [
    *(candidate(name, 8, 1) for name in CANDIDATES if name != "skip"),
    Skip(16, 2),
    Conv(12, 5, 2, activation=Activation.RELU6),
    PooledConv(12),
    InvertedResidual(8, 5, 3, squeeze=SqueezeExcite(), activation=Activation.HARD_SWISH),
]


def run(model: onnx.ModelProto, images: Images) -> Images:
    (result,) = open_session(model.SerializeToString()).run(None, {"images": images})
    return np.asarray(result, dtype=np.float32)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_it_is_what_onnxruntimes_own_quantiser_makes_with_weights_per_channel(network: Network, images: Images) -> None:
    model = to_onnx(network, IMAGE, dynamic_batch=True)
    ranges = {
        name: (np.float32(low), np.float32(high)) for name, (low, high) in activation_ranges(model, [images]).items()
    }
    reference = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=OPERATIONS,
        extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
    )
    reference.quantize_model()
    ours, theirs = quantise(model, [images]), reference.model.model
    assert Counter(node.op_type for node in ours.graph.node) == Counter(node.op_type for node in theirs.graph.node)
    assert constants(ours).keys() == constants(theirs).keys()
    for name, array in constants(theirs).items():
        np.testing.assert_allclose(constants(ours)[name], array, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(run(ours, images), run(theirs, images), rtol=1e-5)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.label())
def test_blocks_keep_their_function(
    block: Block, lively: Callable[[nn.Module], nn.Module], rng: np.random.Generator
) -> None:
    shape = TensorShape(8, 9, 7)
    model = to_onnx(lively(block.build(shape.channels)), shape)
    image = rng.standard_normal((1, *shape)).astype(np.float32)
    exact, coarse = run(model, image), run(quantise(model, [image]), image)
    assert np.abs(exact - coarse).mean() < 0.03 * (exact.max() - exact.min())


def test_logits_stay_exact_numbers(lively: Callable[[nn.Module], nn.Module], rng: np.random.Generator) -> None:
    shape = TensorShape(24, 1, 1)
    model = to_onnx(lively(Classifier(5).build(24)), shape, dynamic_batch=True)
    images = rng.standard_normal((400, *shape)).astype(np.float32)
    quantised = quantise(model, [images])
    assert quantised.graph.node[-1].op_type == "Gemm"
    assert len(np.unique(run(quantised, images))) > 1000  # 256, were they 8 bits


def test_a_network_is_8_bits_throughout_and_takes_any_number_of_images(network: Network, images: Images) -> None:
    quantised = quantise(to_onnx(network, IMAGE, dynamic_batch=True), [images])
    onnx.checker.check_model(quantised)
    stored = constants(quantised)
    for node in quantised.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            assert stored[node.input[0]].dtype in (np.int8, np.int32)
            assert stored[node.input[1]].shape == stored[node.input[0]].shape[:1]  # a scale for each channel
    assert all(array.dtype != np.float32 or "scale" in name for name, array in stored.items())
    assert all(np.abs(array).max() <= 64 for array in stored.values() if array.dtype == np.int8 and array.ndim > 1)
    np.testing.assert_allclose(run(quantised, images)[:2], run(quantised, images[:2]), rtol=1e-6)


def test_the_model_is_left_as_it_was_and_metadata_are_kept(network: Network, images: Images) -> None:
    model = to_onnx(network, IMAGE, dynamic_batch=True)
    helper.set_model_props(model, {"classes": '["a", "b", "c"]'})
    before = model.SerializeToString(deterministic=True)
    quantised = quantise(model, [images])
    assert model.SerializeToString(deterministic=True) == before
    assert {entry.key: entry.value for entry in quantised.metadata_props} == {"classes": '["a", "b", "c"]'}
    assert quantised.producer_name == "sculptnet"
    assert [(opset.domain, opset.version) for opset in quantised.opset_import] == [("", 17)]


def test_how_images_are_batched_does_not_matter(network: Network, images: Images) -> None:
    open_batch, one = to_onnx(network, IMAGE, dynamic_batch=True), to_onnx(network, IMAGE)
    whole = quantise(open_batch, [images]).SerializeToString(deterministic=True)
    assert quantise(open_batch, [images[:1], images[1:]]).SerializeToString(deterministic=True) == whole
    assert activation_ranges(one, [images]) == activation_ranges(open_batch, [images])


def test_nothing_is_printed_and_no_log_handler_is_installed(
    network: Network, images: Images, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handlers = [*logging.getLogger().handlers]
    with caplog.at_level(logging.DEBUG):
        quantise(to_onnx(network, IMAGE), [images])
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert logging.getLogger().handlers == handlers


def test_channels_of_zeros_and_huge_biases_are_kept(rng: np.random.Generator) -> None:
    layer = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        layer.weight[1] = 0.0
        layer.weight[2] = 1e-9
        assert layer.bias is not None
        layer.bias[:] = torch.tensor([0.5, 0.0, 1000.0, -0.25])
    image = rng.standard_normal((1, *IMAGE)).astype(np.float32)
    model = to_onnx(layer, IMAGE)
    exact, coarse = run(model, image), run(quantise(model, [image]), image)
    np.testing.assert_allclose(coarse, exact, atol=4.0)  # the step of one output range that holds 1000
    assert np.isfinite(coarse).all()


def test_no_images_is_an_error(network: Network) -> None:
    with pytest.raises(InvalidValue) as caught:
        quantise(to_onnx(network, IMAGE), [])
    assert str(caught.value) == (
        "quantise: no calibration images; int8 needs at least one batch, better 100 to 300 images"
    )


def test_what_is_not_a_number_is_named(network: Network, images: Images) -> None:
    remedy = "check that the images are normalised and that training did not diverge"
    images[2, 1, 3, 4] = np.nan
    with pytest.raises(InvalidValue) as caught:
        quantise(to_onnx(network, IMAGE), [images])
    assert str(caught.value) == f"quantise: images has values that are not finite numbers; {remedy}"
    with torch.no_grad():
        network.get_parameter("head.features.conv.weight")[3] = torch.inf
    with pytest.raises(InvalidValue, match=r"head\.features\.conv\.weight has values that are not finite numbers"):
        quantise(to_onnx(network, IMAGE), [images[:2]])
