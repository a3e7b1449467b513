"""A file that is worse than what it was made from is never shipped without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cards import CLASSIFIER, MEASURED

from sculptnet.cost import Precision
from sculptnet.data.detection import BoxScore
from sculptnet.data.detection.paired import PairedMap
from sculptnet.export import Agreement, Exported, ExportedFile
from sculptnet.records.card import ComparedFile
from sculptnet.report import ReportData
from sculptnet.report.run_page import head
from sculptnet.result import FitResult
from sculptnet.stages.file_checks import LEAST_SAME_CLASS, MADE_FROM, Classified, compare_files, warnings_of
from sculptnet.tasks import detect_ship
from sculptnet.zoo import mobilenet_v2


def exported(same_class: float = 1.0) -> Exported:
    files = [
        ExportedFile(Path(name), precision, 1, "0", Agreement(0.1, 1.0, same, 32))
        for name, precision, same in (
            ("model.onnx", Precision.FP32, 1.0),
            ("model.int8.onnx", Precision.INT8, same_class),
        )
    ]
    return Exported(tuple(files), Path("predict.py"))


def results_with(**lost: int) -> dict[str, Classified]:
    """Fifteen images of three classes in order, as many of the last of which each file gets wrong."""
    labels = np.repeat(np.arange(3), 5)
    results = {}
    for name, key in (("weights.safetensors", "weights"), ("model.onnx", "fp32"), ("model.int8.onnx", "int8")):
        predicted = labels.copy()
        predicted[len(labels) - lost.get(key, 0) :] = 0
        results[name] = Classified.of(predicted, labels, 3)
    return results


def warned(results: dict[str, Classified], same_class: float = 1.0) -> list[str]:
    return warnings_of(exported(same_class), results, compare_files(results))


def test_an_int8_file_that_lost_four_of_fifteen_images_is_named() -> None:
    (warning,) = warned(results_with(int8=4))
    assert warning.startswith("model.int8.onnx is less accurate than model.onnx: 73.33% of the same 15 test images")
    assert "against 100.00%, a loss of 26.7 points (95 % interval, paired:" in warning
    assert warning.endswith("Use model.onnx where accuracy counts")


def test_so_is_a_float32_file_that_is_worse_than_the_weights() -> None:
    found = warned(results_with(fp32=6, int8=6))
    assert len(found) == 1
    assert found[0].startswith("model.onnx is less accurate than weights.safetensors")


def test_what_chance_explains_and_what_is_better_is_not() -> None:
    assert warned(results_with(int8=3)) == []
    assert warned(results_with(weights=6, fp32=6)) == []


def test_an_int8_file_that_disagrees_with_pytorch_is_named() -> None:
    assert warned(results_with(), LEAST_SAME_CLASS) == []
    (warning,) = warned(results_with(), 0.75)
    assert warning.startswith("model.int8.onnx disagrees with PyTorch: 75% of 32 training images fall into the same")


def test_warnings_are_in_the_card_the_summary_and_the_page() -> None:
    results = results_with(int8=4)
    compared = compare_files(results)
    card = replace(
        CLASSIFIER,
        budget=None,
        within_budget=None,
        measured=dict.fromkeys(("model.onnx", "model.int8.onnx"), MEASURED),
        accuracy={name: one.accuracy for name, one in results.items()},
        compared={name: ComparedFile.of(MADE_FROM[name], one) for name, one in compared.items()},
        warnings=tuple(warnings_of(exported(), results, compared)),
    )
    assert card.compared["model.int8.onnx"].against == "model.onnx"
    assert card.compared["model.int8.onnx"].interval[1] < 0
    assert "Warning: model.int8.onnx is less" in FitResult(Path("r"), mobilenet_v2(3, 32), card, None).summary()
    (warning,) = head(ReportData(card=card)).warnings
    assert warning.startswith("model.int8.onnx is less accurate than model.onnx")


@pytest.mark.parametrize(("interval", "count"), [((-0.3, -0.1), 1), ((-0.3, 0.1), 0), (None, 0)])
def test_a_detector_whose_file_lost_precision_is_named(interval: tuple[float, float] | None, count: int) -> None:
    found = detect_ship.warnings_of(BoxScore(0.3, 0.5, 40, ()), PairedMap(-0.2, interval))
    assert len(found) == count
    assert all("mAP 30.0% on the same 40 test photographs against 50.0%, a loss of 20.0 points" in one for one in found)
