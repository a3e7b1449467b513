"""What specialising leaves: networks by device and budget, for people, for machines and as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.records import of_kind, to_plain
from sculptnet.records.card import ClassifierCard, read_card, read_card_of
from sculptnet.records.run_events import FrontFound, NetworkSpecialized
from sculptnet.report.specialized_page import DeviceFront, SpecializedNetwork, write_specialized
from sculptnet.runs import RunDirectory

FOUND = ("test", "balanced", "held out", "predicted")
HEAD = ("device", "budget", "latency", "(by the table)", *FOUND, "M MACs", "network")


@dataclass(frozen=True)
class Specialized:
    """Networks of one supernet.

    Attributes:
        run: the run that trained it.
        networks: one for each budget that was asked for, in that order.
        report: the page on all devices and budgets of this run so far.
    """

    run: Path
    networks: tuple[SpecializedNetwork, ...]
    report: Path

    @property
    def within_budget(self) -> bool:
        """Whether all measured latencies are within their budgets."""
        return all(network.within_budget for network in self.networks)

    def summary(self) -> str:
        """The result as people read it."""
        rows = [HEAD, *(_cells(network) for network in self.networks)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        over = [f"OVER the budget: {network.folder}" for network in self.networks if not network.within_budget]
        warned = [f"Warning: {network.folder}: {text}" for network in self.networks for text in network.warnings]
        places = [f"Models: {RunDirectory(self.run).specialized}", f"Report: {self.report}"]
        return "\n".join([*lines, *over, *warned, *places])

    def to_json(self) -> dict[str, Any]:
        """The result as machines read it."""
        networks = [
            {
                **asdict(network),
                "folder": str(network.folder),
                "card": to_plain(read_card(RunDirectory(network.folder).card)),
            }
            for network in self.networks
        ]
        return {"run": str(self.run), "networks": networks, "report": str(self.report)}


def _cells(network: SpecializedNetwork) -> tuple[str, ...]:
    return (
        network.device,
        network.asked,
        f"{network.latency_ms:.3f} ms",
        f"{network.predicted_ms:.3f} ms",
        f"{network.test_top1:.2%}",
        f"{network.test_balanced:.2%}",
        f"{network.held_out_top1:.2%}",
        f"{network.predicted_top1:.2%}",
        f"{network.macs / 1e6:.1f}",
        network.network,
    )


def device_networks(runs: Sequence[RunDirectory]) -> tuple[SpecializedNetwork, ...]:
    """What is known of each; all are finished."""
    return tuple(_network(run) for run in runs)


def _network(run: RunDirectory) -> SpecializedNetwork:
    card = read_card_of(run.card, ClassifierCard)
    event = of_kind(run.events(lambda text: None), NetworkSpecialized)[-1]
    assert card.budget is not None
    assert card.predicted is not None
    accuracy = card.accuracy[card.budget.file]
    return SpecializedNetwork(
        device=run.folder.parent.name,
        budget_ms=card.budget.at_most,
        latency_ms=card.judged().latency_ms,
        predicted_ms=card.predicted.latency_ms,
        test_top1=accuracy.top1,
        test_balanced=accuracy.balanced,
        held_out_top1=event.metrics["top1"],
        predicted_top1=event.predicted_top1,
        macs=card.macs,
        parameters=card.parameters,
        network=event.network,
        search_seconds=event.seconds,
        within_budget=bool(card.within_budget),
        folder=run.folder,
        limits=tuple((name, cost.at_most) for name, cost in card.limits.items()),
        fine_tune_epochs=event.fine_tune_epochs,
        warnings=card.warnings,
    )


def described(architecture: Architecture) -> str:
    """A network in a line: its resolution, and the layers of its stages."""
    stages = "|".join(" ".join(block.label() for block in stage) for stage in architecture.stages)
    return f"{architecture.resolution} px {stages}"


def write_specialized_report(origin: RunDirectory, warn: Callable[[str], None]) -> Path:
    """Writes `specialized/report.html` and its figures, of all that was ever made of this run's supernet."""
    fronts = []
    for folder in sorted(path for path in origin.specialized.iterdir() if path.is_dir()):
        finished = [RunDirectory(path) for path in sorted(folder.iterdir()) if RunDirectory(path).card.exists()]
        networks = sorted(device_networks(finished), key=lambda one: (one.budget_ms, one.limits, one.fine_tune_epochs))
        if networks:
            found = of_kind(RunDirectory(folder).events(warn), FrontFound)
            fronts.append(DeviceFront(folder.name, found[-1].points if found else (), tuple(networks)))
    return write_specialized(origin.folder.name, fronts, origin.specialized)
