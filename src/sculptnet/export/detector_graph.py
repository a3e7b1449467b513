"""What comes after a detector's network, as part of its ONNX graph: decoding, and ONNX's own NonMaxSuppression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sculptnet.arch import IMAGE_CHANNELS, TensorShape
from sculptnet.export.graph import INPUT, OUTPUT, to_onnx
from sculptnet.export.session import Images
from sculptnet.nets.detector import Detector

BOXES, SCORES, LABELS = "boxes", "scores", "labels"
PREFIX = "post."  # of everything that is added to the network's graph
HEADS = f"{PREFIX}heads"


def detector_graph(detector: Detector) -> ModelProto:
    """The network and what comes after it; the same detector gives the same bytes.

    Input `images`, float32 `(1, 3, size, size)`. Outputs, most probable first: `boxes` `(n, 4)`, left, top, right,
    bottom in pixels of the input; `scores` `(n,)`; `labels`, int64 `(n,)`, class indices from 0. n is at most
    `SsdLite.most_boxes` and may be 0. The batch is one: photographs have different numbers of objects.
    """
    model = raw_graph(detector)
    graph, plan = model.graph, detector.plan
    for node in graph.node:
        node.output[:] = [HEADS if name == OUTPUT else name for name in node.output]
        node.input[:] = [HEADS if name == OUTPUT else name for name in node.input]
    constants = {
        **_decoding_constants(detector),
        "most_per_class": np.array([plan.most_boxes], dtype=np.int64),
        "most": np.array([plan.most_boxes], dtype=np.int64),
        "overlap": np.array([plan.overlap], dtype=np.float32),
        "threshold": np.array([plan.score_threshold], dtype=np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, PREFIX + name) for name, value in constants.items())
    graph.node.extend([*_decoded(), *_suppressed()])
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info(BOXES, TensorProto.FLOAT, ["objects", 4]),
            helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["objects"]),
            helper.make_tensor_value_info(LABELS, TensorProto.INT64, ["objects"]),
        ]
    )
    onnx.checker.check_model(model)
    return model


def raw_graph(detector: Detector) -> ModelProto:
    """The network alone, at batch 1: output `logits`, what `Detector.forward` gives."""
    size = detector.plan.size
    return to_onnx(detector, TensorShape(IMAGE_CHANNELS, size, size))


def _decoding_constants(detector: Detector) -> dict[str, npt.NDArray[np.generic]]:
    """Centres and sides of the boxes, and what scales the offsets: torchvision's `BoxCoder`."""
    corners = detector.boxes.cpu().numpy().astype(np.float32)
    sides = corners[:, 2:] - corners[:, :2]
    x, y, width, height = detector.box_coder.weights
    classes = detector.plan.num_classes
    return {
        "centres": corners[:, :2] + np.float32(0.5) * sides,
        "sides": sides,
        "shift_scale": np.array([x, y], dtype=np.float32),
        "growth_scale": np.array([width, height], dtype=np.float32),
        "most_growth": np.array(detector.box_coder.bbox_xform_clip, dtype=np.float32),
        "half": np.array(0.5, dtype=np.float32),
        "zero": np.array(0.0, dtype=np.float32),
        "size": np.array(detector.plan.size, dtype=np.float32),
        "heads_split": np.array([2, 2, 1 + classes], dtype=np.int64),
        "classes_split": np.array([1, classes], dtype=np.int64),
        "class_column": np.array([1], dtype=np.int64),
        "box_column": np.array([2], dtype=np.int64),
        "first": np.array([0], dtype=np.int64),
        "last": np.array([-1], dtype=np.int64),
    }


def _decoded() -> list[NodeProto]:
    """From the heads to the corners of all boxes `(1, n, 4)` and the classes' probabilities `(1, classes, n)`."""
    return [
        _node("Split", ["heads", "heads_split"], ["shift", "growth", "logits"], {"axis": 2}),
        _node("Div", ["shift", "shift_scale"], ["shift_unscaled"]),
        _node("Mul", ["shift_unscaled", "sides"], ["shift_pixels"]),
        _node("Add", ["shift_pixels", "centres"], ["centre"]),
        _node("Div", ["growth", "growth_scale"], ["growth_unscaled"]),
        _node("Min", ["growth_unscaled", "most_growth"], ["growth_clipped"]),
        _node("Exp", ["growth_clipped"], ["growth_factor"]),
        _node("Mul", ["growth_factor", "sides"], ["side"]),
        _node("Mul", ["side", "half"], ["reach"]),
        _node("Sub", ["centre", "reach"], ["low"]),
        _node("Add", ["centre", "reach"], ["high"]),
        _node("Concat", ["low", "high"], ["unclipped"], {"axis": 2}),
        _node("Clip", ["unclipped", "zero", "size"], ["corners"]),
        _node("Softmax", ["logits"], ["probabilities"], {"axis": 2}),
        _node("Split", ["probabilities", "classes_split"], ["background", "objects"], {"axis": 2}),
        _node("Transpose", ["objects"], ["by_class"], {"perm": [0, 2, 1]}),
    ]


