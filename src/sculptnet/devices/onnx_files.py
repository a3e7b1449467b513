"""ONNX files from anywhere: read whole, weights beside them included, and the shape of the one image they take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import TensorProto, external_data_helper

from sculptnet.arch import IMAGE_CHANNELS
from sculptnet.errors import InvalidValue
from sculptnet.files import reading

EXPECTED = "a whole .onnx file of a network"
LARGEST_BYTES = 2**31 - 1  # of one protobuf message
CHANNELS_LAST = (1, 3, 4)  # so many channels tell an image (height, width, channels) from others


class Sized(NamedTuple):
    """A model in one piece, and the shape of its input at batch 1."""

    data: bytes
    shape: tuple[int, ...]


def read_onnx(path: Path) -> bytes:
    """The model in the file, serialised in one piece: weights that lie in files beside it are put inside.

    `torch.onnx.export` writes such files by default (`net.onnx` and `net.onnx.data`), and runtimes on other machines
    are sent one.

    Raises:
        InvalidValue: it does not exist or is damaged, or one of the files beside it is.
    """
    if not path.is_file():
        raise InvalidValue(f"{path} does not exist; give an exported .onnx file")
    with reading(path, EXPECTED):
        data = path.read_bytes()
        model = onnx.load_model_from_string(data)
        outside = [tensor for tensor in _tensors(model.graph) if external_data_helper.uses_external_data(tensor)]
        if not outside:
            return data
    _check_beside(path, outside)
    with reading(path, f"{EXPECTED} and the files that its weights are in"):
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        if model.ByteSize() > LARGEST_BYTES:
            raise InvalidValue(f"{path} is larger than 2 GiB with its weights, more than runtimes take in one piece")
        whole: bytes = model.SerializeToString()
    return whole


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """The weights of a graph, and those that stand at its nodes or in graphs within."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from [attribute.t] if attribute.HasField("t") else attribute.tensors
        for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            yield from _tensors(inner)


def _check_beside(path: Path, outside: list[TensorProto]) -> None:
    names = sorted({external_data_helper.ExternalDataInfo(tensor).location for tensor in outside})
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise InvalidValue(
            f"{path} keeps its weights in {', '.join(missing)}, which is not beside it; copy all files of the export "
            "into one folder, or export with external_data=False"
        )


def sized(name: str, data: bytes, resolution: int | None = None) -> Sized:
    """A serialised model, and the shape of its input for one image.

    Args:
        name: what errors call it.
        data: the model.
        resolution: height and width where the model leaves them open; they are fixed in what is returned.

    Raises:
        InvalidValue: it has several inputs, no numbers of float32, or sizes that nobody knows.
    """
    with reading(name, EXPECTED):
        model = onnx.load_model_from_string(data)
        value = _only_input(name, model.graph)
        sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    shape = _shape(f"{name}: the input {value.name} {_told(sizes)}", sizes, resolution)
    if all(size > 0 for size in sizes[1:]):
        return Sized(data, shape)
    for dimension, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dimension.dim_value = size
    del model.graph.value_info[:]  # sizes there are those of the open model
    return Sized(model.SerializeToString(), shape)


def _only_input(name: str, graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = f" ({', '.join(value.name for value in inputs)})" if inputs else ", so it holds no network"
        raise InvalidValue(
            f"{name}: a network with one input, an image, can be measured; this has {len(inputs)} inputs{names}"
        )
    value: onnx.ValueInfoProto = inputs[0]
    kind = value.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        known = kind in TensorProto.DataType.values() and value.type.HasField("tensor_type")
        got = TensorProto.DataType.Name(kind).lower() if known else "no tensor"
        raise InvalidValue(
            f"{name}: the input {value.name} must be an image of float32 numbers, it is {got}; export the network with "
            "such an input"
        )
    return value


def _told(sizes: list[int]) -> str:
    return f"has the sizes ({', '.join(str(size) if size > 0 else 'open' for size in sizes)})"


def _shape(what: str, sizes: list[int], resolution: int | None) -> tuple[int, ...]:
    """The sizes with a batch of 1 and `resolution` where height and width are open."""
    if not sizes:
        raise InvalidValue(f"{what}: how many there are must be stated; export the network with an example image")
    if sizes[0] > 1:
        raise InvalidValue(
            f"{what}: one image at a time is measured, and the batch is fixed at {sizes[0]}; export the network with a "
            "batch of 1 or an open one"
        )
    opened = {index for index, size in enumerate(sizes) if index and size < 1}
    sides = {1, 2} if sizes[-1] in CHANNELS_LAST else {2, 3}
    if opened and (len(sizes) != 4 or not opened <= sides):
        raise InvalidValue(
            f"{what}: only the batch, the height and the width of an image may be open; export the network with "
            f"{IMAGE_CHANNELS} channels"
        )
    if not opened and resolution is not None:
        raise InvalidValue(f"{what}, so that `resolution` {resolution} does not apply; leave it out")
    if opened and resolution is None:
        raise InvalidValue(f"{what}: height and width are open; give them as `resolution=PIXELS`")
    if resolution is not None and resolution < 1:
        raise InvalidValue(f"`resolution` must be at least 1 pixel, got {resolution}")
    return (1, *((resolution or 1) if index in opened else size for index, size in enumerate(sizes) if index))
