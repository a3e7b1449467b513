"""A method of your own: its plan, its search, its section of the page, in one file. Nothing else has to change.

Successive halving (Jamieson and Talwalkar, AISTATS 2016): many networks are trained briefly, the better half for twice
as long, and so on. What a trial costs follows from its rung, so the plan is the method's own.

    PYTHONPATH=examples/extending sculptnet fit PHOTOS --latency-ms 5 --method my_method:Halving

`--set search.first=32` changes a setting, `method=Halving(first=32)` in Python: the fields are the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sculptnet.arch import Candidate
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.job import FitJob
from sculptnet.learn import rescaled
from sculptnet.methods import Searching, Target
from sculptnet.methods.finalists import given, measured_by, run_logged, within
from sculptnet.records import Event, newest_of
from sculptnet.report import Absent, Part, ReportData, Section, SectionMaker, Table, columns
from sculptnet.report.sections import searched_from_scratch
from sculptnet.search import Problem, TrialRecord
from sculptnet.stages import by_training, measure_training, planned, training_batches
from sculptnet.streams import stream

TRIALS_SHARE = 0.5  # of the time that is left, for all rungs together


@dataclass(frozen=True)
class Rung(Event):
    """A rung is through.

    Attributes:
        number: which, from 1; a run that is gone on with logs it again, and the newest counts (`newest_of`).
        networks, within_budget: how many began, and how many of them were measured within the budget and trained.
        epochs: for how long.
        best: accuracy, a fraction.
    """

    kind: ClassVar[str] = "halving_rung"

    number: int
    networks: int
    within_budget: int
    epochs: int
    best: float


@dataclass(frozen=True)
class HalvingPlan:
    """How long everything is.

    Attributes:
        rungs: how many networks are trained for how many epochs, the widest rung first.
        epochs: of the network that is shipped.
        seconds, torch_threads: see `stages.plan.Plan`.
    """

    rungs: tuple[tuple[int, int], ...]
    epochs: int
    seconds: Mapping[str, float]
    torch_threads: int


@dataclass(frozen=True, kw_only=True)
class Halving(Searching[HalvingPlan]):
    """Random networks within the budget, of which the better half goes on for twice as long.

    Attributes:
        first: networks of the first rung; each rung has half of those before it, two at least.

    Raises:
        InvalidValue: fewer than two networks.
    """

    name: ClassVar[str] = "halving"
    serves: ClassVar[frozenset[str]] = frozenset({"workers"})  # of what not every search does; the rest is refused

    first: int = 16

    def __post_init__(self) -> None:
        if self.first < 2:
            raise InvalidValue(f"Halving: first must be at least 2, got {self.first}")

    def plan(self, job: FitJob, problem: Problem) -> HalvingPlan:
        return planned(job, HalvingPlan, lambda: self._plan(job, problem))

    def _plan(self, job: FitJob, problem: Problem) -> HalvingPlan:
        options = job.options
        typical = job.space.decode(problem.sample(stream(options.seed, "halving.typical"), 1)[0]).architecture
        batches = training_batches(job, job.data.train, job.recipe())
        speed = measure_training(job, batches, typical)
        epoch_s = speed.train_step_s * batches.steps_per_epoch
        left_s = max(0.0, options.minutes * 60 - job.elapsed_s() - speed.shipping_s)
        counts = [self.first // 2**rung for rung in range(self.first.bit_length()) if self.first // 2**rung >= 2]
        shortest = max(1, int(TRIALS_SHARE * left_s / (epoch_s * len(counts) * self.first)))
        rungs = tuple((count, shortest * 2**rung) for rung, count in enumerate(counts))
        trials_s = epoch_s * sum(count * epochs for count, epochs in rungs)
        epochs = max(rungs[-1][1], int((left_s - trials_s) / epoch_s))
        seconds = {"trials": trials_s, "training": epochs * epoch_s, "shipping": speed.shipping_s}
        shown = ", ".join(f"{count} networks for {length} epochs" for count, length in rungs)
        job.say(f"Plan: {shown}; final training {epochs} epochs")
        return HalvingPlan(rungs, epochs, seconds, speed.torch_threads)

    def best(self, job: FitJob, target: Target, plan: HalvingPlan) -> TrialRecord:
        rows = target.problem.sample(stream(job.options.seed, "halving.draws"), self.first)
        for number, (count, epochs) in enumerate(plan.rungs, start=1):
            begun = len(rows[:count])
            evaluate = measured_by(job, target, epochs, by_training(job))
            records = run_logged(job, given(rows[:count], epochs), target.problem, evaluate, count)
            trained = [record for record in records if "top1" in record.metrics and within(record, evaluate.at_most)]
            if not trained:
                raise Infeasible(f"none of {count} random networks ran within the budget; raise latency_ms")
            ranked = sorted(trained, key=lambda record: -record.metrics["top1"])
            rows = np.array([record.choices for record in ranked])
            job.log(Rung(number, begun, len(trained), epochs, _top1(ranked[0])))
        return ranked[0]

    def trained(self, candidate: Candidate, plan: HalvingPlan) -> Candidate:
        return replace(candidate, recipe=rescaled(candidate.recipe, plan.epochs))

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        return searched_from_scratch(source, rungs)


def rungs(source: ReportData) -> Part:
    """The section of the page that tells how the rungs went."""
    events = newest_of(source.events, Rung, lambda one: one.number)
    if not events:
        return Absent("Rungs", "the search has not begun")
    rows = [[f"{one.networks}", f"{one.within_budget}", f"{one.epochs}", f"{one.best:.1%}"] for one in events]
    caption = "Of each rung, the better half of its networks went on, as far as so many were within the budget."
    table = Table(caption, columns("Networks", "Within the budget", "Epochs", "Best top-1", words=0), rows)
    return Section("rungs", "Rungs", (table,))


def _top1(record: TrialRecord) -> float:
    return float(record.metrics["top1"])
