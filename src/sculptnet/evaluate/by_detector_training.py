"""Evaluation of a detector's backbone: SSDLite on it is trained, and judged by COCO's average precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sculptnet.arch import Candidate
from sculptnet.data.detection import BoxBatches, BoxPreprocessing, BoxSplit, evaluation_batches, score_boxes
from sculptnet.evaluate.trains import Trains, number_of, saves_nothing
from sculptnet.learn import Machine, Trained
from sculptnet.learn.detection import DetectorRecipe, detect, train_detector
from sculptnet.nets.detector import Detector, initialise_detector
from sculptnet.nets.ssdlite import DetectorSettings
from sculptnet.search import Job
from sculptnet.state import Checkpoint
from sculptnet.streams import stream_seed

JUDGED_AT_ONCE = 8


@final
@dataclass(frozen=True, eq=False)
class ByDetectorTraining(Trains):
    """Trains SSDLite on a candidate's architecture from scratch on `train` and measures it on `held_out`.

    All candidates see the photographs in the same order, augmented alike; the recipe of the candidate plays no part.

    Attributes:
        train, held_out: two parts of the training photographs; the test has no place in a search.
        classes: names.
        preprocessing: for the size of the input.
        settings: of the detector.
        recipe: how it is trained.
        num_workers: processes that decode photographs.
        accelerator, precision, checkpoint_in: see `Trains`.
    """

    train: BoxSplit
    held_out: BoxSplit
    classes: tuple[str, ...]
    preprocessing: BoxPreprocessing
    settings: DetectorSettings
    recipe: DetectorRecipe
    seed: int
    num_workers: int = 0
    accelerator: str = "cpu"
    precision: str = "auto"
    checkpoint_in: Callable[[Path], Checkpoint] = saves_nothing

    def metrics(self, candidate: Candidate, trained: Trained) -> Mapping[str, float]:
        """`map` and `map50` (0..1) on `held_out`, and the `parameters` of the detector."""
        last = trained.curve[-1]
        parameters = sum(parameter.numel() for parameter in trained.network.parameters())
        return {"map": last["map"], "map50": last["map50"], "parameters": float(parameters)}

    def learned(self, candidate: Candidate, job: Job, machine: Machine) -> Trained:
        recipe = self.recipe if job.epochs is None else self.recipe.rescaled(job.epochs)
        detector = Detector(self.settings.on(candidate.architecture, len(self.classes)))
        initialise_detector(detector, stream_seed(self.seed, "weights", number_of(candidate, job.replicate)))
        return train_detector(
            detector,
            recipe,
            BoxBatches(
                self.train,
                self.preprocessing,
                recipe.augmentation,
                recipe.batch_size,
                stream_seed(self.seed, "trial batches", job.replicate),
                self.num_workers,
            ),
            seed=stream_seed(self.seed, "trial", number_of(candidate, job.replicate)),
            evaluate=self._judged,
            evaluations=1,
            checkpoint=self.checkpoint(job),
            log=job.log,
            progress=job.progress,
            accelerator=self.accelerator,
            precision=self.precision,
        )

    def _judged(self, detector: Detector) -> Mapping[str, float]:
        batches = evaluation_batches(self.held_out, self.preprocessing, JUDGED_AT_ONCE)
        score = score_boxes(self.held_out, detect(detector, batches, self.held_out, self.accelerator), self.classes)
        return {"map": score.ap, "map50": score.ap50}
