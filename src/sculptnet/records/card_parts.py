"""What a card is made of: budget, latencies, agreement of files, device, data, origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from sculptnet.paired import Paired
from sculptnet.precision import Precision


@final
@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the latency may be.

    Attributes:
        metric: what is limited.
        at_most: the budget, in the unit that the metric's name ends in.
        precision: of the file that it judges.
        file: that file.
    """

    metric: str = "latency_ms"
    at_most: float
    precision: Precision = Precision.FP32
    file: str


@final
@dataclass(frozen=True)
class Predicted:
    """What a latency table says.

    Attributes:
        latency_ms: of the network.
        reference_ms: of the reference network while the table was made: the device's speed that this is for; None where
            the table does not say.
    """

    latency_ms: float
    reference_ms: float | None


@final
@dataclass(frozen=True)
class Measured:
    """The latency of a file on the device, milliseconds.

    Attributes:
        latency_ms, low_ms, high_ms: the median and its 95 % interval, between other work, as tables have it.
        noise_percent: of the measurement.
        reference_ms: of the reference network at the same time: the speed of the device.
        loop_ms: in a loop of nothing else, as benchmarks measure, at the speed of its own time.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    noise_percent: float
    reference_ms: float
    loop_ms: float


@final
@dataclass(frozen=True)
class LimitCost:
    """What the network costs of what it may; both in the unit that the limit's name ends in."""

    at_most: float
    value: float


@final
@dataclass(frozen=True)
class Agreement:
    """How an exported file and the PyTorch network agree on some images.

    Attributes:
        max_difference: the largest absolute difference of two logits.
        largest_logit: the largest absolute logit of the network.
        same_class: the fraction of images that both put into the same class, 0..1.
        num_images: how many.
    """

    max_difference: float
    largest_logit: float
    same_class: float
    num_images: int


@final
@dataclass(frozen=True)
class BoxAgreement:
    """How an exported file and PyTorch's post-processing agree on some photographs.

    Attributes:
        same: the fraction of all boxes of both that the other has too: same class, an intersection over union of 0.98
            at least, probabilities within 0.002.
        max_score_difference, max_pixels: the largest differences among those; pixels of the input.
        boxes: that PyTorch found.
        num_images: how many photographs.
    """

    same: float
    max_score_difference: float
    max_pixels: float
    boxes: int
    num_images: int


@final
@dataclass(frozen=True)
class ComparedFile:
    """A file against what it was made from, on the test images; see `Paired`.

    Attributes:
        against: the name of the other file.
        difference, interval: in top-1, -1..1, and its 95 % interval.
        only_this, only_other: images that one of the two alone gets right.
        num_images: of the comparison.
    """

    against: str
    difference: float
    interval: tuple[float, float]
    only_this: int
    only_other: int
    num_images: int

    @classmethod
    def of(cls, against: str, found: Paired) -> ComparedFile:
        """From the counts."""
        counts = (found.only_this, found.only_other, found.num_images)
        return cls(against, found.difference, found.interval(), *counts)


@final
@dataclass(frozen=True)
class ComparedBoxes:
    """A detector's file against its weights.

    Attributes:
        against: the name of the weights.
        difference, interval: in mAP, -1..1, and its 95 % interval where one is told, see `PairedMap`.
    """

    against: str
    difference: float
    interval: tuple[float, float] | None


@final
@dataclass(frozen=True)
class DeviceFacts:
    """The device that files were measured on.

    Attributes:
        name: of the device.
        details: what it says of itself, plain JSON; its entries stand in JSON beside the name.
    """

    FLAT: ClassVar[str] = "details"

    name: str
    details: Mapping[str, object]


@final
@dataclass(frozen=True)
class ImageSource:
    """The images.

    Attributes:
        name: of the data.
        train_images, test_images: how many.
        grey: whether all are grey.
        notes, warnings: what was said of them.
        fingerprint: of their contents.
    """

    name: str
    train_images: int
    test_images: int
    grey: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    fingerprint: str


@final
@dataclass(frozen=True)
class BoxSource:
    """The photographs with boxes.

    Attributes:
        name: of the data.
        train_images, monitor_images, test_images: how many; the monitor draws the curve.
        train_boxes, monitor_boxes, test_boxes: the objects in them.
        notes, dropped: what was said of them, and what was left out.
        fingerprint: of their contents.
    """

    name: str
    train_images: int
    monitor_images: int
    test_images: int
    train_boxes: int
    monitor_boxes: int
    test_boxes: int
    notes: tuple[str, ...]
    dropped: tuple[str, ...]
    fingerprint: str


@final
@dataclass(frozen=True)
class BoxRules:
    """How a detector makes and drops boxes; see `SsdLite`.

    Attributes:
        num_classes, smallest, largest, score_threshold, overlap, most_boxes: as there.
        first_boxes: how many boxes it starts from.
        met: the mean intersection over union of training objects and the first boxes that were fitted to them; None
            where they were given.
    """

    num_classes: int
    smallest: float
    largest: float
    score_threshold: float
    overlap: float
    most_boxes: int
    first_boxes: int
    met: float | None


@final
@dataclass(frozen=True)
class FileFacts:
    """A file: its name, its size, and the SHA-256 of its bytes, hexadecimal."""

    file: str
    size_bytes: int
    sha256: str


@final
@dataclass(frozen=True)
class Origin:
    """Where a network comes from.

    Attributes:
        method: that searched it; None for a network that was given.
        network: the name of the network that was given; None for one that was searched.
        starting_weights: `drawn`, `published`, the name of a file; None where nothing else than drawn ones are known.
    """

    method: str | None = None
    network: str | None = None
    starting_weights: str | None = None
