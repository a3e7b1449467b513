"""A detector as files: the ONNX file finds what PyTorch finds, its script runs alone, weights come back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from tests.boxes import SIZE, photo, tiny_backbone
from tests.deep import png16, tiff16

from sculptnet.data.detection import BoxPreprocessing
from sculptnet.data.detection.preprocessing import prepare_photo
from sculptnet.errors import InvalidValue
from sculptnet.export import detector_standalone
from sculptnet.export.detector_files import OnnxDetector, compare_boxes, export_detector, load_detector, save_detector
from sculptnet.export.detector_graph import detector_graph, timed_copy
from sculptnet.export.session import Images, open_session
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.ssdlite import SsdLite

CLASSES = ("disk", "square")
PREPROCESSING = BoxPreprocessing(SIZE, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


@pytest.fixture(scope="module")
def detector() -> Detector:
    """With weights large enough that images differ in what is found."""
    made = Detector(SsdLite(tiny_backbone(), 2, most_boxes=12, score_threshold=0.3))
    initialise_detector(made, 1)
    with torch.no_grad():
        for layer in (*made.head.classification_head.module_list, *made.head.regression_head.module_list):
            layer[1].weight.mul_(40)
    made.eval()
    return made


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(0).standard_normal((6, 3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(detector: Detector, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model"
    export_detector(detector, PREPROCESSING, CLASSES, path, images)
    save_detector(detector, CLASSES, PREPROCESSING, path)
    return path


def test_the_file_finds_what_pytorch_finds(detector: Detector, folder: Path, images: Images) -> None:
    model = OnnxDetector(folder / "model.onnx")
    agreement = compare_boxes(model, detector, images)
    assert agreement.same == 1.0
    assert agreement.boxes > 6
    assert agreement.max_pixels < 0.01
    counts = []
    for image in images:
        boxes, scores, labels = model.heads(image[None])
        with torch.no_grad():
            (expected,) = detector.detections(detector(torch.from_numpy(image[None])))
        assert labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(scores, expected.scores, atol=1e-5)
        np.testing.assert_allclose(boxes, expected.boxes, atol=1e-2)
        counts.append(len(scores))
    assert max(counts) <= 12
    assert model.classes == CLASSES
    assert model.preprocessing == PREPROCESSING


def test_overlaps_are_dropped_by_onnx_itself(detector: Detector) -> None:
    graph = detector_graph(detector).graph
    operations = [node.op_type for node in graph.node]
    assert operations.count("NonMaxSuppression") == 1
    assert not {"Loop", "If", "Scan"} & set(operations)
    assert [value.name for value in graph.output] == ["boxes", "scores", "labels"]
    assert detector_graph(detector).SerializeToString() == detector_graph(detector).SerializeToString()


def test_an_image_without_objects_gives_no_boxes(detector: Detector, images: Images) -> None:
    strict = Detector(SsdLite(tiny_backbone(), 2, score_threshold=0.999)).eval()
    initialise_detector(strict, 0)
    session = open_session(detector_graph(strict).SerializeToString())
    shapes = [value.shape for value in session.run(None, {"images": images[:1]})]
    assert shapes == [(0, 4), (0,), (0,)]


def test_the_timed_copy_sees_its_photograph_whatever_it_is_given(detector: Detector, images: Images) -> None:
    model = detector_graph(detector)
    session = open_session(timed_copy(model, images[:1]).SerializeToString())
    (one,) = session.run(None, {"images": images[1:2]})
    (other,) = session.run(None, {"images": images[2:3]})
    parts = open_session(model.SerializeToString()).run(None, {"images": images[:1]})
    assert one == other == pytest.approx(sum(float(part.sum()) for part in parts), rel=1e-5)


def test_weights_come_back(detector: Detector, folder: Path, images: Images, tmp_path: Path) -> None:
    loaded, classes, preprocessing = load_detector(folder)
    assert (classes, preprocessing, loaded.plan) == (CLASSES, PREPROCESSING, detector.plan)
    with torch.no_grad():
        assert torch.equal(loaded(torch.from_numpy(images)), detector(torch.from_numpy(images)))
    with pytest.raises(InvalidValue, match=r"has no architecture.json and no detector.json and no weights"):
        load_detector(tmp_path)


def test_the_script_runs_alone_and_draws(detector: Detector, folder: Path, tmp_path: Path) -> None:
    image, _ = photo(np.random.default_rng(3), 96, 80)
    image.save(tmp_path / "photo.png")
    command = [
        sys.executable,
        "-I",
        str(folder / "predict.py"),
        "--threshold",
        "0.35",
        "--out",
        str(tmp_path / "drawn"),
    ]
    done = subprocess.run([*command, "--json", str(tmp_path / "photo.png")], capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)
    pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)).astype(np.float32) / 255
    mean, std = np.array(PREPROCESSING.mean, np.float32), np.array(PREPROCESSING.std, np.float32)
    ready = ((pixels - mean) / std).transpose(2, 0, 1)[None]
    boxes, scores, labels = OnnxDetector(folder / "model.onnx").heads(np.ascontiguousarray(ready, dtype=np.float32))
    kept = scores >= 0.35
    assert [one["class"] for one in row["objects"]] == [CLASSES[label] for label in labels[kept]]
    scale = np.array([96, 80, 96, 80]) / SIZE
    assert kept.any()
    np.testing.assert_allclose([one["box"] for one in row["objects"]], boxes[kept] * scale, rtol=1e-4, atol=1e-3)
    drawn = Image.open(tmp_path / "drawn" / "photo.png")
    assert drawn.size == (96, 80)
    assert np.abs(np.asarray(drawn.convert("RGB")).astype(int) - np.asarray(image)).max() > 50
    failed = subprocess.run([*command, str(tmp_path / "gone.png")], capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stderr.strip()) == (2, f"{tmp_path / 'gone.png'} does not exist")


def test_the_script_sees_deep_photographs_as_training_does(detector: Detector, images: Images, tmp_path: Path) -> None:
    preprocessing = replace(PREPROCESSING, white_level=4095, float_white_level=1.0)
    export_detector(detector, preprocessing, CLASSES, tmp_path, images)
    save_detector(detector, CLASSES, preprocessing, tmp_path)
    runtime = OnnxDetector(tmp_path / "model.onnx")
    assert runtime.preprocessing == load_detector(tmp_path)[2] == preprocessing
    bright, _ = photo(np.random.default_rng(3), 96, 80)
    deep = np.asarray(bright).astype(np.uint16) * 16
    (tmp_path / "deep.png").write_bytes(png16(deep))
    (tmp_path / "deep.tiff").write_bytes(tiff16(deep, packed=True))
    Image.fromarray(np.asarray(bright)[..., 0].astype(np.float32) / 256).save(tmp_path / "floats.tiff")
    for name in ("deep.png", "deep.tiff", "floats.tiff"):
        (theirs,) = detector_standalone.detect(tmp_path / "model.onnx", [str(tmp_path / name)], 0.0)
        with Image.open(tmp_path / name) as image:
            ours = runtime.heads(prepare_photo(image, preprocessing)[None])
        assert [one["score"] for one in theirs] == ours[1].tolist(), name
    (found,) = detector_standalone.detect(tmp_path / "model.onnx", [str(tmp_path / "deep.png")], 0.0)
    scale = np.asarray(drawn_by_the_script(tmp_path, "deep.png")).mean() / np.asarray(bright).mean()
    assert found
    assert 0.9 < scale < 1.2  # not black


def drawn_by_the_script(folder: Path, name: str) -> Image.Image:
    command = [sys.executable, "-I", str(folder / "predict.py"), "--out", str(folder / "drawn"), str(folder / name)]
    subprocess.run(command, capture_output=True, check=True)
    return Image.open(folder / "drawn" / f"{Path(name).stem}.png").convert("RGB")


def test_what_does_not_fit_is_told(detector: Detector, folder: Path, images: Images, tmp_path: Path) -> None:
    smaller = BoxPreprocessing(32, (0, 0, 0), (1, 1, 1))
    with pytest.raises(InvalidValue) as raised:
        export_detector(detector, smaller, ("one",), tmp_path, images)
    assert "tells 2 classes apart, got ['one']" in str(raised.value)
    assert "makes images of 32 pixels, not 64" in str(raised.value)
    assert not list(tmp_path.iterdir())
    plain = onnx.load(folder / "model.onnx")
    del plain.metadata_props[:]
    (tmp_path / "plain.onnx").write_bytes(plain.SerializeToString())
    with pytest.raises(InvalidValue, match="without 'classes' and 'detector' in its metadata"):
        OnnxDetector(tmp_path / "plain.onnx")
