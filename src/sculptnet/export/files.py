"""The files of an exported network: `model.onnx`, `model.int8.onnx`, and a script that needs neither us nor PyTorch."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import final

import numpy as np
from onnx import ModelProto
from torch import nn

from sculptnet._version import __version__
from sculptnet.arch import IMAGE_CHANNELS, TensorShape
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.errors import InvalidValue, collected
from sculptnet.export.agreement import TOLERANCE, compare, parity
from sculptnet.export.graph import to_onnx
from sculptnet.export.int8 import quantise
from sculptnet.export.metadata import Metadata, attach
from sculptnet.export.scripts import shipped_script
from sculptnet.export.session import Images, OnnxModel
from sculptnet.nets import Network
from sculptnet.precision import Precision
from sculptnet.records.card import Agreement
from sculptnet.state import Progress, no_progress
from sculptnet.streams import stream

SCRIPT = "predict.py"
COMPARED_IMAGES = 32  # several also show that the batch is open: graphs are traced at 1
PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "pillow")


@final
@dataclass(frozen=True)
class ExportedFile:
    """One ONNX file.

    Attributes:
        path: of the file.
        precision: the numbers it computes with.
        size_bytes: of the file.
        sha256: of its bytes, hexadecimal; the same network gives the same.
        agreement: with the PyTorch network, on images drawn from the calibration (or normal noise without).
    """

    path: Path
    precision: Precision
    size_bytes: int
    sha256: str
    agreement: Agreement


@final
@dataclass(frozen=True)
class Exported:
    """What `export_model` wrote: the ONNX files, float32 first, and the stand-alone script."""

    files: tuple[ExportedFile, ...]
    script: Path

    def paths(self) -> dict[str, Path]:
        """The ONNX files by name."""
        return {file.path.name: file.path for file in self.files}

    def parities(self) -> dict[str, Agreement]:
        """How each ONNX file agrees with the PyTorch network, by name."""
        return {file.path.name: file.agreement for file in self.files}

    def file(self, precision: Precision) -> ExportedFile:
        """The file of that precision; raises `InvalidValue` if it was not exported."""
        for file in self.files:
            if file.precision is precision:
                return file
        raise InvalidValue(f"no {precision.value} file was exported; int8 needs calibration images")


def export_model(
    network: nn.Module,
    preprocessing: Preprocessing,
    classes: Sequence[str],
    folder: Path,
    *,
    name: str = "model",
    calibration: Sequence[Images] | None = None,
    tolerance: float = TOLERANCE,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Exported:
    """Writes `network` as `NAME.onnx`, with calibration images also as `NAME.int8.onnx`, and `predict.py`.

    All files are made and checked first, then moved into `folder`: an error leaves what was there.

    Args:
        network: trained, from images to logits; left as it is.
        preprocessing: how images become its input; travels in the files.
        classes: names in the order of the logits; travel in the files.
        folder: made if it does not exist.
        name: of the files, without ending.
        calibration: for int8, see `quantise`; None exports float32 alone.
        tolerance: see `parity`.
        threads: of ONNX Runtime.
        progress: told about calibration.

    Raises:
        InvalidValue: classes, preprocessing and network do not fit each other, or a file cannot be made.
        DeviceError: the float32 file computes something else than the network.
    """
    shape = TensorShape(IMAGE_CHANNELS, preprocessing.resolution, preprocessing.resolution)
    model = _checked(to_onnx(network, shape, dynamic_batch=True), network, preprocessing, classes)
    attach(model, Metadata(tuple(classes), preprocessing))
    models = {Precision.FP32: (f"{name}.onnx", model)}
    images = _noise(shape)
    if calibration is not None:
        images = _drawn(calibration) if calibration else images
        reported = _reported(calibration, progress)
        models[Precision.INT8] = (f"{name}.int8.onnx", quantise(model, reported, threads=threads))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as workplace:
        files = []
        for precision, (file_name, content) in models.items():
            data = content.SerializeToString(deterministic=True)
            written = Path(workplace) / file_name
            written.write_bytes(data)
            opened = OnnxModel(written, threads=threads)
            if precision is Precision.FP32:
                parity(opened, network, images, tolerance=tolerance)
            agreement = compare(opened, network, images)
            digest = hashlib.sha256(data).hexdigest()
            files.append(ExportedFile(folder / file_name, precision, len(data), digest, agreement))
        (Path(workplace) / SCRIPT).write_bytes(shipped_script("standalone"))
        for moved in (*(file.path for file in files), folder / SCRIPT):
            os.replace(Path(workplace) / moved.name, moved)
    return Exported(tuple(files), folder / SCRIPT)


def versions() -> dict[str, str]:
    """The versions of what made a file: SculptNet, Python and the packages that take part."""
    found = {"sculptnet": __version__, "python": platform.python_version()}
    return found | {package: version(package) for package in PACKAGES}


def _checked(model: ModelProto, network: nn.Module, preprocessing: Preprocessing, classes: Sequence[str]) -> ModelProto:
    sizes = tuple(dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim)[1:]
    problems = []
    if len(sizes) != 1:
        problems.append(f"the network gives an output of shape {sizes} an image, not logits")
    elif sizes[0] != len(classes):
        problems.append(f"the network gives {sizes[0]} logits, there are {len(classes)} classes")
    repeated = sorted({item for item in classes if list(classes).count(item) > 1})
    if repeated:
        problems.append(f"classes need different names, {', '.join(map(repr, repeated))} occur more than once")
    if isinstance(network, Network) and network.architecture.resolution != preprocessing.resolution:
        problems.append(
            f"preprocessing makes images of {preprocessing.resolution} pixels, the architecture is for "
            f"{network.architecture.resolution}"
        )
    if problems:
        raise InvalidValue(collected(problems, "export_model"))
    return model


def _drawn(batches: Sequence[Images]) -> Images:
    """Some of all the images: the first ones are often all of one class."""
    drawn = stream(0, "export.compared").permutation(sum(map(len, batches)))[:COMPARED_IMAGES]
    chosen = frozenset(drawn.tolist())
    return np.stack([image for index, image in enumerate(chain.from_iterable(batches)) if index in chosen])


def _noise(shape: TensorShape) -> Images:
    return stream(0, "export.parity").standard_normal((COMPARED_IMAGES, *shape)).astype(np.float32)


def _reported(batches: Sequence[Images], progress: Progress) -> Iterator[Images]:
    for index, batch in enumerate(batches):
        progress("calibrating int8", index, len(batches))
        yield batch
    progress("calibrating int8", len(batches), len(batches))
