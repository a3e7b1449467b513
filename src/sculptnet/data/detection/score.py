"""How good boxes are: COCO's average precision, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sculptnet.average_precision import BoxScore, ClassScore
from sculptnet.data.detection.split import BoxSplit
from sculptnet.errors import InvalidValue, MissingExtra

RECALLS = tuple(round(0.01 * step, 2) for step in range(101))  # where COCO reads precision
FIRST_ID = 1  # pycocotools takes the id 0 for no match
Detected = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]


def score_boxes(split: BoxSplit, detected: Sequence[Detected], classes: Sequence[str]) -> BoxScore:
    """Average precision of `detected`.

    Args:
        split: the photographs and their objects.
        detected: for each photograph left, top, right, bottom in its pixels `(n, 4)`, scores `(n,)`, labels `(n,)`.
        classes: names.

    Raises:
        InvalidValue: not one entry for each photograph, or no photograph has a box.
        MissingExtra: pycocotools is not installed.
    """
    if len(detected) != len(split):
        raise InvalidValue(f"score_boxes: {len(detected)} results for {len(split)} photographs; one each is needed")
    counts = np.bincount(
        np.concatenate([one.labels[~one.ignored] for one in split.boxes] or [np.empty(0, np.int64)]),
        minlength=len(classes),
    )
    if not counts.sum():
        raise InvalidValue(f"score_boxes: none of the {len(split)} photographs has a box to be found")
    precision = _precision(split, detected, len(classes))
    scores = []
    for label, name in enumerate(classes):
        known = counts[label] > 0
        columns = precision[:, :, label]
        scores.append(
            ClassScore(
                name,
                float(columns.mean()) if known else None,
                float(columns[0].mean()) if known else None,
                int(counts[label]),
                tuple(columns[0].round(4).tolist()) if known else (),
            )
        )
    aps = [(one.ap, one.ap50) for one in scores if one.ap is not None and one.ap50 is not None]
    ap, ap50 = (math.fsum(column) / len(aps) for column in zip(*aps, strict=True))
    return BoxScore(ap, ap50, len(split), tuple(scores))


def require_pycocotools() -> None:
    """Raises `MissingExtra` where detectors cannot be judged."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as error:
        raise MissingExtra("average precision needs pycocotools: pip install 'sculptnet[detection]'") from error


def _precision(split: BoxSplit, detected: Sequence[Detected], classes: int) -> npt.NDArray[np.float64]:
    """Precision at thresholds 0.5 to 0.95, 101 recalls, each class: `(10, 101, classes)`."""
    require_pycocotools()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    found = [
        (image, left, top, right - left, bottom - top, score, label + FIRST_ID)
        for image, (boxes, scores, labels) in enumerate(detected, FIRST_ID)
        for (left, top, right, bottom), score, label in zip(
            boxes.tolist(), scores.tolist(), labels.tolist(), strict=True
        )
    ]
    if not found:
        return np.zeros((10, len(RECALLS), classes))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        truth = COCO()
        truth.dataset = _dataset(split, classes)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(np.array(found, dtype=np.float64)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision: npt.NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, -1]  # any area, 100 boxes an image
    return precision


def _dataset(split: BoxSplit, classes: int) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for image, (corners, labels, ignored) in enumerate(split.boxes, FIRST_ID):
        for (left, top, right, bottom), label, crowd in zip(
            corners.tolist(), labels.tolist(), ignored.tolist(), strict=True
        ):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + FIRST_ID,
                    "image_id": image,
                    "category_id": label + FIRST_ID,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(crowd),
                }
            )
    return {
        "info": {},
        "images": [
            {"id": index + FIRST_ID, "width": int(width), "height": int(height)}
            for index, (width, height) in enumerate(split.sizes)
        ],
        "annotations": annotations,
        "categories": [{"id": label + FIRST_ID, "name": str(label)} for label in range(classes)],
    }