def _suppressed() -> list[NodeProto]:
    """From all boxes to those that stay, most probable first. Rows of a selection: image, class, box."""
    return [
        _node("NonMaxSuppression", ["corners", "by_class", "most_per_class", "overlap", "threshold"], ["selected"]),
        _node("GatherND", ["by_class", "selected"], ["unordered"]),
        _node("Shape", ["unordered"], ["count"]),
        _node("Min", ["count", "most"], ["kept"]),
        _node("TopK", ["unordered", "kept"], [f"/{SCORES}", "order"], {"axis": 0, "largest": 1, "sorted": 1}),
        _node("Gather", ["selected", "order"], ["ordered"], {"axis": 0}),
        _node("Gather", ["ordered", "class_column"], ["label_column"], {"axis": 1}),
        _node("Squeeze", ["label_column", "last"], [f"/{LABELS}"]),
        _node("Gather", ["ordered", "box_column"], ["rows"], {"axis": 1}),
        _node("Squeeze", ["corners", "first"], ["table"]),
        _node("GatherND", ["table", "rows"], [f"/{BOXES}"]),
    ]


def _node(
    operation: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any] | None = None
) -> NodeProto:
    """A node of the added part; names with `/` in front are those of the graph's outputs."""
    read, written = (
        [name[1:] if name.startswith("/") else PREFIX + name for name in names] for names in (inputs, outputs)
    )
    name = f"{PREFIX}{outputs[0].strip('/')}"
    return helper.make_node(operation, read, written, name=name, **(attributes or {}))


def timed_copy(model: ModelProto, image: Images) -> ModelProto:
    """`model` as it is timed: it sees `image` whatever it is given, and answers with one tensor of fixed size.

    How long overlaps take depends on what is seen, and devices are timed with values that look random. Two operations
    on the input and five on the answer are added.

    Args:
        model: from `detector_graph`; left as it is.
        image: float32 `(1, 3, size, size)`, normalised.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph, seen = copy.graph, f"{PREFIX}seen"
    for node in graph.node:
        node.input[:] = [seen if name == INPUT else name for name in node.input]
    return _one_answer(copy, _in_place_of(graph, INPUT, image, seen))


def with_answer(model: ModelProto, heads: Images) -> ModelProto:
    """`model` as an untrained detector is timed: the network runs, and what comes after it sees `heads`.

    An untrained network finds a thousand objects or none, and dropping overlaps would take as long as there is to drop.

    Args:
        model: from `detector_graph`; left as it is.
        heads: float32 `(1, boxes, 4 + 1 + classes)`, in the place of what the network says.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph, ignored = copy.graph, f"{PREFIX}network"
    for node in graph.node:
        node.output[:] = [ignored if name == HEADS else name for name in node.output]
    between = _in_place_of(graph, ignored, heads, HEADS)
    made = [index for index, node in enumerate(graph.node) if ignored in node.output]
    nodes = [*graph.node[: made[0] + 1], *between, *graph.node[made[0] + 1 :]]
    del graph.node[:]
    graph.node.extend(nodes)
    return _one_answer(copy, [])


def _in_place_of(graph: GraphProto, ignored: str, value: Images, seen: str) -> list[NodeProto]:
    """Nodes that make `seen` the constant `value`, whatever `ignored` is: a runtime cannot drop what feeds that."""
    constants = {"value": value.astype(np.float32), "nothing": np.array(0.0, dtype=np.float32)}
    graph.initializer.extend(numpy_helper.from_array(array, f"{PREFIX}{name}") for name, array in constants.items())
    return [
        helper.make_node("Mul", [ignored, f"{PREFIX}nothing"], [f"{PREFIX}zero_of_it"]),
        helper.make_node("Add", [f"{PREFIX}zero_of_it", f"{PREFIX}value"], [seen]),
    ]


def _one_answer(model: ModelProto, ahead: Sequence[NodeProto]) -> ModelProto:
    """`model`, changed: nodes `ahead` of it, and one tensor of fixed size in the place of its outputs."""
    graph = model.graph
    behind = [
        helper.make_node("Cast", [LABELS], [f"{PREFIX}label_numbers"], to=TensorProto.FLOAT),
        *(
            helper.make_node("ReduceSum", [name], [f"{PREFIX}sum_{index}"], keepdims=0)
            for index, name in enumerate((BOXES, SCORES, f"{PREFIX}label_numbers"))
        ),
        helper.make_node("Sum", [f"{PREFIX}sum_{index}" for index in range(3)], ["answer"]),
    ]
    nodes = [*ahead, *graph.node, *behind]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    graph.output.append(helper.make_tensor_value_info("answer", TensorProto.FLOAT, []))
    onnx.checker.check_model(model)
    return model
