"""The files of a detector: weights, an ONNX file that gives boxes, a script that needs neither us nor PyTorch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from onnx import helper
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
from torchvision.ops import box_iou

from sculptnet.arch import architecture_from_json, to_json
from sculptnet.blocks import ALL
from sculptnet.data.detection.preprocessing import BoxPreprocessing, prepare_photo, stated_preprocessing
from sculptnet.data.detection.score import Detected
from sculptnet.data.detection.split import BoxSplit
from sculptnet.errors import DeviceError, InvalidValue, collected
from sculptnet.export.detector_graph import detector_graph
from sculptnet.export.scripts import shipped_script
from sculptnet.export.session import Images, open_session
from sculptnet.export.weights import ARCHITECTURE, WEIGHTS
from sculptnet.files import read_json, reading, write_atomic, write_json
from sculptnet.nets.detector import Detector
from sculptnet.nets.ssdlite import SsdLite
from sculptnet.records.card import BoxAgreement, FileFacts

MODEL, PLAN, SCRIPT = "model.onnx", "detector.json", "predict.py"
CLASSES, PREPROCESSING = "classes", "detector"  # keys of the file's `metadata_props`
SAME_OVERLAP, SAME_SCORE, LEAST_SAME = 0.98, 2e-3, 0.98  # float32 sums in another order move boxes a little


@final
class OnnxDetector:
    """An exported detector in ONNX Runtime.

    Attributes:
        path: the file.
        classes: names.
        preprocessing: how photographs become its input.

    Raises:
        InvalidValue: the file is none of a detector.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path, self.session = path, open_session(path, threads=threads)
        known: Mapping[str, str] = self.session.get_modelmeta().custom_metadata_map
        missing = [key for key in (CLASSES, PREPROCESSING) if key not in known]
        if missing:
            raise InvalidValue(
                f"{path} is an ONNX file without {' and '.join(map(repr, missing))} in its metadata; name a detector's "
                "`model/model.onnx`"
            )
        with reading(path, "a detector's `model/model.onnx`"):
            self.classes: tuple[str, ...] = tuple(json.loads(known[CLASSES]))
            self.preprocessing = stated_preprocessing(json.loads(known[PREPROCESSING]))

    def heads(self, image: Images) -> Detected:
        """Boxes in pixels of the input, scores and labels of one prepared image, float32 `(1, 3, size, size)`."""
        try:
            boxes, scores, labels = self.session.run(None, {self.session.get_inputs()[0].name: image})
        except Exception as error:  # the runtime's exceptions share no other base
            raise DeviceError(f"ONNX Runtime {ort.__version__} failed on {self.path}: {error}") from error
        return boxes, scores, labels

    def detect(self, split: BoxSplit, index: int) -> Detected:
        """What it finds in one photograph, boxes in pixels of the photograph."""
        image = prepare_photo(split.image(index), self.preprocessing)
        boxes, scores, labels = self.heads(image[None])
        scale = np.tile(split.sizes[index], 2).astype(np.float32) / np.float32(self.preprocessing.size)
        return boxes * scale, scores, labels


def export_detector(
    detector: Detector,
    preprocessing: BoxPreprocessing,
    classes: Sequence[str],
    folder: Path,
    images: Images,
    *,
    threads: int = 1,
) -> tuple[FileFacts, BoxAgreement]:
    """Writes `model.onnx` with decoding and overlaps inside, and `predict.py`, after the file was checked.

    Args:
        detector: trained, on the CPU; left as it is.
        preprocessing: how photographs become its input; travels in the file.
        classes: names in the order of the labels; travel in the file.
        folder: made if it does not exist.
        images: float32 `(n, 3, size, size)`: photographs on which the file must find what PyTorch finds.
        threads: of ONNX Runtime.

    Returns:
        The file's size in bytes and SHA-256, and how both agree.

    Raises:
        InvalidValue: classes, preprocessing and detector do not fit each other.
        DeviceError: the file finds something else.
    """
    problems = []
    if len(classes) != detector.plan.num_classes or len(set(classes)) != len(classes):
        problems.append(f"the detector tells {detector.plan.num_classes} classes apart, got {list(classes)}")
    if preprocessing.size != detector.plan.size:
        problems.append(f"preprocessing makes images of {preprocessing.size} pixels, not {detector.plan.size}")
    if problems:
        raise InvalidValue(collected(problems, "export_detector"))
    model = detector_graph(detector)
    stated = {name: value for name, value in to_json(preprocessing).items() if name != "kind"}
    helper.set_model_props(model, {CLASSES: json.dumps(list(classes)), PREPROCESSING: json.dumps(stated)})
    data = model.SerializeToString(deterministic=True)
    path = folder / MODEL
    partial = folder / f".{MODEL}.checked"
    write_atomic(partial, data)
    agreement = compare_boxes(OnnxDetector(partial, threads=threads), detector, images)
    partial.unlink()
    if agreement.same < LEAST_SAME:
        raise DeviceError(
            f"{MODEL}: ONNX Runtime {ort.__version__} and PyTorch {torch.__version__} agree on "
            f"{agreement.same:.1%} of the boxes, at least {LEAST_SAME:.0%} is asked for; use another version of one"
        )
    write_atomic(path, data)
    write_atomic(folder / SCRIPT, shipped_script("detector_standalone"))
    return FileFacts(MODEL, len(data), hashlib.sha256(data).hexdigest()), agreement


