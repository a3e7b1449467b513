"""Whole cards, of which tests change what they are about."""

from __future__ import annotations

from sculptnet.accuracy import Accuracy
from sculptnet.average_precision import BoxScore, ClassScore
from sculptnet.data import Preprocessing
from sculptnet.data.detection import BoxPreprocessing
from sculptnet.precision import Precision
from sculptnet.records.card import (
    Agreement,
    BoxAgreement,
    BoxRules,
    BoxSource,
    Budget,
    ClassifierCard,
    ComparedBoxes,
    ComparedFile,
    DetectorCard,
    DeviceFacts,
    FileFacts,
    ImageSource,
    LimitCost,
    Measured,
    Predicted,
)

MODEL, WEIGHTS = "model.onnx", "weights.safetensors"
DEVICE = DeviceFacts("phone", {"cpu": "A", "threads": 1, "flags": ["a", "b"]})
MEASURED = Measured(latency_ms=0.8, low_ms=0.7, high_ms=0.9, noise_percent=1.0, reference_ms=0.5, loop_ms=0.6)
MEAN, STD = (0.5, 0.4, 0.25), (0.2, 0.2, 0.2)

CLASSIFIER = ClassifierCard(
    name="run",
    budget=Budget(at_most=1.0, precision=Precision.FP32, file=MODEL),
    within_budget=True,
    predicted=Predicted(latency_ms=0.9, reference_ms=0.5),
    measured={MODEL: MEASURED},
    macs=1000,
    parameters=100,
    classes=("cat", "dog"),
    method="fbnet",
    seed=0,
    device=DEVICE,
    versions={"sculptnet": "1.0", "torch": "2.7"},
    limits={"macs": LimitCost(at_most=2000.0, value=1000.0)},
    warnings=("model.onnx is less accurate",),
    accuracy={MODEL: Accuracy(((45, 5), (5, 45))), WEIGHTS: Accuracy(((46, 4), (5, 45)))},
    parity={MODEL: Agreement(1e-6, 3.5, 1.0, 8)},
    conv_fc_weights=90,
    preprocessing=Preprocessing(32, 36, MEAN, STD, float_white_level=1.0),
    data=ImageSource("photos", 80, 20, False, ("a note",), ("a warning",), "0123"),
    compared={MODEL: ComparedFile(WEIGHTS, -0.01, (-0.03, 0.01), 1, 2, 100)},
)
DETECTOR = DetectorCard(
    name="run",
    budget=None,
    within_budget=None,
    measured={MODEL: MEASURED, "without NMS": MEASURED},
    macs=1000,
    parameters=100,
    classes=("cat", "dog"),
    network="mobilenet_v2",
    starting_weights="published",
    seed=0,
    device=DEVICE,
    versions={"sculptnet": "1.0"},
    detection=BoxScore(0.4, 0.6, 5, (ClassScore("cat", 0.4, 0.6, 7, (1.0, 0.5)), ClassScore("dog", None, None, 0, ()))),
    files={MODEL: FileFacts(MODEL, 1234, "ab")},
    parity={MODEL: BoxAgreement(1.0, 0.0, 0.1, 7, 5)},
    detector=BoxRules(2, 0.2, 0.95, 0.05, 0.5, 100, 30, 0.7),
    preprocessing=BoxPreprocessing(96, MEAN, STD),
    data=BoxSource("photos", 8, 2, 5, 20, 4, 7, (), ("a box",), "0123"),
    compared={MODEL: ComparedBoxes(WEIGHTS, 0.0, None)},
)
