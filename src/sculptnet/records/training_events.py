"""What trainings log. Accuracies are fractions, `seconds` are those of training, without evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Self, final

from sculptnet.errors import InvalidValue
from sculptnet.records.base import KEY, Event


@dataclass(frozen=True)
class Epoch(Event):
    """An epoch of a training.

    Attributes:
        epoch, epochs: its number, from 1, and how many there are.
        loss: the mean over its steps.
        learning_rate: of the last step.
        seconds: that its steps took.
        images_per_second: None where the clock stood still.
        metrics: what was evaluated after it, such as `top1`; its entries stand in JSON beside the other fields.

    Raises:
        InvalidValue: a metric has the name of another field.
    """

    FLAT: ClassVar[str] = "metrics"

    epoch: int
    epochs: int
    loss: float
    learning_rate: float
    seconds: float
    images_per_second: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = {KEY, "version", *(one.name for one in fields(self))} & set(self.metrics)
        if taken:
            raise InvalidValue(
                f"{type(self).__name__}: metrics must not be called {' or '.join(sorted(taken))}, which every epoch "
                "has; rename what evaluate returns"
            )


@final
@dataclass(frozen=True)
class TrainEpoch(Epoch):
    """An epoch of one network."""

    kind: ClassVar[str] = "train_epoch"


@final
@dataclass(frozen=True)
class SupernetEpoch(Epoch):
    """An epoch of a supernet that is trained in phases.

    Attributes:
        phase: its name; epochs are counted within it.
    """

    kind: ClassVar[str] = "supernet_epoch"

    phase: str = field(kw_only=True)

    @classmethod
    def of(cls, epoch: Epoch, phase: str) -> Self:
        """That of a training within `phase`."""
        return cls(**{one.name: getattr(epoch, one.name) for one in fields(epoch)}, phase=phase)


@final
@dataclass(frozen=True)
class LookedAt:
    """A network of a supernet that was looked at when a phase ended.

    Attributes:
        network: `largest`, `smallest`, `random 1`, ...
        choices: its row in the space.
        metrics: what was evaluated.
    """

    network: str
    choices: tuple[int, ...]
    metrics: Mapping[str, float]


@final
@dataclass(frozen=True)
class ShrinkPhase(Event):
    """A phase of a supernet's training has ended.

    Attributes:
        phase: its name.
        number, phases: its number, from 1, and how many there are.
        networks: those that were looked at.
    """

    kind: ClassVar[str] = "shrink_phase"

    phase: str
    number: int
    phases: int
    networks: tuple[LookedAt, ...]


@final
@dataclass(frozen=True)
class AccuracyPredictorChecked(Event):
    """An accuracy predictor was fitted; how well it says what it did not learn.

    Attributes:
        learned, held_out: candidates that it learned from, and others that it was checked with.
        rmse_points: root mean square error, percentage points.
        kendall, spearman: rank correlations; None where there is nothing to rank.
        pairs: the predicted and the true accuracy of each of the others.
    """

    kind: ClassVar[str] = "accuracy_predictor"

    learned: int
    held_out: int
    rmse_points: float | None
    kendall: float | None
    spearman: float | None
    pairs: tuple[tuple[float, float], ...]


@final
@dataclass(frozen=True)
class ProbeFitted(Event):
    """A classifier was fitted to the features of a network that is given.

    Attributes:
        images: that it was fitted to.
        strength: of the regularisation that was chosen.
        losses: by strength, cross-entropy in nats on images that were left out.
        top1: on the images that are kept back for the curve.
    """

    kind: ClassVar[str] = "probe"

    images: int
    strength: float
    losses: Mapping[str, float]
    top1: float


@final
@dataclass(frozen=True)
class FineTuned(Event):
    """All weights were fine-tuned.

    Attributes:
        probe_top1, top1: before, with the fitted classifier, and after; on images that are kept back for the curve.
        ships_probe: whether the network is shipped as it was before.
    """

    kind: ClassVar[str] = "fine_tuned"

    probe_top1: float
    top1: float
    ships_probe: bool


@final
@dataclass(frozen=True)
class RankCorrelation:
    """A rank correlation with its 95 % interval, from networks drawn with replacement; NaN where all are equal."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@final
@dataclass(frozen=True)
class ProxyChecked(Event):
    """Networks were trained briefly and for longer, to see whether both rank them alike.

    Attributes:
        asked: how many networks were asked for.
        epochs, longer_epochs: how long.
        pairs: `(trial, top1, top1 after longer training)` of each network.
        spearman, kendall: rank correlations between the two.
    """

    kind: ClassVar[str] = "proxy_check"

    asked: int
    epochs: int
    longer_epochs: int
    pairs: tuple[tuple[int, float, float], ...]
    spearman: RankCorrelation
    kendall: RankCorrelation


TRAINING: tuple[type[Event], ...] = (
    TrainEpoch,
    SupernetEpoch,
    ShrinkPhase,
    AccuracyPredictorChecked,
    ProbeFitted,
    FineTuned,
    ProxyChecked,
)
