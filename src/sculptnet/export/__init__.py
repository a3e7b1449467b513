"""Trained networks as files: ONNX in float32 and int8, weights, predictions from files. Knows no device."""

from sculptnet.export.agreement import compare, parity
from sculptnet.export.files import Exported, ExportedFile, export_model, versions
from sculptnet.export.graph import to_onnx
from sculptnet.export.int8 import quantise
from sculptnet.export.metadata import Metadata
from sculptnet.export.prediction import Predictions, predict
from sculptnet.export.session import OnnxModel, accuracy_of_file, open_session
from sculptnet.export.weights import load_network, save_network
from sculptnet.records.card import Agreement

__all__ = [
    "Agreement",
    "Exported",
    "ExportedFile",
    "Metadata",
    "OnnxModel",
    "Predictions",
    "accuracy_of_file",
    "compare",
    "export_model",
    "load_network",
    "open_session",
    "parity",
    "predict",
    "quantise",
    "save_network",
    "to_onnx",
    "versions",
]
