"""Makes an exported graph lean, and its bytes depend on the network alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

PRODUCER = "sculptnet"
_ROLES: Mapping[str, tuple[str, ...]] = {  # the names of an operation's inputs, where they may be constants
    "Conv": ("input", "weight", "bias"),
    "Gemm": ("input", "weight", "bias"),
    "Reshape": ("input", "shape"),
}


def tidy(model: ModelProto) -> ModelProto:
    """`model` without identities, constant nodes and unused parts, named after its modules, checked.

    An identity stays where it is the whole way from input to output. Every node has constants of its own, called
    after it: `stages.0.1.body.expand.conv.weight` is the convolution of that path with its batch norm folded in.

    Args:
        model: changed in place and returned.

    Raises:
        onnx.checker.ValidationError: the graph breaks a rule of ONNX: a bug of an exporter.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in graph.node if _is_constant(node)}
    nodes = _without_identities([node for node in graph.node if not _is_constant(node)], graph)
    nodes = _needed(nodes, [value.name for value in graph.output])
    for node in nodes:
        _name_pooling(node)
    _replace(graph, nodes, _rename(nodes, graph, constants))
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, "", ""
    graph.name, graph.doc_string = "network", ""
    del graph.value_info[:], model.metadata_props[:]
    _infer_outputs(model)
    onnx.checker.check_model(model)
    return model


def _is_constant(node: NodeProto) -> bool:
    return node.op_type == "Constant" and node.attribute[0].name == "value"


def _without_identities(nodes: list[NodeProto], graph: GraphProto) -> list[NodeProto]:
    """Readers of an identity read its source; an identity that writes a graph output lends its source that name."""
    outputs = {value.name for value in graph.output}
    source: dict[str, str] = {}
    kept = []
    for node in nodes:
        _reconnect(node, source)
        if node.op_type == "Identity" and node.output[0] not in outputs:
            source[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    written = {name for node in kept for name in node.output} - outputs
    last = {node.input[0]: node.output[0] for node in kept if node.op_type == "Identity" and node.input[0] in written}
    kept = [node for node in kept if not (node.op_type == "Identity" and node.input[0] in last)]
    for node in kept:
        _reconnect(node, last)
    return kept


def _name_pooling(node: NodeProto) -> None:
    """A mean over height and width as GlobalAveragePool: runtimes have a fast form of it, also in int8."""
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "ReduceMean" and attributes == {"axes": [2, 3], "keepdims": 1}:
        node.op_type = "GlobalAveragePool"
        node.name = node.name.replace("ReduceMean", node.op_type)
        del node.attribute[:]


def _needed(nodes: Iterable[NodeProto], outputs: Iterable[str]) -> list[NodeProto]:
    """The nodes that the outputs depend on, in order."""
    needed = set(outputs)
    kept = []
    for node in reversed(list(nodes)):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _rename(nodes: list[NodeProto], graph: GraphProto, constants: Mapping[str, TensorProto]) -> list[TensorProto]:
    """Names nodes, values and constants after the modules, without the tracer's running numbers; the constants."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    taken = set(names)
    tensors = []
    for node in nodes:
        path = ".".join(node.name.strip("/").split("/")[:-1])
        node.name = _free(f"{path}.{node.op_type}".lstrip("."), taken)
        node.doc_string = ""
        inputs = []
        for position, name in enumerate(node.input):
            if name in constants:
                role = dict(enumerate(_ROLES.get(node.op_type, ()))).get(position, f"input{position}")
                tensor = TensorProto()
                tensor.CopyFrom(constants[name])
                owner = path if role in ("weight", "bias") and path else node.name
                tensor.name, tensor.doc_string = _free(f"{owner}.{role}", taken), ""
                tensors.append(tensor)
                inputs.append(tensor.name)
            else:
                inputs.append(names.get(name, name))
        names |= {name: _free(f"{node.name}.out", taken) for name in node.output if name and name not in names}
        node.input[:] = inputs
        node.output[:] = [names.get(name, name) for name in node.output]
    return tensors


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with the first number that makes it new; then it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def _reconnect(node: NodeProto, names: Mapping[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]


def _replace(graph: GraphProto, nodes: Iterable[NodeProto], tensors: Iterable[TensorProto]) -> None:
    nodes, tensors = [*nodes], [*tensors]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _infer_outputs(model: ModelProto) -> None:
    """Replaces the tracer's made-up names of output sizes by the sizes; the batch keeps what it was called."""
    traced = copy.deepcopy([*model.graph.output])
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model).graph.output
    for value, known, before in zip(model.graph.output, inferred, traced, strict=True):
        value.CopyFrom(known)
        value.type.tensor_type.shape.dim[0].CopyFrom(before.type.tensor_type.shape.dim[0])
