"""Static quantisation: 8-bit weights and activations, ranges of activations seen on calibration images.

What was chosen, and why (FBNet samples, one thread of an x86-64 server with VNNI, ONNX Runtime 1.31; a network of 69
convolutions trained on Fashion-MNIST, 10,000 test images, 86.3 % in float32):

- uint8 activations with int8 weights: with int8 activations the same network took 1.7 times as long.
- weights per channel: 0.1 % points lost, 98.4 % of the images in the same class; per tensor 0.3 % points, 97.9 %.
- weights in 7 bits (`reduce_range`): no loss that 10,000 images resolve and the same speed, but x86 CPUs without VNNI,
  whose 16-bit sums saturate with 8-bit weights, then compute the same.
- smallest and largest value as the range: percentiles (99.9 to 99.995) gained nothing that 10,000 images resolve.
- logits stay float32: they decide between classes and cost nothing.
- no pre-processing pass: these graphs have batch norm folded and sizes constant already; the result is the same graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from sculptnet.errors import InvalidValue
from sculptnet.export.lean import PRODUCER
from sculptnet.export.session import Images, open_session

OPERATIONS = tuple(sorted({*QDQRegistry, *QLinearOpsRegistry}))  # a fixed order: the order of nodes follows from it
WEIGHT_LIMIT = 64  # 7 bits and the sign: two products with uint8 then fit 16 bits
BIAS_LIMIT = 2**30  # far from the ends of int32
Range = tuple[float, float]


def quantise(model: ModelProto, calibration: Iterable[Images], *, threads: int = 1) -> ModelProto:
    """`model` in int8 arithmetic: a graph with QuantizeLinear and DequantizeLinear nodes (QDQ), metadata kept.

    Works on whole networks and on the small graphs of latency tables, in memory: one image and FBNet's blocks at 224 px
    take about half of what `to_onnx` takes. The same model and images give the same bytes. Places of the quantised
    values are chosen by ONNX Runtime's quantiser; weights are scaled here, with the same result as by its own
    per-channel mode, which takes three times as long.

    Args:
        model: from `to_onnx`; left as it is.
        calibration: batches of images that look like those the network will see, float32
            `(batch, 3, height, width)`, normalised; all classes should occur. 100 to 300 images are enough.
        threads: of ONNX Runtime while it looks for the ranges.

    Raises:
        InvalidValue: there are no images, or a weight, an input or an activation is not a finite number.
    """
    quantiser = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=False,  # `_scale_per_channel` does that, faster
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_as_tensors_data(activation_ranges(model, calibration, threads=threads)),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=OPERATIONS,
        extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    result: ModelProto = quantiser.model.model
    _scale_per_channel(result.graph, model.graph)
    result.producer_name, result.producer_version = PRODUCER, ""
    used = {node.domain for node in result.graph.node} | {""}
    opsets = [opset for opset in result.opset_import if opset.domain in used]
    del result.graph.value_info[:], result.opset_import[:], result.metadata_props[:]
    result.opset_import.extend(opsets)
    result.metadata_props.extend(model.metadata_props)
    return result


def _scale_per_channel(graph: GraphProto, source: GraphProto) -> None:
    """Gives the weights of every quantised convolution and linear layer one scale per output channel.

    Args:
        graph: quantised with one scale per tensor; changed in place.
        source: the same network in float32.
    """
    exact = {tensor.name: tensor for tensor in source.initializer}
    names = {node.name: node.input for node in source.node}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    writers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if not (node.op_type == "Conv" or (node.op_type == "Gemm" and _rows_are_outputs(node))):
            continue
        feeds = [writers.get(name) for name in node.input]
        constants = [exact.get(name) for name in names[node.name]]
        activation, weight = feeds[0], constants[1]
        if activation is None or weight is None or not all(f and f.op_type == "DequantizeLinear" for f in feeds):
            continue
        step = numpy_helper.to_array(stored[activation.input[1]]).item()
        bias = constants[2] if len(constants) > 2 else None
        arrays = _per_channel(
            numpy_helper.to_array(weight), None if bias is None else numpy_helper.to_array(bias), step
        )
        for feed, (values, scale) in zip(feeds[1:], arrays, strict=True):
            assert feed is not None
            for name, array in zip(feed.input, (values, scale, np.zeros(len(scale), values.dtype)), strict=True):
                stored[name].CopyFrom(numpy_helper.from_array(array, name))
            del feed.attribute[:]
            feed.attribute.append(helper.make_attribute("axis", 0))


def _rows_are_outputs(gemm: NodeProto) -> bool:
    return any(attribute.name == "transB" and attribute.i == 1 for attribute in gemm.attribute)


def _per_channel(
    weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32] | None, step: float
) -> list[tuple[npt.NDArray[Any], npt.NDArray[np.float32]]]:
    """(values, scales) of `weight`, int8, and of `bias`, int32, whose scale is the weight's times `step`, the input's.

    The largest weight of each channel becomes 64; a channel whose bias would overflow gets a larger scale.
    """
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1).astype(np.float64) / WEIGHT_LIMIT
    if bias is not None:
        largest = np.maximum(largest, np.abs(bias).astype(np.float64) / (step * BIAS_LIMIT))
    scale = np.where(largest < np.finfo(np.float32).tiny, 1.0, largest).astype(np.float32)
    values = np.round(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    result = [(np.clip(values, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8), scale)]
    if bias is not None:
        unit = np.float32(step) * scale
        result.append((np.round(bias.astype(np.float64) / unit).astype(np.int32), unit))
    return result


def activation_ranges(model: ModelProto, images: Iterable[Images], *, threads: int = 1) -> dict[str, Range]:
    """The smallest and the largest value that the input and every activation take on `images`, by value name.

    Raises:
        InvalidValue: there are no images, or a weight, an input or an activation is not a finite number.
    """
    for tensor in model.graph.initializer:
        _require_finite(tensor.name, numpy_helper.to_array(tensor))
    watched = [model.graph.input[0].name, *(name for node in model.graph.node for name in node.output)]
    session = open_session(_with_extremes(model, watched).SerializeToString(), threads=threads)
    ranges: dict[str, Range] = {}
    for image in (batch[index : index + 1] for batch in images for index in range(len(batch))):  # one: memory
        _require_finite(watched[0], image)  # the runtime's minimum and maximum may overlook a NaN
        values = [float(value) for value in session.run(None, {watched[0]: image})]
        for name, low, high in zip(watched, values[::2], values[1::2], strict=True):
            before = ranges.get(name, (low, high))
            ranges[name] = min(before[0], low), max(before[1], high)
    if not ranges:
        raise InvalidValue("quantise: no calibration images; int8 needs at least one batch, better 100 to 300 images")
    for name, extremes in ranges.items():
        _require_finite(name, np.array(extremes))
    return ranges


def _require_finite(name: str, values: npt.NDArray[Any]) -> None:
    if not np.isfinite(values).all():
        raise InvalidValue(
            f"quantise: {name} has values that are not finite numbers; check that the images are normalised and that "
            "training did not diverge"
        )


def _with_extremes(model: ModelProto, watched: Iterable[str]) -> ModelProto:
    """A copy whose outputs are the minimum and the maximum of each watched value: nothing large has to be kept."""
    copy = ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for index, name in enumerate(watched):
        for operation in ("ReduceMin", "ReduceMax"):
            output = f"{operation} {index}"
            copy.graph.node.append(helper.make_node(operation, [name], [output], keepdims=0))
            copy.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    return copy


def _as_tensors_data(ranges: Mapping[str, Range]) -> TensorsData:
    extremes = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    return TensorsData(CalibrationMethod.MinMax, extremes)
