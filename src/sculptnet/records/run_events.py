"""What the stages of a run log: data, tables, budgets, files, comparisons, and how long commands worked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from sculptnet.accuracy import Accuracy
from sculptnet.average_precision import BoxScore
from sculptnet.records.base import Event


@final
@dataclass(frozen=True)
class CommandBegun(Event):
    """A command began to work on the run.

    Attributes:
        until: the stage that it goes to.
        seconds: since it was called.
    """

    kind: ClassVar[str] = "command_begun"

    until: str
    seconds: float


@final
@dataclass(frozen=True)
class CommandEnded(Event):
    """A command ended, however it did; attributes as of `CommandBegun`."""

    kind: ClassVar[str] = "command"

    until: str
    seconds: float


@final
@dataclass(frozen=True)
class DataSeen(Event):
    """What was said of the data before anything was measured.

    Attributes:
        notes: of reading.
        warnings: doubts about images.
        dropped: what photographs with boxes lost when they were read.
    """

    kind: ClassVar[str] = "data"

    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class TableMeasured(Event):
    """A latency table was measured.

    Attributes:
        name: of the cost.
        entries: how many blocks it has.
        slope, constant_ms: fitted on whole networks.
        seconds: what measuring took, without held-out networks.
        mape_percent, bias_percent, spearman, noise_percent: its error on held-out networks, see `HeldOut`; None where
            nobody looked.
    """

    kind: ClassVar[str] = "table"

    name: str
    entries: int
    slope: float
    constant_ms: float
    seconds: float
    mape_percent: float | None
    bias_percent: float | None
    spearman: float | None
    noise_percent: float | None


@final
@dataclass(frozen=True)
class PredictionsChecked:
    """Predictions of a cost against measurements of whole networks.

    Attributes:
        networks: how many.
        mape_percent, bias_percent: mean absolute and mean signed error over what was measured.
        spearman: rank correlation; None where there is nothing to rank.
        noise_percent: that no prediction can be below; None where nobody knows.
        pairs: predicted and measured, in the unit of the cost.
    """

    networks: int
    mape_percent: float
    bias_percent: float
    spearman: float | None
    noise_percent: float | None
    pairs: tuple[tuple[float, float], ...]


@final
@dataclass(frozen=True)
class EnergyMeasured(Event):
    """The power of the processor was measured.

    Attributes:
        schema: of `energy.json`.
        name: of the cost.
        watts: while a network runs.
        measured_w: of each network that this is the mean of.
        held_out: energies in millijoules against measurements; None where nobody looked.
    """

    kind: ClassVar[str] = "energy"

    schema: int
    name: str
    watts: float
    measured_w: tuple[float, ...]
    held_out: PredictionsChecked | None


@final
@dataclass(frozen=True)
class Feasibility(Event):
    """Where the budget lies in the space.

    Attributes:
        cost: the name of the limited cost, which has its unit.
        fastest, median, slowest: of the networks of the space, the median of random ones.
        at_most: the budget.
    """

    kind: ClassVar[str] = "feasibility"

    cost: str
    fastest: float
    median: float
    slowest: float
    at_most: float


@final
@dataclass(frozen=True)
class FileTested(Event):
    """A file was judged by the test images.

    Attributes:
        file: its name.
        accuracy: of a classifier; None for a detector.
        detection: of a detector; None for a classifier.
    """

    kind: ClassVar[str] = "test"

    file: str
    accuracy: Accuracy | None = None
    detection: BoxScore | None = None


@final
@dataclass(frozen=True)
class BaselineJudged(Event):
    """A comparison was trained, exported, timed and tested.

    Attributes:
        name: of the comparison.
        accuracy: of its file, on the test images.
        latency_ms, low_ms, high_ms: the median and its 95 % interval, at the speed of the shipped file's time.
        parameters, macs: counts.
    """

    kind: ClassVar[str] = "baseline"

    name: str
    accuracy: Accuracy
    latency_ms: float
    low_ms: float
    high_ms: float
    parameters: int
    macs: int


@final
@dataclass(frozen=True)
class BoxBaselineJudged(Event):
    """A detector on another backbone was trained, exported, timed and tested; see `BaselineJudged`.

    Attributes:
        name, latency_ms, low_ms, high_ms, parameters, macs: as there.
        detection: of its file, on the test photographs.
    """

    kind: ClassVar[str] = "box_baseline"

    name: str
    detection: BoxScore
    latency_ms: float
    low_ms: float
    high_ms: float
    parameters: int
    macs: int


@final
@dataclass(frozen=True)
class CarvedBlock:
    """A block that was cut.

    Attributes:
        path: of the block.
        start, carved: before and after, for people.
        kl_nats: how far answers move if this block alone is replaced: mean divergence over images, nats.
    """

    path: str
    start: str
    carved: str
    kl_nats: float


@final
@dataclass(frozen=True)
class Carved(Event):
    """A network was carved out of a trained one.

    Attributes:
        blocks: those that were cut.
        kept: how many blocks stayed as they were.
        kl_nats: how far the answers of the whole moved, before any training, nats.
    """

    kind: ClassVar[str] = "carved"

    blocks: tuple[CarvedBlock, ...]
    kept: int
    kl_nats: float


@final
@dataclass(frozen=True)
class FrontFound(Event):
    """The networks of a supernet that no other one beats on a device.

    Attributes:
        device: its name.
        points: predicted latency (ms) and predicted accuracy, the fastest first.
    """

    kind: ClassVar[str] = "front"

    device: str
    points: tuple[tuple[float, float], ...]


@final
@dataclass(frozen=True)
class NetworkSpecialized(Event):
    """A network was cut out of a supernet for a device and a budget.

    Attributes:
        network: the architecture in a line.
        seconds: of evolution, measuring whole, and judging.
        predicted_top1: by the accuracy predictor, a fraction.
        metrics: what was found of it before fine-tuning.
        fine_tune_epochs: of training after it was cut out.
    """

    kind: ClassVar[str] = "specialized"

    network: str
    seconds: float
    predicted_top1: float
    metrics: Mapping[str, float]
    fine_tune_epochs: int


RUNNING: tuple[type[Event], ...] = (
    CommandBegun,
    CommandEnded,
    DataSeen,
    TableMeasured,
    EnergyMeasured,
    Feasibility,
    FileTested,
    BaselineJudged,
    BoxBaselineJudged,
    Carved,
    FrontFound,
    NetworkSpecialized,
)
