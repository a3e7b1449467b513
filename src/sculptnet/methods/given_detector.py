"""A network that is given, made a detector: searched for nothing; what is found is how long it is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

from sculptnet.arch import Architecture, Candidate
from sculptnet.job import BoxJob, TaskJob
from sculptnet.method import AnyTask, Found
from sculptnet.stages.lengths import fixed_names
from sculptnet.stages.plan import most_epochs, note_if_early, planned, warn_if_late
from sculptnet.words import minutes, several

if TYPE_CHECKING:
    from sculptnet.report import SectionMaker


@dataclass(frozen=True)
class DetectionPlan:
    """How long the training is: made once, from trial steps and the minutes left.

    Attributes:
        epochs: as the user fixed them, or as many as fit, one at least.
        seconds: expected of `training` and `shipping`, evaluation included.
        torch_threads: that torch uses; another number would round differently.
    """

    epochs: int
    seconds: Mapping[str, float]
    torch_threads: int


@final
@dataclass(frozen=True)
class GivenDetector(AnyTask):
    """Trains SSDLite on one network; what `detect` does."""

    name: ClassVar[str] = "given"

    def find(self, job: TaskJob[Any]) -> Found:
        architecture = job.subject
        assert isinstance(job, BoxJob)
        assert isinstance(architecture, Architecture)
        plan = planned(job, DetectionPlan, lambda: _made_plan(job, architecture))
        return Found(Candidate(architecture, job.detector_recipe.rescaled(plan.epochs).plain()))

    def compare(self, job: TaskJob[Any], found: Found) -> None:
        """Nothing can be asked for."""

    def searched(self, job: TaskJob[Any]) -> bool:
        return True

    def compared(self, job: TaskJob[Any]) -> bool:
        return True

    def longer_epochs(self, job: TaskJob[Any]) -> int | None:
        return None

    def course(self) -> tuple[SectionMaker, ...]:
        return ()


def _made_plan(job: BoxJob[Any], architecture: Architecture) -> DetectionPlan:
    job.say("Timing trial steps")
    speed = job.task.speed(job, architecture)
    epoch_s = speed.train_step_s * max(1, job.task.images(job) // speed.batch_size)
    left_s = job.options.minutes * 60 - job.elapsed_s() - speed.shipping_s
    fixed, most = "epochs" in fixed_names(job.options), most_epochs(job.task.images(job) // speed.batch_size)
    epochs = job.detector_recipe.epochs if fixed else min(most, max(1, math.floor(left_s / epoch_s)))
    seconds = {"training": epochs * epoch_s, "shipping": speed.shipping_s}
    plan = DetectionPlan(epochs, seconds, speed.torch_threads)
    times = ", ".join(f"{name} {minutes(value)}" for name, value in seconds.items())
    job.say(f"Plan: {several(epochs, 'epoch')}\nExpected: {minutes(sum(seconds.values()))} ({times})")
    warn_if_late(job, plan, job.options.minutes, "fewer photographs, a smaller size or a smaller network help")
    if not fixed and epochs == most:
        note_if_early(job, plan, job.options.minutes, epochs)
    return plan
