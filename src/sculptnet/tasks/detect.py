"""Detection of objects: a network becomes a detector, trained, exported with its post-processing, and judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, final

from sculptnet import blocks
from sculptnet.arch import Architecture, Candidate, architecture_from_json
from sculptnet.cost import FactoredCost
from sculptnet.data.ahead import fewer_workers
from sculptnet.devices import Model
from sculptnet.export.weights import ARCHITECTURE
from sculptnet.files import read_json
from sculptnet.job import BoxJob
from sculptnet.method import Found
from sculptnet.nets.detector import Detector
from sculptnet.option_groups import TaskName
from sculptnet.records.card import DetectorCard, read_card_of
from sculptnet.records.run_events import DataSeen
from sculptnet.runs import RunDirectory
from sculptnet.search import Evaluate
from sculptnet.stages.detector_latency import whole_detectors
from sculptnet.stages.detector_training import (
    by_detector_training,
    first_detector,
    measure_detector,
    train_in_place,
)
from sculptnet.stages.plan import SearchPlan, Speed
from sculptnet.stages.proxy import newest_check
from sculptnet.stages.table import blocks_in
from sculptnet.stages.trade_off import BoxTradeOff, best_trials, longer_epochs_of
from sculptnet.tasks.base import Task
from sculptnet.tasks.detect_baselines import add_detector_baselines, missing_detector_baselines
from sculptnet.tasks.detect_report import report_detection
from sculptnet.tasks.detect_result import DetectionResult
from sculptnet.tasks.detect_ship import ship_detector

Run: TypeAlias = BoxJob[Any]


@final
class Detect(Task[Run, Found, Detector, DetectionResult]):
    """Finds, trains and ships a detector, by the method of the run."""

    name: ClassVar[TaskName] = TaskName.DETECT
    size_option: ClassVar[str] = "size"
    metric: ClassVar[str] = "map"

    def look(self, job: Run) -> None:
        look(job)

    def find(self, job: Run) -> Found:
        return job.method.find(job)

    def train(self, job: Run, found: Found) -> Detector:
        """From the weights of the run, where it has some."""
        detector = first_detector(job, job.plan(found.candidate.architecture), weights=job.first_weights())
        train_in_place(job, detector, found.candidate.recipe.epochs)
        return detector

    def ship(self, job: Run, found: Found, network: Detector) -> None:
        ship_detector(job, network, found)

    def searched(self, job: Run) -> bool:
        return job.method.searched(job)

    def compared(self, job: Run) -> bool:
        return job.method.compared(job)

    def compare(self, job: Run, found: Found) -> None:
        job.method.compare(job, found)

    def report(self, job: Run, found: Found) -> Path:
        return report_detection(job, found)

    def result(self, job: Run, found: Found | None) -> DetectionResult:
        run = job.run
        front = best_trials(run.trials(job.say), job.method.longer_epochs(job), self.metric)
        return DetectionResult(
            run.folder,
            _backbone(job) if found is None else found.candidate.architecture,
            read_card_of(run.card, DetectorCard) if run.card.exists() else None,
            run.report if run.report.exists() else None,
            tuple(BoxTradeOff(*one) for one in front),
            newest_check(job.events()),
        )

    # ------------------------------------------------------------------ candidates
    def images(self, job: Run) -> int:
        return len(job.data.train)

    def whole(self, job: Run) -> Callable[[Architecture], Model]:
        return whole_detectors(job)

    def speed(self, job: Run, architecture: Architecture) -> Speed:
        return measure_detector(job, job.plan(architecture))

    def trial(self, job: Run) -> Evaluate:
        return by_detector_training(job)

    def trained(self, job: Run, candidate: Candidate, name: str) -> Detector:
        detector = first_detector(job, job.plan(candidate.architecture), name)
        train_in_place(job, detector, candidate.recipe.epochs, name)
        return detector

    def notes(self, job: Run, plan: SearchPlan) -> list[str]:
        return []

    def missing_comparisons(self, job: Run) -> tuple[str, ...]:
        return missing_detector_baselines(job)

    def add_comparisons(self, job: Run, cost: FactoredCost, epochs: int, each_s: float) -> None:
        add_detector_baselines(job, cost, epochs, each_s)


def read_result(run: RunDirectory) -> DetectionResult:
    """A finished run, of its folder alone.

    Raises:
        InvalidValue: its backbone has blocks that are not SculptNet's.
    """
    front = best_trials(run.trials(lambda text: None), longer_epochs_of(run), Detect.metric)
    return DetectionResult(
        run.folder,
        blocks.read_architecture(read_json(run.model / ARCHITECTURE)),
        read_card_of(run.card, DetectorCard),
        run.report,
        tuple(BoxTradeOff(*one) for one in front),
        newest_check(run.events(lambda text: None)),
    )


def _backbone(job: Run) -> Architecture:
    """Of the detector that was shipped."""
    return architecture_from_json(read_json(job.run.model / ARCHITECTURE), blocks_in(job.subject))


def look(job: Run) -> None:
    """Prints what is in the data, and every doubt about it."""
    data, say = job.data, job.say
    counts = ", ".join(
        f"{len(split)} {name} ({split.num_boxes:,} boxes)"
        for name, split in (("training", data.train), ("monitoring", data.monitor), ("test", data.test))
    )
    say(f"{data.name}: {len(data.classes)} classes ({', '.join(data.classes)}); photographs: {counts}")
    for note in data.notes:
        say(f"Note: {note}")
    if job.met is not None:
        say(
            f"First boxes of {job.settings.smallest:.0%} to {job.settings.largest:.0%} of the input meet the training "
            f"objects with a mean intersection over union of {job.met:.2f}"
        )
    fewer = fewer_workers(job.num_workers(), 3 * job.preprocessing.size**2)
    if fewer is not None:
        say(fewer)
    job.log(DataSeen(tuple(data.notes), dropped=tuple(data.dropped)))
