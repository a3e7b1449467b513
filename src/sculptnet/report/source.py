"""What a report is made of: plain values, every one optional. Reading them from disk is the caller's business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sculptnet.arch import Architecture, Recipe, SearchSpace
from sculptnet.cost.table import LatencyTable
from sculptnet.records import Event, TrialRecord
from sculptnet.records.card import AnyCard
from sculptnet.report.values import Part


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the page can show. What is absent is left out of the page, and the page says so.

    Attributes:
        title: of the page, such as the name of the run.
        command: the command that made the run, as typed.
        events: the event log, in order; a user's own events, too. An epoch, a batch or a round that a resumed run
            logged twice counts once, the last time.
        trials: with the metrics `metric` (0..1), `predicted_latency_ms`, `measured_latency_ms`.
        card: of the model.
        table: the latency table of the device.
        architecture: the network that is shipped.
        space: the space that was searched; names the candidates of each decision.
        seconds: how long the run took in all, where known.
        recipe: how the network was trained.
        metric: by which trials are judged.
        given: the name of a network that was given, not searched; then the page does not speak of searches.
    """

    title: str = "SculptNet run"
    command: str | None = None
    events: Sequence[Event] = ()
    trials: Sequence[TrialRecord] = ()
    card: AnyCard | None = None
    table: LatencyTable | None = None
    architecture: Architecture | None = None
    space: SearchSpace | None = None
    seconds: float | None = None
    recipe: Recipe | None = None
    given: str | None = None
    metric: str = "top1"


SectionMaker: TypeAlias = Callable[[ReportData], Part]
