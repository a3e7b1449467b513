"""The card of a shipped model, `model/card.json`: what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, final

from sculptnet.accuracy import Accuracy
from sculptnet.average_precision import BoxScore
from sculptnet.data.detection.preprocessing import BoxPreprocessing
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.errors import InvalidValue, RunError
from sculptnet.files import read_json
from sculptnet.paired import Paired
from sculptnet.precision import Precision
from sculptnet.records.codec import KIND, VERSION_KEY, from_plain, version_of

C = TypeVar("C", bound="Card")


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


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of any shipped model.

    Attributes:
        schema: 1, for scripts that look at it; `version` is what tells layouts apart.
        name: of the run.
        budget: None where there was none.
        within_budget: whether the measured latency of the judged file is within it; None without one.
        predicted: by the latency table; None where nothing was predicted.
        measured: by the name of a file.
        macs, parameters: counts.
        classes: names, in the order of the outputs.
        method, network, starting_weights: see `Origin`.
        seed: of the run.
        device: that files were measured on.
        versions: of SculptNet, Python and packages.
        limits: beside the latency, by metric.
        warnings: about files.
    """

    version: ClassVar[int] = 1
    LEAN: ClassVar[bool] = True

    schema: Literal[1] = 1
    name: str
    budget: Budget | None
    within_budget: bool | None
    predicted: Predicted | None = None
    measured: Mapping[str, Measured]
    macs: int
    parameters: int
    classes: tuple[str, ...]
    method: str | None = None
    network: str | None = None
    starting_weights: str | None = None
    seed: int
    device: DeviceFacts
    versions: Mapping[str, str]
    limits: Mapping[str, LimitCost] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def judged(self) -> Measured:
        """The latency of the file that the budget judges.

        Raises:
            InvalidValue: there is no budget.
        """
        if self.budget is None:
            raise InvalidValue(f"{self.name} was made without a budget on latency, so none of its files is judged")
        return self.measured[self.budget.file]


@final
@dataclass(frozen=True, kw_only=True)
class ClassifierCard(Card):
    """The card of a classifier.

    Attributes:
        predicted: as in `Card`.
        accuracy: of each file on the test images.
        parity: of each exported file with PyTorch.
        conv_fc_weights: how many weights convolutions and linear layers have.
        preprocessing: how an image becomes the input.
        data: the images.
        compared: each exported file with what it was made from.
    """

    predicted: Predicted | None
    accuracy: Mapping[str, Accuracy]
    parity: Mapping[str, Agreement]
    conv_fc_weights: int
    preprocessing: Preprocessing
    data: ImageSource
    compared: Mapping[str, ComparedFile] = field(default_factory=dict)


@final
@dataclass(frozen=True, kw_only=True)
class DetectorCard(Card):
    """The card of a detector.

    Attributes:
        kind: `detector`.
        detection: the boxes of the file in the test photographs.
        files: exported.
        parity: of each exported file with PyTorch.
        detector: how it makes boxes.
        preprocessing: how a photograph becomes the input.
        data: the photographs.
        compared: each exported file with the weights.
    """

    kind: Literal["detector"] = "detector"
    detection: BoxScore
    files: Mapping[str, FileFacts]
    parity: Mapping[str, BoxAgreement]
    detector: BoxRules
    preprocessing: BoxPreprocessing
    data: BoxSource
    compared: Mapping[str, ComparedBoxes] = field(default_factory=dict)


AnyCard: TypeAlias = ClassifierCard | DetectorCard
CARDS: tuple[type[Card], ...] = (ClassifierCard, DetectorCard)
_REMEDY = "restore it, or ship the model again with `fresh=True`"


def read_card(path: Path) -> AnyCard:
    """The card in a file.

    Raises:
        RunError: it is damaged, of another version, or of an older SculptNet and lacks what this one reads.
    """
    return _read(path, read_json(path))


def read_card_of(path: Path, kind: type[C]) -> C:
    """The card in a file, of a classifier or of a detector; errors as of `read_card`, and where it is of the other."""
    card = read_card(path)
    if not isinstance(card, kind):
        raise RunError(f"{path} is a {type(card).__name__}, and a {kind.__name__} is needed; name another run")
    return card


def _read(path: Path, data: Any) -> AnyCard:
    if not isinstance(data, Mapping):
        raise RunError(f"{path} cannot be read: a card is a JSON object, got {type(data).__name__}; {_REMEDY}")
    if KIND not in data:  # written before cards said what they are
        kind = DetectorCard if data.get("kind") == "detector" else ClassifierCard
        differing = _differences(data, kind)
        if differing:
            raise RunError(f"{path} cannot be read: it is the card of an older SculptNet, {differing}; {_REMEDY}")
        data = {KIND: kind.__name__, VERSION_KEY: version_of(kind), **data}
    try:
        if data[KIND] == DetectorCard.__name__:
            return from_plain(data, DetectorCard)
        return from_plain(data, ClassifierCard)
    except InvalidValue as error:
        raise RunError(f"{path} cannot be read: {error}; {_REMEDY}") from error


def _differences(data: Mapping[str, Any], kind: type[Card]) -> str:
    """Which keys a card lacks and which it has beyond those of its kind; empty if none."""
    known = {one.name for one in fields(kind)}
    needed = {one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}
    parts = (("which lacks", needed - set(data)), ("which has the unknown", set(data) - known))
    return " and ".join(f"{words} {', '.join(sorted(names))}" for words, names in parts if names)
