"""What a run that trains a detector leaves: for people, for machines, and as a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sculptnet.export.detector_files import load_detector
from sculptnet.nets.detector import Detector
from sculptnet.records import to_plain
from sculptnet.records.card import DetectorCard
from sculptnet.runs import RunDirectory


@dataclass(frozen=True)
class DetectionResult:
    """A finished run.

    Attributes:
        folder: the run directory.
        card: `model/card.json`.
        report: the page.
    """

    folder: Path
    card: DetectorCard
    report: Path

    @property
    def within_budget(self) -> bool | None:
        """Whether the measured latency is within the budget; None without one."""
        return self.card.within_budget

    def detector(self) -> Detector:
        """The trained detector."""
        return load_detector(RunDirectory(self.folder).model)[0]

    def summary(self) -> str:
        """The result as people read it."""
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
            verdict = "within" if self.within_budget else "OVER"
            lines.append(f"{budget.file} is {verdict} the budget of {budget.at_most:g} ms")
        return "\n".join([*lines, f"Model:  {RunDirectory(self.folder).model}", f"Report: {self.report}"])

    def to_json(self) -> dict[str, Any]:
        """The result as machines read it."""
        return {"run": str(self.folder), "card": to_plain(self.card), "report": str(self.report)}
