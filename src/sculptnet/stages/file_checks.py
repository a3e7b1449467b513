"""Whether an exported file is worse than what it was made from: said in print, in the card and on the page.

The rule: both classify the same test images, and only images that one of the two alone gets right tell them apart. A
file is worse where the 95 % interval of the paired difference of top-1 lies below 0 (`Paired`: McNemar's test). That
is stricter than comparing two intervals of their own, which overlap far longer. A float32 file is compared with the
weights, an int8 file with the float32 one. An int8 file must also put nine of ten training images into the class that
PyTorch puts them into; a float32 file that computes something else is never written (`export.parity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from sculptnet.accuracy import Accuracy
from sculptnet.cost import Precision
from sculptnet.export import Exported, ExportedFile
from sculptnet.export.weights import WEIGHTS
from sculptnet.paired import Paired

FILE_OF = {Precision.FP32: "model.onnx", Precision.INT8: "model.int8.onnx"}
MADE_FROM = {FILE_OF[Precision.FP32]: WEIGHTS, FILE_OF[Precision.INT8]: FILE_OF[Precision.FP32]}
LEAST_SAME_CLASS = 0.9  # of the compared training images; int8 files of trained networks reach 0.98


@final
@dataclass(frozen=True, eq=False)
class Classified:
    """What a file says about the test images.

    Attributes:
        accuracy: of its predictions.
        right: whether each image's class is the true one, in the order of the images.
    """

    accuracy: Accuracy
    right: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], num_classes: int) -> Classified:
        """From the predicted and the true class of each image."""
        return cls(Accuracy.from_predictions(predicted, labels, num_classes), predicted == labels)


def compare_files(tested: Mapping[str, Classified]) -> dict[str, Paired]:
    """Each exported file against what it was made from, by the file's name."""
    return {
        name: Paired.of(found.right, tested[MADE_FROM[name]].right)
        for name, found in tested.items()
        if name in MADE_FROM and MADE_FROM[name] in tested
    }


def warnings_of(exported: Exported, tested: Mapping[str, Classified], compared: Mapping[str, Paired]) -> list[str]:
    """A sentence for each file that is worse than what it was made from, and for each that disagrees with PyTorch."""
    worse = [
        f"{name} is less accurate than {MADE_FROM[name]}: {tested[name].accuracy.top1:.2%} of the same "
        f"{one.num_images:,} test images against {tested[MADE_FROM[name]].accuracy.top1:.2%}, a loss of "
        f"{_points(one)}. {_remedy(name)}"
        for name, one in compared.items()
        if one.worse
    ]
    return worse + [_disagreement(file) for file in exported.files if file.agreement.same_class < LEAST_SAME_CLASS]


def _points(compared: Paired) -> str:
    low, high = compared.interval()
    return f"{-100 * compared.difference:.1f} points (95 % interval, paired: {-100 * high:.1f} to {-100 * low:.1f})"


def _disagreement(file: ExportedFile) -> str:
    found = file.agreement
    return (
        f"{file.path.name} disagrees with PyTorch: {found.same_class:.0%} of {found.num_images} training images fall "
        f"into the same class, fewer than {LEAST_SAME_CLASS:.0%}. {_remedy(file.path.name)}"
    )


def _remedy(file: str) -> str:
    if file == FILE_OF[Precision.INT8]:
        return f"Use {FILE_OF[Precision.FP32]} where accuracy counts"
    return "Use another version of ONNX Runtime or PyTorch, and export again"
