"""Which boxes a detector should start from: those that meet the objects of the training images best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torchvision.ops import box_iou

from sculptnet.nets.detector import Detector, starting_boxes
from sculptnet.nets.ssdlite import SsdLite
from sculptnet.streams import stream

SMALLEST = (0.05, 0.06, 0.075, 0.09, 0.11, 0.13, 0.16, 0.2)
LARGEST = (0.5, 0.7, 0.95)
MOST_OBJECTS = 300


def with_fitted_boxes(
    plan: SsdLite, objects: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], seed: int = 0
) -> tuple[SsdLite, float]:
    """`plan` with the `smallest` and `largest` boxes, of a few, that meet the objects best, and how well they do.

    An object is met as well as its best box: by their intersection over union. Classes weigh the same, so a rare class
    of small objects counts. The paper's 0.2 and 0.95 are among those tried.

    Args:
        plan: everything else.
        objects: left, top, right, bottom as parts of the image, `(n, 4)`; of more than 300, so many are drawn.
        labels: their classes, `(n,)`.
        seed: of that draw.

    Returns:
        The plan, and the mean over classes of the mean intersection over union, 0..1.
    """
    order = stream(seed, "detector.boxes").permutation(len(objects))[:MOST_OBJECTS]
    drawn, classes = torch.from_numpy(objects[order] * plan.size).float(), labels[order]
    sizes, scored = Detector(plan).sizes, []
    for largest in LARGEST:
        for smallest in SMALLEST:
            boxes = starting_boxes(sizes, plan.size, smallest, largest)
            best = box_iou(drawn, boxes).max(dim=1).values.numpy()
            mean = float(np.mean([best[classes == label].mean() for label in np.unique(classes)]))
            scored.append((mean, smallest, largest))
    met, smallest, largest = max(scored)
    return replace(plan, smallest=smallest, largest=largest), met
