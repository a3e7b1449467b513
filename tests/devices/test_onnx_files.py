"""ONNX files that other exporters wrote: weights beside them, open sizes, inputs that are no image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from sculptnet.devices.measure import onnx_model
from sculptnet.devices.onnx_files import read_onnx, sized
from sculptnet.devices.onnxruntime import OnnxRuntime
from sculptnet.devices.plan import Plan, Quality
from sculptnet.devices.remote.packing import pieces_of
from sculptnet.errors import DeviceError, InvalidValue

Size = int | str | None


def model(*sizes: Size, inputs: int = 1, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A 3x3 convolution of the inputs' sum."""
    names = [f"x{index}" for index in range(inputs)]
    values = [helper.make_tensor_value_info(name, kind, sizes) for name in names]
    nodes = [helper.make_node("Sum", names, ["s"]), helper.make_node("Conv", ["s", "w"], ["y"])]
    weights = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w")
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", values, [output], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def outside(path: Path, *, at_a_node: bool = False) -> None:
    """Writes a model whose weights are in a file beside it."""
    made = model(1, 3, 8, 8)
    if at_a_node:
        constant = helper.make_node("Constant", [], ["w"], value=made.graph.initializer[0])
        made.graph.node.insert(0, constant)
        del made.graph.initializer[:]
    onnx.save_model(
        made,
        path,
        save_as_external_data=True,
        location=f"{path.name}.data",
        size_threshold=0,
        convert_attribute=True,
    )


def runs(data: bytes, resolution: int | None = None) -> float:
    """The time of the model on ONNX Runtime."""
    made = onnx_model("net", data, resolution=resolution)
    plan = Plan({"net": made}, made, Quality(rounds=2, chunk_ms=0.01, warm_up_runs=0))
    return max(measurement.reference_ms for measurement in OnnxRuntime().measure(plan))


@pytest.mark.parametrize("at_a_node", [False, True])
def test_weights_beside_the_file_are_put_into_one_piece(tmp_path: Path, at_a_node: bool) -> None:
    outside(tmp_path / "net.onnx", at_a_node=at_a_node)
    (tmp_path / "net.onnx").rename(tmp_path / "moved.onnx")  # its name for the weights is another
    whole = read_onnx(tmp_path / "moved.onnx")
    assert runs(whole) > 0
    assert b"".join(pieces_of(whole)) == whole  # as it travels to another machine


def test_what_torch_exports_by_default_is_read(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.LazyLinear(2)).eval()
    image = torch.zeros(1, 3, 8, 8)
    net(image)
    torch.onnx.export(net, (image,), tmp_path / "net.onnx", verbose=False)
    assert (tmp_path / "net.onnx.data").exists()
    assert runs(read_onnx(tmp_path / "net.onnx")) > 0


def test_files_in_one_piece_are_left_as_they_are(tmp_path: Path) -> None:
    data = model(1, 3, 8, 8).SerializeToString()
    (tmp_path / "net.onnx").write_bytes(data)
    assert read_onnx(tmp_path / "net.onnx") == data
    assert sized("net", data) == (data, (1, 3, 8, 8))


def test_weights_that_are_not_there_or_too_short_are_named(tmp_path: Path) -> None:
    outside(tmp_path / "net.onnx")
    (tmp_path / "net.onnx.data").write_bytes(b"short")
    with pytest.raises(InvalidValue, match=r"net\.onnx cannot be read"):
        read_onnx(tmp_path / "net.onnx")
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(InvalidValue, match=r"keeps its weights in net\.onnx\.data, which is not beside it; copy all"):
        read_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("sizes", [(None, 3, "h", "w"), ("n", 3, None, 12), (1, 3, 12, "width")])
def test_open_height_and_width_take_the_resolution(sizes: tuple[Size, ...]) -> None:
    data = model(*sizes).SerializeToString()
    assert sized("net", data, 12).shape == (1, 3, 12, 12)
    assert runs(data, 12) > 0
    with pytest.raises(InvalidValue, match=r"height and width are open; give them as `resolution=PIXELS`"):
        sized("net", data)


def test_channels_may_come_last() -> None:
    assert sized("net", model(1, "h", "w", 3).SerializeToString(), 12).shape == (1, 12, 12, 3)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (model(1, 3, 8, 8, inputs=2), r"this has 2 inputs \(x0, x1\)"),
        (onnx.ModelProto(), r"this has 0 inputs, so it holds no network"),
        (model(1, 3, 8, 8, kind=TensorProto.UINT8), r"image of float32 numbers, it is uint8"),
        (model(4, 3, 8, 8), r"\(4, 3, 8, 8\): one image at a time is measured, and the batch is fixed at 4"),
        (model(None, "c", 8, 8), r"\(open, open, 8, 8\): only the batch, the height and the width"),
        (model(None, "words"), r"\(open, open\): only the batch"),
        (model(), r"has the sizes \(\): how many there are must be stated"),
    ],
)
def test_inputs_that_are_not_one_image_are_described(made: onnx.ModelProto, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        sized("net", made.SerializeToString())


def test_sizes_that_the_file_has_are_not_changed() -> None:
    with pytest.raises(InvalidValue, match=r"\(1, 3, 8, 8\), so that `resolution` 64 does not apply; leave it out"):
        sized("net", model(1, 3, 8, 8).SerializeToString(), 64)


@pytest.mark.parametrize("content", [b"", b"hello world", b"\xff" * 100, model(1, 3, 8, 8).SerializeToString()[:-40]])
def test_damaged_files_are_one_error(content: bytes, run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    code, out, err = run("measure", str(file))
    assert (code, out) == (2, "")
    assert str(file) in err
    with pytest.raises((InvalidValue, DeviceError)):
        runs(read_onnx(file))


def test_a_file_with_open_sizes_is_measured_by_the_command(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(model("n", 3, "h", "w").SerializeToString())
    code, out, _ = run("measure", str(file), "--resolution", "8")
    assert code == 0
    assert " ms (95 %" in out