@torch.no_grad()
def compare_boxes(model: OnnxDetector, detector: Detector, images: Images) -> BoxAgreement:
    """Runs `images`, float32 `(n, 3, size, size)`, through the file and through PyTorch; neither is changed."""
    modes = [(module, module.training) for module in detector.modules()]
    detector.eval()
    same = total = boxes = 0
    score, pixels = 0.0, 0.0
    for image in images:
        (ours,) = detector.detections(detector(torch.from_numpy(image[None])))
        here: Detected = (ours.boxes.numpy(), ours.scores.numpy(), ours.labels.numpy())
        there = model.heads(image[None])
        for one, other in ((here, there), (there, here)):
            count, by_score, by_pixels = _met(one, other)
            same, total = same + count, total + len(one[1])
            score, pixels = max(score, by_score), max(pixels, by_pixels)
        boxes += len(here[1])
    _restore(modes)
    return BoxAgreement(same / total if total else 1.0, score, pixels, boxes, len(images))


def _restore(modes: Sequence[tuple[nn.Module, bool]]) -> None:
    for module, training in modes:
        module.training = training


def _met(one: Detected, other: Detected) -> tuple[int, float, float]:
    """How many boxes of `one` the other has too, and the largest differences among them."""
    if not len(one[1]) or not len(other[1]):
        return 0, 0.0, 0.0
    overlap = box_iou(torch.from_numpy(one[0]), torch.from_numpy(other[0])).numpy()
    apart = np.abs(one[1][:, None] - other[1][None])
    fits = (overlap >= SAME_OVERLAP) & (apart <= SAME_SCORE) & (one[2][:, None] == other[2][None])
    best: npt.NDArray[np.int64] = np.where(fits, overlap, -1).argmax(axis=1)
    rows = np.flatnonzero(fits.any(axis=1))
    if not len(rows):
        return 0, 0.0, 0.0
    moved = np.abs(one[0][rows] - other[0][best[rows]])
    return len(rows), float(apart[rows, best[rows]].max()), float(moved.max())


def save_detector(detector: Detector, classes: Sequence[str], preprocessing: BoxPreprocessing, folder: Path) -> None:
    """Writes `architecture.json` (the backbone), `detector.json` and `weights.safetensors` into `folder`."""
    plan = {name: value for name, value in to_json(detector.plan).items() if name not in ("kind", "backbone")}
    write_json(folder / ARCHITECTURE, to_json(detector.plan.backbone))
    write_json(folder / PLAN, {"ssdlite": plan, "classes": list(classes), "preprocessing": to_json(preprocessing)})
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()}
    write_atomic(folder / WEIGHTS, save(tensors))


def load_detector(folder: Path, *, blocks: Sequence[type] = ALL) -> tuple[Detector, tuple[str, ...], BoxPreprocessing]:
    """What `save_detector` wrote: the detector, on the CPU, in eval mode; its classes; its preprocessing.

    Args:
        folder: holds the files.
        blocks: the block classes that the backbone may use.

    Raises:
        InvalidValue: a file is missing or broken, or the weights are those of another detector.
    """
    remedy = "name the `model` folder of a detector's run"
    missing = [name for name in (ARCHITECTURE, PLAN, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise InvalidValue(f"{folder} has no {' and no '.join(missing)}; {remedy}")
    with reading(folder / PLAN, "a detector's plan as it was written"):
        stated = read_json(folder / PLAN)
        plan = SsdLite(architecture_from_json(read_json(folder / ARCHITECTURE), blocks), **stated["ssdlite"])
        detector = Detector(plan)
        classes, preprocessing = tuple(stated["classes"]), stated_preprocessing(stated["preprocessing"])
    try:
        detector.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, ValueError, KeyError, OSError) as error:
        raise InvalidValue(f"{folder / WEIGHTS} does not fit {PLAN} ({error}); {remedy}") from error
    return detector.eval(), classes, preprocessing
