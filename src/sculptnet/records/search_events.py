"""What searches log. Costs have the unit that the name of their cost ends in, such as `latency_ms@DEVICE`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from sculptnet.records.base import Event


@final
@dataclass(frozen=True)
class SearchEpoch(Event):
    """An epoch of a differentiable search.

    Attributes:
        epoch, epochs: its number, from 1, and how many there are.
        phase: `weights` while only weights are trained, `architecture` afterwards.
        loss, accuracy: of the steps on weights; the accuracy is a fraction of their images.
        tau: the temperature of the Gumbel softmax.
        entropy: of a decision, nats, averaged over decisions.
        probabilities: of the options of each decision, by path.
        seconds: that the epoch took.
        theta_loss, theta_accuracy: of the steps on architecture parameters; None while only weights are trained.
        cost, expected_cost: the name of the limited cost, and its expectation; None without a limit.
    """

    kind: ClassVar[str] = "search_epoch"

    epoch: int
    epochs: int
    phase: str
    loss: float
    accuracy: float
    tau: float
    entropy: float
    probabilities: Mapping[str, tuple[float, ...]]
    seconds: float
    theta_loss: float | None = None
    theta_accuracy: float | None = None
    cost: str | None = None
    expected_cost: float | None = None


@final
@dataclass(frozen=True)
class SearchDraws(Event):
    """Candidates are drawn from learned probabilities, within a limit.

    Attributes:
        pass_rate: the fraction of draws that would meet the limit if nothing saw to it.
        cost, at_most: the limit.
    """

    kind: ClassVar[str] = "search_draws"

    pass_rate: float
    cost: str
    at_most: float


@final
@dataclass(frozen=True)
class SearchBatch(Event):
    """A batch of candidates of a search by reinforcement learning.

    Attributes:
        batch: its number, from 1.
        candidates: proposed so far.
        failed: of this batch.
        entropy: of a decision of the controller, nats.
        reward, best_reward, value: the mean and the best reward and the mean objective; None where all failed.
        baseline: what rewards are compared with; None in the first batch.
        within: the fraction of candidates within the first limit; None, as the next three, without a limit.
        cost, at_most: that limit.
        costs: of each candidate that did not fail.
    """

    kind: ClassVar[str] = "search_batch"

    batch: int
    candidates: int
    failed: int
    entropy: float
    reward: float | None = None
    best_reward: float | None = None
    value: float | None = None
    baseline: float | None = None
    within: float | None = None
    cost: str | None = None
    at_most: float | None = None
    costs: tuple[float, ...] | None = None


@final
@dataclass(frozen=True)
class SearchPretrained(Event):
    """The predictor of a joint search has learned what costs nothing.

    Attributes:
        pool: candidates of the coarse stage.
        r2: by statistic, the share of variance that its encoder explains, held out; nan where there is none.
    """

    kind: ClassVar[str] = "search_pretrained"

    pool: int
    r2: Mapping[str, float | None]


@final
@dataclass(frozen=True)
class SearchRound(Event):
    """A round of a joint search.

    Attributes:
        stage: `coarse` or `fine`.
        round: its number, from 1.
        candidates, failed: of the round.
        epochs: that its candidates were trained for; None for their recipes' own length.
        best, mean: of the objective; None where all failed.
        pairs: the prediction from before the round and the value of each candidate; None while nothing was predicted.
        generations, predicted: of the genetic search before a fine round: how many, and the best prediction.
    """

    kind: ClassVar[str] = "search_round"

    stage: str
    round: int
    candidates: int
    failed: int
    epochs: int | None
    best: float | None = None
    mean: float | None = None
    pairs: tuple[tuple[float, float], ...] | None = None
    generations: int | None = None
    predicted: float | None = None


@final
@dataclass(frozen=True)
class SearchStop(Event):
    """How long later rounds of a joint search are trained.

    Attributes:
        correlations: Spearman's, between the accuracies after so many epochs and those at the end.
        wanted: from which on a training counts as long enough.
        epochs: the least that reaches it; None where nothing shorter does.
    """

    kind: ClassVar[str] = "search_stop"

    correlations: Mapping[str, float]
    wanted: float
    epochs: int | None


@final
@dataclass(frozen=True)
class SearchRefined(Event):
    """A round of a search with the predictor of another run.

    Attributes:
        round: its number, from 1.
        seconds, generations: of the genetic search.
        predicted: the best accuracy by the predictor.
    """

    kind: ClassVar[str] = "search_refined"

    round: int
    seconds: float
    generations: int
    predicted: float


SEARCHING: tuple[type[Event], ...] = (
    SearchEpoch,
    SearchDraws,
    SearchBatch,
    SearchPretrained,
    SearchRound,
    SearchStop,
    SearchRefined,
)
