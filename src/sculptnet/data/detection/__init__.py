"""Photographs with boxes around objects: VOC XML and COCO JSON, batches, average precision."""

from sculptnet.average_precision import BoxScore, ClassScore
from sculptnet.data.detection.batches import BoxAugmentation, BoxBatches, evaluation_batches
from sculptnet.data.detection.preprocessing import BoxPreprocessing, box_preprocessing
from sculptnet.data.detection.reading import annotated, read_boxes
from sculptnet.data.detection.score import score_boxes
from sculptnet.data.detection.split import BoxData, Boxes, BoxSplit

__all__ = [
    "BoxAugmentation",
    "BoxBatches",
    "BoxData",
    "BoxPreprocessing",
    "BoxScore",
    "BoxSplit",
    "Boxes",
    "ClassScore",
    "annotated",
    "box_preprocessing",
    "evaluation_batches",
    "read_boxes",
    "score_boxes",
]
