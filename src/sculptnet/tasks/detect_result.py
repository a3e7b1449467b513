"""What a run that trains a detector leaves: for people, for machines, and as a network."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from sculptnet.arch import Architecture
from sculptnet.errors import RunError
from sculptnet.export.detector_files import load_detector
from sculptnet.nets.detector import Detector
from sculptnet.records.card import DetectorCard
from sculptnet.result import plain_result, slowed
from sculptnet.runs import RunDirectory
from sculptnet.stages.proxy import ProxyCheck
from sculptnet.stages.trade_off import Best, BoxTradeOff, described


@dataclass(frozen=True)
class DetectionResult:
    """A finished run.

    Attributes:
        folder: the run directory.
        architecture: of the detector's backbone.
        card: `model/card.json`, or None before the export.
        report: the page, or None before it is written.
        front: the trials of a search that no other one beats in both average precision and measured latency, the
            fastest first.
        proxy: how well trials predict longer training, if that was checked.
    """

    folder: Path
    architecture: Architecture
    card: DetectorCard | None
    report: Path | None
    front: tuple[BoxTradeOff, ...] = ()
    proxy: ProxyCheck | None = None

    @property
    def within_budget(self) -> bool | None:
        """Whether the measured latency is within the budget; None without one, and before it is measured."""
        return None if self.card is None else self.card.within_budget

    def network(self) -> Detector:
        """The same as `detector`, as results of all runs have it."""
        return self.detector()

    def detector(self) -> Detector:
        """The trained detector.

        Raises:
            RunError: the run stopped before the export.
        """
        if self.card is None:
            raise RunError(f"{self.folder} has no trained model yet; `sculptnet.resume` goes on with it")
        return load_detector(RunDirectory(self.folder).model)[0]

    def summary(self) -> str:
        """The result as people read it."""
        searched = described([Best(*astuple(one)) for one in self.front], "mAP", "mAP") if len(self.front) > 1 else []
        searched += [str(self.proxy)] if self.proxy is not None else []
        if self.card is None:
            return "\n".join([*searched, f"Stopped as asked. `sculptnet fit {self.folder}` goes on"])
        found, budget = self.card.detection, self.card.budget
        lines = [f"mAP {found.ap:.1%}, mAP@0.5 {found.ap50:.1%} on {found.images} test photographs"]
        lines += [
            f"  {one.name}: AP {one.ap:.1%}, AP@0.5 {one.ap50:.1%} ({one.boxes} boxes)"
            for one in found.classes
            if one.ap is not None
        ]
        for name, timing in self.card.measured.items():
            lines.append(f"{name:<16} {timing.latency_ms:8.3f} ms on {self.card.device.name}")
        lines += [f"Warning: {warning}" for warning in self.card.warnings]
        if budget is not None:
            verdict, why = ("within", "") if self.within_budget else ("OVER", slowed(self.card))
            lines.append(f"{budget.file} is {verdict} the budget of {budget.at_most:g} ms{why}")
        lines.append(f"Model:  {RunDirectory(self.folder).model}")
        return "\n".join([*searched, *lines, *([f"Report: {self.report}"] if self.report else [])])

    def to_json(self) -> dict[str, Any]:
        """The result as machines read it."""
        return plain_result(self.folder, self.card, self.report, self.front, self.proxy)
