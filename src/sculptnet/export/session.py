"""ONNX Runtime as we use it: on the CPU, with a stated number of threads, quiet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from torch import Tensor

from sculptnet.accuracy import Accuracy
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.export.metadata import Metadata, metadata_of
from sculptnet.files import at_home

PROVIDERS = ["CPUExecutionProvider"]
ONLY_ERRORS = 3  # ONNX Runtime's log severity
NAME_A_MODEL = "name an .onnx file, such as `model/model.onnx` of a run"
Images: TypeAlias = npt.NDArray[np.float32]
Array: TypeAlias = Tensor | npt.NDArray[Any]  # on the CPU


def open_session(model: bytes | Path, *, threads: int = 1) -> ort.InferenceSession:
    """A session on the CPU with `threads` threads in each operation, one operation at a time, no spinning.

    Raises:
        InvalidValue: `model` is no ONNX file, or one that this ONNX Runtime cannot run.
    """
    if threads < 1:
        raise InvalidValue(f"threads must be at least 1, got {threads}")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ONLY_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    name = "the model" if isinstance(model, bytes) else str(model)
    if isinstance(model, Path) and not model.is_file():
        raise InvalidValue(f"{name}: no such file; {NAME_A_MODEL}")
    try:
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=PROVIDERS)
    except Exception as error:  # the runtime's exceptions share no other base
        reason = str(error).strip().splitlines()[0].rpartition(" : ")[2].rpartition("failed:")[2]
        raise InvalidValue(
            f"{name} is not an ONNX file that ONNX Runtime {ort.__version__} can run ({reason}); {NAME_A_MODEL}"
        ) from error


@final
class OnnxModel:
    """An exported network in ONNX Runtime.

    Attributes:
        path: the file.
        session: ONNX Runtime's session.
    """

    def __init__(self, path: Path | str, *, threads: int = 1) -> None:
        self.path = at_home(Path(path))
        self.session = open_session(self.path, threads=threads)
        self._input = self.session.get_inputs()[0]

    @property
    def metadata(self) -> Metadata:
        """Class names and preprocessing; raises `InvalidValue` if the file was not exported with them."""
        return metadata_of(self.session.get_modelmeta().custom_metadata_map, str(self.path))

    def logits(self, images: Images) -> npt.NDArray[np.float32]:
        """Logits `(batch, classes)` of `images`, float32 `(batch, 3, height, width)`, normalised.

        Raises:
            InvalidValue: the file takes images of another shape.
            DeviceError: the runtime failed.
        """
        expected = self._input.shape
        if len(expected) != images.ndim or any(
            isinstance(size, int) and size != got for size, got in zip(expected, images.shape, strict=True)
        ):
            wanted = ", ".join(map(str, expected))
            raise InvalidValue(f"{self.path} takes images of shape ({wanted}), got {images.shape}")
        try:
            (logits,) = self.session.run(None, {self._input.name: np.ascontiguousarray(images, dtype=np.float32)})
        except Exception as error:  # the runtime's exceptions share no other base
            raise DeviceError(f"ONNX Runtime {ort.__version__} failed on {self.path}: {error}") from error
        return np.asarray(logits, dtype=np.float32)


def accuracy_of_file(
    path: Path | str, batches: Iterable[tuple[Array, Array]], num_classes: int, *, threads: int = 1
) -> Accuracy:
    """How often the file at `path` is right, by the runtime itself.

    Args:
        path: an exported .onnx file with an open batch.
        batches: images, float32 `(batch, 3, height, width)`, normalised, and labels, `(batch,)`; arrays or tensors.
        num_classes: of the data.
        threads: of ONNX Runtime.

    Raises:
        InvalidValue: the file or the images do not fit.
    """
    return Accuracy.from_predictions(*classified_by_file(path, batches, threads=threads), num_classes)


def classified_by_file(
    path: Path | str, batches: Iterable[tuple[Array, Array]], *, threads: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The class that the file puts each image into, and its label; arguments and errors as of `accuracy_of_file`."""
    model = OnnxModel(path, threads=threads)
    predicted, labels = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for images, wanted in batches:
        predicted.append(model.logits(np.asarray(images)).argmax(axis=1))
        labels.append(np.asarray(wanted, dtype=np.int64))
    return np.concatenate(predicted), np.concatenate(labels)
