from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from sculptnet.accuracy import Accuracy
from sculptnet.arch import TensorShape
from sculptnet.errors import InvalidValue
from sculptnet.export import OnnxModel, accuracy_of_file, open_session, to_onnx
from sculptnet.export.session import Array, Images
from sculptnet.nets import Network

REMEDY = "name an .onnx file, such as `model/model.onnx` of a run"


@pytest.fixture
def file(network: Network, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(network, TensorShape(3, 16, 16), dynamic_batch=True).SerializeToString())
    return path


def test_accuracy_is_counted_on_what_the_runtime_answers(network: Network, file: Path, images: Images) -> None:
    with torch.no_grad():
        predicted = network(torch.from_numpy(images)).argmax(1).numpy()
    labels = predicted.copy()
    labels[0] = (labels[0] + 1) % 3
    expected = Accuracy.from_predictions(predicted, labels, 3)
    assert expected.top1 == pytest.approx(5 / 6)
    tensors: list[tuple[Array, Array]] = [
        (torch.from_numpy(images[:4]), torch.from_numpy(labels[:4])),
        (images[4:], labels[4:]),
    ]
    assert accuracy_of_file(file, tensors, 3) == expected
    assert accuracy_of_file(file, [(images, labels)], 3, threads=2) == expected


def test_no_images_are_an_error(file: Path) -> None:
    with pytest.raises(InvalidValue, match="at least one image"):
        accuracy_of_file(file, [], 3)


def test_images_in_any_memory_layout_give_the_same_logits(file: Path, images: Images) -> None:
    model = OnnxModel(file)
    channels_last = torch.from_numpy(images).to(memory_format=torch.channels_last).numpy()
    assert not channels_last.flags.c_contiguous
    np.testing.assert_array_equal(model.logits(channels_last), model.logits(images))


def test_images_of_another_size_are_named(file: Path, images: Images) -> None:
    with pytest.raises(InvalidValue) as caught:
        OnnxModel(file).logits(images[:, :, :12])
    assert str(caught.value) == f"{file} takes images of shape (batch, 3, 16, 16), got (6, 3, 12, 16)"


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as caught:
        OnnxModel(tmp_path / "model.onnx")
    assert str(caught.value) == f"{tmp_path / 'model.onnx'}: no such file; {REMEDY}"


def test_a_file_that_is_no_onnx_file_is_named(nonsense: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidValue) as caught:
        OnnxModel(nonsense)
    assert str(caught.value) == (
        f"{nonsense} is not an ONNX file that ONNX Runtime {onnxruntime.__version__} can run "
        f"(Protobuf parsing failed.); {REMEDY}"
    )
    assert capfd.readouterr() == ("", "")


def test_a_session_needs_a_thread(file: Path) -> None:
    with pytest.raises(InvalidValue, match="threads must be at least 1, got 0"):
        open_session(file, threads=0)


def test_sessions_have_the_threads_that_were_asked_for_and_do_not_spin(file: Path) -> None:
    options = open_session(file, threads=3).get_session_options()
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
