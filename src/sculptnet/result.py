"""What a run leaves: for people, for machines, and as a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sculptnet import blocks
from sculptnet.arch import Architecture, classes_in
from sculptnet.cost import macs
from sculptnet.errors import RunError
from sculptnet.export import load_network
from sculptnet.nets import Network
from sculptnet.records import to_plain
from sculptnet.records.card import Card, ClassifierCard
from sculptnet.runs import RunDirectory
from sculptnet.stages.feasibility import NOTICED_SLOWER
from sculptnet.stages.proxy import ProxyCheck
from sculptnet.stages.trade_off import BoxTradeOff, TradeOff, describe


@dataclass(frozen=True)
class FitResult:
    """A run, as far as it went.

    Attributes:
        folder: the run directory.
        architecture: of the network that is shipped, or of the best finalist.
        card: `model/card.json`, or None before the export.
        report: the page, or None before it is written.
        front: the trials that no other one beats in both accuracy and measured latency, the fastest first.
        proxy: how well trials predict longer training, if that was checked.
    """

    folder: Path
    architecture: Architecture
    card: ClassifierCard | None
    report: Path | None
    front: tuple[TradeOff, ...] = ()
    proxy: ProxyCheck | None = None

    @property
    def within_budget(self) -> bool | None:
        """Whether the measured latency is within the budget; None without one, and before it is measured."""
        return None if self.card is None else self.card.within_budget

    def network(self) -> Network:
        """The trained network.

        Raises:
            RunError: the run stopped before the export.
        """
        if self.card is None:
            raise RunError(f"{self.folder} has no trained model yet; run `sculptnet fit {self.folder}`")
        return load_network(RunDirectory(self.folder).model, blocks=(*blocks.ALL, *classes_in(self.architecture)))

    def summary(self) -> str:
        """The result as people read it."""
        if self.card is None:
            size = f"{macs(self.architecture) / 1e6:.1f} M MACs"
            found = f"Found a network of {size}; stopped as asked. `sculptnet fit {self.folder}` goes on"
            return "\n".join([*self._searched(), found])
        lines = []
        for name, timing in self.card.measured.items():
            accuracy = self.card.accuracy[name]
            low, high = accuracy.interval()
            lines.append(
                f"{name:<16} {timing.latency_ms:8.3f} ms ({timing.loop_ms:.3f} in a loop)   "
                f"top-1 {accuracy.top1:.2%} ({low:.2%} to {high:.2%}), balanced {accuracy.balanced:.2%}"
            )
        lines.append(self._verdict(self.card))
        for name, cost in self.card.limits.items():
            lines.append(f"{name} is {_amount(cost.value)}, within the limit of {_amount(cost.at_most)}")
        lines += [f"Warning: {warning}" for warning in self.card.warnings]
        lines.append(f"Model:  {RunDirectory(self.folder).model}")
        lines = [*self._searched(), *lines]
        return "\n".join([*lines, *([f"Report: {self.report}"] if self.report else [])])

    def _searched(self) -> list[str]:
        """What the search found besides: worth telling where it had to weigh accuracy against latency."""
        front = describe(self.front) if len(self.front) > 1 else []
        return [*front, *([str(self.proxy)] if self.proxy is not None else [])]

    def _verdict(self, card: ClassifierCard) -> str:
        """The budget, if there is one, and the device."""
        budget, device = card.budget, card.device.name
        if budget is None:
            return f"Measured on {device}; no budget was given"
        over = card.judged().latency_ms / budget.at_most - 1
        within = f"within the budget of {budget.at_most:g} ms"
        if over > 0:
            within = f"OVER the budget of {budget.at_most:g} ms by {over:.1%}{slowed(card)}"
        return f"{budget.file} is {within} on {device}"

    def to_json(self) -> dict[str, Any]:
        """The result as machines read it."""
        return plain_result(self.folder, self.card, self.report, self.front, self.proxy)


def plain_result(
    folder: Path,
    card: Card | None,
    report: Path | None,
    front: Sequence[TradeOff | BoxTradeOff],
    proxy: ProxyCheck | None,
) -> dict[str, Any]:
    """A result of either task as machines read it."""
    return {
        "run": str(folder),
        "card": None if card is None else to_plain(card),
        "report": str(report) if report else None,
        "front": [one.to_json() for one in front],
        "proxy": None if proxy is None else asdict(proxy),
    }


def slowed(card: Card) -> str:
    """How much of an excess is the device's own: its speed now, against the one that the search counted with."""
    if card.predicted is None or card.predicted.reference_ms is None:
        return ""
    timing = card.judged()
    slower = timing.reference_ms / card.predicted.reference_ms
    if slower < NOTICED_SLOWER:
        return ""
    at_then = timing.latency_ms / slower
    return f" (it takes {at_then:.3f} ms at the speed of the table; the device is {slower:.2f} times as slow now)"


def _amount(value: float) -> str:
    """Counts in full, measured amounts to three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
