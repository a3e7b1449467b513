from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.export import Metadata, OnnxModel, accuracy_of_file, export_model, versions
from sculptnet.export.session import Images
from sculptnet.nets import Network, initialise
from sculptnet.precision import Precision
from sculptnet.testing.elsewhere import run_elsewhere

CLASSES = ("falling", "rising", "plain")
WHAT_ANOTHER_PROCESS_DOES = """
import sys
from pathlib import Path
import numpy as np
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.export import export_model
from sculptnet.nets import Network, initialise
from sculptnet.spaces import fbnet

space = fbnet(3, 16, channels=(8, 16), layers=(1, 3), strides=(1, 2), stem_channels=8, head_channels=24)
network = Network(space.decode([1, 5, 8, 3]).architecture)
initialise(network, 0)
images = np.random.default_rng(0).standard_normal((6, 3, 16, 16)).astype(np.float32)
preprocessing = Preprocessing(16, 18, (0.5, 0.45, 0.4), (0.25, 0.2, 0.3))
exported = export_model(network, preprocessing, ("a", "b", "c"), Path(sys.argv[1]), calibration=[images])
print(*(file.sha256 for file in exported.files))
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_are_what_they_are_said_to_be(
    network: Network, preprocessing: Preprocessing, images: Images, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    exported = export_model(
        network,
        preprocessing,
        CLASSES,
        tmp_path / "model",
        calibration=[images[:4], images[4:]],
        progress=lambda *event: told.append(event),
    )
    assert exported.paths() == {name: tmp_path / "model" / name for name in ("model.onnx", "model.int8.onnx")}
    assert [file.precision for file in exported.files] == [Precision.FP32, Precision.INT8]
    assert exported.file(Precision.INT8).path.name == "model.int8.onnx"
    written = content(tmp_path / "model")
    assert written.keys() == {"model.onnx", "model.int8.onnx", "predict.py"}
    for file in exported.files:
        data = written[file.path.name]
        assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert OnnxModel(file.path).metadata == Metadata(CLASSES, preprocessing)
        assert file.agreement == exported.parities()[file.path.name]
        onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    assert exported.file(Precision.FP32).agreement.max_difference < 1e-5
    assert exported.file(Precision.FP32).agreement.num_images == 6  # all of the calibration
    assert told == [("calibrating int8", done, 2) for done in (0, 1, 2)]


def test_files_are_compared_on_images_drawn_from_all_of_the_calibration(
    network: Network, preprocessing: Preprocessing, images: Images, tmp_path: Path
) -> None:
    """Images of a later class are ten times as large: whoever looks at the first ones alone never sees them."""
    sorted_by_class = [np.repeat(images, 10, axis=0), 10 * np.repeat(images, 10, axis=0)]
    exported = export_model(network, preprocessing, CLASSES, tmp_path, calibration=sorted_by_class)
    agreement = exported.file(Precision.FP32).agreement
    assert agreement.num_images == 32
    with torch.no_grad():
        assert agreement.largest_logit > 2 * float(network(torch.from_numpy(sorted_by_class[0])).abs().max())


def test_without_calibration_there_is_no_int8_file(
    network: Network, preprocessing: Preprocessing, tmp_path: Path
) -> None:
    exported = export_model(network, preprocessing, CLASSES, tmp_path, name="small")
    assert content(tmp_path).keys() == {"small.onnx", "predict.py"}
    with pytest.raises(InvalidValue, match="no int8 file was exported; int8 needs calibration images"):
        exported.file(Precision.INT8)


def test_the_same_network_gives_the_same_bytes_in_another_process(
    tiny_fbnet: SearchSpace, preprocessing: Preprocessing, images: Images, tmp_path: Path
) -> None:
    network = Network(tiny_fbnet.decode([1, 5, 8, 3]).architecture)
    initialise(network, 0)
    exported = export_model(network, preprocessing, ("a", "b", "c"), tmp_path / "here", calibration=[images])
    told = run_elsewhere(WHAT_ANOTHER_PROCESS_DOES, str(tmp_path / "there"))
    assert told.split() == [file.sha256 for file in exported.files]


def test_modules_that_are_no_architecture_are_exported_too(preprocessing: Preprocessing, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert export_model(module, preprocessing, CLASSES, tmp_path).files[0].agreement.max_difference < 1e-5


def test_what_does_not_fit_is_named_all_at_once(network: Network, preprocessing: Preprocessing, tmp_path: Path) -> None:
    larger = Preprocessing(20, 24, preprocessing.mean, preprocessing.std)
    with pytest.raises(InvalidValue) as caught:
        export_model(network, larger, ("a", "b", "a", "b"), tmp_path / "model")
    assert str(caught.value) == (
        "export_model: 3 problems\n"
        "  - the network gives 3 logits, there are 4 classes\n"
        "  - classes need different names, 'a', 'b' occur more than once\n"
        "  - preprocessing makes images of 20 pixels, the architecture is for 16"
    )
    assert not (tmp_path / "model").exists()


def test_a_network_that_ends_in_a_map_is_no_classifier(preprocessing: Preprocessing, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"the network gives an output of shape \(3, 16, 16\) an image, not logits"):
        export_model(Conv(3).build(3), preprocessing, CLASSES, tmp_path)


def test_an_error_leaves_the_files_that_were_there(
    network: Network, preprocessing: Preprocessing, images: Images, tmp_path: Path
) -> None:
    export_model(network, preprocessing, CLASSES, tmp_path, calibration=[images])
    before = content(tmp_path)
    nn.init.constant_(network.get_parameter("classifier.bias"), 1.0)
    with pytest.raises(DeviceError, match=r"^model\.onnx: "):
        export_model(network, preprocessing, CLASSES, tmp_path, calibration=[images], tolerance=0.0)
    with pytest.raises(InvalidValue, match="no calibration images"):
        export_model(network, preprocessing, CLASSES, tmp_path, calibration=[])
    assert content(tmp_path) == before


def test_versions_of_all_that_takes_part_are_stated() -> None:
    assert versions().keys() == {"sculptnet", "python", "torch", "onnx", "onnxruntime", "numpy", "pillow"}
    assert versions()["torch"] == torch.__version__.partition("+")[0]


def gratings(rng: np.random.Generator, count: int) -> tuple[Images, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Falling and rising stripes, and none, under noise."""
    labels = rng.integers(3, size=count)
    y, x = np.mgrid[:16, :16]
    phase, noise = rng.uniform(0, 2 * np.pi, (count, 1, 1)), rng.standard_normal((count, 3, 16, 16))
    waves = np.stack([np.sin(1.2 * (y - x) + phase), np.sin(1.2 * (y + x) + phase), np.zeros((count, 16, 16))])
    return (waves[labels, np.arange(count)][:, None] + noise).astype(np.float32), labels


def test_a_trained_network_loses_little_in_int8(
    preprocessing: Preprocessing, rng: np.random.Generator, tmp_path: Path
) -> None:
    stages = ((Conv(12, stride=2), Conv(16, stride=2)),)
    network = Network(Architecture(16, Conv(8), stages, PooledConv(24), Classifier(3)))
    initialise(network, 0)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(40):
        images, labels = gratings(rng, 64)
        loss = nn.functional.cross_entropy(network(torch.from_numpy(images)), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    exported = export_model(network, preprocessing, CLASSES, tmp_path, calibration=[gratings(rng, 64)[0]])
    test = [gratings(rng, 200) for _ in range(3)]
    exact, coarse = (accuracy_of_file(path, test, 3).top1 for path in exported.paths().values())
    assert exact > 0.8
    assert abs(exact - coarse) < 0.02
