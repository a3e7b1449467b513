"""What specialising leaves: networks by device and budget, for people, for machines and as a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.files import read_json
from sculptnet.report import DeviceFront, SpecializedNetwork, write_specialized
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
            {**asdict(network), "folder": str(network.folder), "card": read_json(RunDirectory(network.folder).card)}
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
    card = read_json(run.card)
    event = next(event for event in reversed(run.events(lambda text: None)) if event["event"] == "specialized")
    file = card["budget"]["file"]
    return SpecializedNetwork(
        device=run.folder.parent.name,
        budget_ms=card["budget"]["at_most"],
        latency_ms=card["measured"][file]["latency_ms"],
        predicted_ms=card["predicted"]["latency_ms"],
        test_top1=card["accuracy"][file]["top1"],
        test_balanced=card["accuracy"][file]["balanced"],
        held_out_top1=event["metrics"]["top1"],
        predicted_top1=event["predicted_top1"],
        macs=card["macs"],
        parameters=card["parameters"],
        network=event["network"],
        search_seconds=event["seconds"],
        within_budget=card["within_budget"],
        folder=run.folder,
        limits=tuple((name, cost["at_most"]) for name, cost in card.get("limits", {}).items()),
        fine_tune_epochs=event["fine_tune_epochs"],
        warnings=tuple(card.get("warnings", ())),
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
            points = _front(RunDirectory(folder).events(warn))
            fronts.append(DeviceFront(folder.name, points, tuple(networks)))
    return write_specialized(origin.folder.name, fronts, origin.specialized)


def _front(events: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    found = [event["points"] for event in events if event["event"] == "front"]
    return tuple((float(ms), float(top1)) for ms, top1 in found[-1]) if found else ()
