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
from sculptnet.records.card_parts import (
    Agreement,
    BoxAgreement,
    BoxRules,
    BoxSource,
    Budget,
    ComparedBoxes,
    ComparedFile,
    DeviceFacts,
    FileFacts,
    ImageSource,
    LimitCost,
    Measured,
    Origin,
    Predicted,
)
from sculptnet.records.codec import KIND, VERSION_KEY, from_plain, version_of

__all__ = [
    "CARDS",
    "Agreement",
    "AnyCard",
    "BoxAgreement",
    "BoxRules",
    "BoxSource",
    "Budget",
    "Card",
    "ClassifierCard",
    "ComparedBoxes",
    "ComparedFile",
    "DetectorCard",
    "DeviceFacts",
    "FileFacts",
    "ImageSource",
    "LimitCost",
    "Measured",
    "Origin",
    "Predicted",
    "read_card",
    "read_card_of",
]

C = TypeVar("C", bound="Card")


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
