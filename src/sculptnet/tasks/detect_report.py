"""The report of a detector: what its run directory holds, and sample photographs with what the file finds in them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sculptnet.arch import SearchSpace
from sculptnet.data.detection import BoxSplit
from sculptnet.export.detector_files import MODEL, OnnxDetector
from sculptnet.files import read_json
from sculptnet.job import BoxJob
from sculptnet.method import Found
from sculptnet.options import VERBS
from sculptnet.plain import command_line
from sculptnet.records import Event
from sculptnet.records.card import DetectorCard, read_card_of
from sculptnet.report import ReportData
from sculptnet.report.detector_page import DetectorPage, Drawn, Sample, write_detector_report
from sculptnet.stages.working_time import worked_s
from sculptnet.streams import stream

SAMPLES = 6
SHOWN_SCORE = 0.3
MOST_PIXELS = 640  # the longer side of a sample


def report_detection(job: BoxJob[Any], found: Found) -> Path:
    """Writes `report.html` and `figures/` into the run directory."""
    run, info = job.run, job.run.info()
    events = run.events(job.say)
    runtime = OnnxDetector(run.model / MODEL, threads=job.options.threads)
    test = job.data.test
    chosen = np.sort(stream(job.options.seed, "report.samples").permutation(len(test))[:SAMPLES])
    page = DetectorPage(
        title=run.folder.name,
        command=command_line(info.verb, VERBS[info.verb], info.command),
        card=read_card_of(run.card, DetectorCard),
        events=events,
        recipe=read_json(run.model / "recipe.json"),
        samples=tuple(sample_of(test, int(index), runtime) for index in chosen),
        shown_score=SHOWN_SCORE,
        seconds=worked_s(events, job.elapsed_s()),
        searched=_searched(job, found, events) if isinstance(job.subject, SearchSpace) else None,
        course=job.method.course(),
    )
    return write_detector_report(page, run.folder)


def _searched(job: BoxJob[Any], found: Found, events: Sequence[Event]) -> ReportData:
    """What there is to tell of the search."""
    longer = job.method.longer_epochs(job)
    return ReportData(
        events=events,
        trials=[one for one in job.run.trials(job.say) if longer is None or one.epochs != longer],
        card=read_card_of(job.run.card, DetectorCard),
        table=found.table,
        architecture=found.candidate.architecture,
        space=job.space,
        metric=job.task.metric,
    )


def sample_of(split: BoxSplit, index: int, runtime: OnnxDetector) -> Sample:
    """A photograph, the objects in it, and what the file finds."""
    image = split.image(index)
    scale = min(1.0, MOST_PIXELS / max(image.size))
    small = image.resize((round(image.width * scale), round(image.height * scale))) if scale < 1 else image
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    truth = split.boxes[index]
    boxes, scores, labels = runtime.detect(split, index)
    rows = zip(truth.corners.tolist(), truth.labels.tolist(), strict=True)
    found = zip(boxes.tolist(), scores.tolist(), labels.tolist(), strict=True)
    return Sample(
        name=split.names[index].rpartition("/")[2],
        jpeg=content.getvalue(),
        size=(image.width, image.height),
        truth=tuple(Drawn(runtime.classes[label], tuple(box), None) for box, label in rows),
        found=tuple(
            Drawn(runtime.classes[label], tuple(box), score) for box, score, label in found if score >= SHOWN_SCORE
        ),
    )
