from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sculptnet.export.lean import tidy


def model(
    nodes: list[NodeProto], constants: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
) -> ModelProto:
    shape: list[str | int | None] = ["batch", 2, 4, 4]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "a", "b", "c"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
        doc_string="traced",
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tracer", producer_version="1.2.3"
    )
    made.ir_version = 8
    return made


def summary(made: ModelProto) -> list[tuple[str, str, list[str], list[str]]]:
    return [(node.op_type, node.name, [*node.input], [*node.output]) for node in made.graph.node]


def test_identities_constants_and_unused_nodes_go() -> None:
    half = numpy_helper.from_array(np.full((1, 2, 1, 1), 0.5, np.float32))
    nodes = [
        helper.make_node("Identity", ["images"], ["1"], name="Identity_0"),
        helper.make_node("Identity", ["1"], ["2"], name="Identity_1"),
        helper.make_node("Constant", [], ["3"], value=half, name="/scale/Constant"),
        helper.make_node("Mul", ["2", "3"], ["4"], name="/scale/Mul", doc_string="where it came from"),
        helper.make_node("Relu", ["4"], ["unused"], name="/scale/Relu"),
        helper.make_node("Add", ["4", "1"], ["5"], name="/Add"),
        helper.make_node("Identity", ["5"], ["logits"], name="Identity_2"),
    ]
    made = tidy(model(nodes, {}))
    assert summary(made) == [
        ("Mul", "scale.Mul", ["images", "scale.Mul.input1"], ["scale.Mul.out"]),
        ("Add", "Add", ["scale.Mul.out", "images"], ["logits"]),
    ]
    assert [tensor.name for tensor in made.graph.initializer] == ["scale.Mul.input1"]
    assert not any(node.doc_string for node in made.graph.node)
    assert (made.producer_name, made.producer_version, made.graph.doc_string) == ("sculptnet", "", "")


def test_a_value_that_is_an_output_and_read_again_keeps_the_name_of_the_output() -> None:
    nodes = [
        helper.make_node("Relu", ["images"], ["1"], name="/Relu"),
        helper.make_node("Identity", ["1"], ["logits"], name="Identity_0"),
        helper.make_node("Neg", ["1"], ["2"], name="/Neg"),
    ]
    assert summary(tidy(model(nodes, {}))) == [("Relu", "Relu", ["images"], ["logits"])]


def test_shared_constants_become_one_for_each_reader() -> None:
    nodes = [
        helper.make_node("Identity", ["bias"], ["bias_2"], name="Identity_0"),
        helper.make_node("Conv", ["images", "w", "bias"], ["1"], name="/first/Conv"),
        helper.make_node("Conv", ["1", "w", "bias_2"], ["logits"], name="/second/Conv"),
    ]
    constants = {"w": np.ones((2, 2, 1, 1), np.float32), "bias": np.zeros(2, np.float32)}
    made = tidy(model(nodes, constants))
    assert [tensor.name for tensor in made.graph.initializer] == [
        *("first.weight", "first.bias"),
        *("second.weight", "second.bias"),
    ]


def test_output_sizes_are_numbers_and_the_batch_keeps_its_name() -> None:
    made = tidy(model([helper.make_node("Relu", ["images"], ["logits"], name="/Relu")], {}))
    sizes = [(dim.dim_param, dim.dim_value) for dim in made.graph.output[0].type.tensor_type.shape.dim]
    assert sizes == [("batch", 0), ("", 2), ("", 4), ("", 4)]


def test_only_a_mean_over_height_and_width_becomes_global_pooling() -> None:
    for axes, operation in (([2, 3], "GlobalAveragePool"), ([1, 2], "ReduceMean")):
        nodes = [helper.make_node("ReduceMean", ["images"], ["logits"], name="/pool/ReduceMean", axes=axes, keepdims=1)]
        assert summary(tidy(model(nodes, {}))) == [(operation, f"pool.{operation}", ["images"], ["logits"])]
