"""Differentiable searches: a supernet and a distribution over its networks are trained, and draws compared."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sculptnet.arch import Block, SearchSpace
from sculptnet.data import Split, subset
from sculptnet.errors import Infeasible
from sculptnet.job import FitJob
from sculptnet.methods.finalists import (
    ROUNDS,
    Measured,
    best_of_finalists,
    measured_by,
    run_logged,
    within,
)
from sculptnet.methods.planning import planned_search
from sculptnet.methods.proxy_check import proxied
from sculptnet.methods.scratch import FromScratch
from sculptnet.methods.searching import Target
from sculptnet.nets import RelaxedSupernet
from sculptnet.search import Problem, Search, TrialRecord
from sculptnet.search.differentiable.method import Branches, Dnas
from sculptnet.stages.batches import training_batches
from sculptnet.stages.plan import FEW_STEPS, WEIGHT_SHARE, SearchPlan, Speed, Wishes
from sculptnet.stages.speed import measure_speed
from sculptnet.words import several

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker

PAPER_TAU_DECAY, PAPER_EPOCHS = 0.045, 90  # FBNet: tau falls by exp(-0.045) an epoch, over 90 epochs


@dataclass(frozen=True, kw_only=True)
class Differentiable(Dnas, FromScratch):
    """A differentiable search as a method; its settings are those of `Dnas`, and what is open is planned.

    Epochs, warm-up and the decay of tau follow from the minutes; candidates a slot in one step are one on a CPU, and
    all, as published, with CUDA.
    """

    @abstractmethod
    def supernet(self, space: SearchSpace) -> RelaxedSupernet:
        """What the search trains."""

    def branches_on(self, accelerator: str) -> int | None:
        """Candidates a slot in one search step; None for all."""
        if self.branches is None:
            return 1 if accelerator == "cpu" else None
        return None if isinstance(self.branches, Branches) else self.branches

    def wished_trials(self) -> int | None:
        return self.draws

    def plan(self, job: FitJob, problem: Problem) -> SearchPlan:
        branches = self.branches_on(job.accelerator)
        share = run_share(branches, job.space)
        wishes = Wishes(
            search_epochs=self.epochs,
            search_warmup_epochs=self.warmup_epochs,
            trials=self.draws,
            samples_branches=branches is not None,
            run_share=share,
        )
        batches = training_batches(job, job.data.train, job.recipe())
        timed = partial(measure_speed, job, batches, branches, make_supernet=self.supernet)
        return planned_search(job, problem, wishes, timed, partial(_notes, share))

    def best(self, job: FitJob, target: Target, plan: SearchPlan) -> TrialRecord:
        with proxied(job, target.problem, plan):
            evaluate = measured_by(job, target, plan.trial_epochs, job.task.trial(job))
            fitting = self.measured_draws(job, target.problem, replace(evaluate, training=None), plan)
            return best_of_finalists(job, target.problem, evaluate, plan, fitting)

    def measured_draws(
        self, job: FitJob, problem: Problem, evaluate: Measured, plan: SearchPlan
    ) -> Sequence[TrialRecord]:
        """Draws of the search, measured whole, until enough are within the budget; those, at most `plan.trials`."""
        fitting: list[TrialRecord] = []
        for number in range(1, ROUNDS + 1):
            job.say("Searching" if number == 1 else "Too few draws were within the budget when measured; drawing more")
            records = run_logged(job, self.proposals(job, problem, plan), problem, evaluate, number * plan.draws)
            fitting = [record for record in records if within(record, evaluate.at_most)]
            if len(fitting) >= plan.trials or len(records) < number * plan.draws:
                break
        if not fitting:
            fastest = min(record.metrics["measured_latency_ms"] for record in records)
            raise Infeasible(
                f"none of {len(records)} draws ran within {evaluate.at_most:g} ms on {job.device.name}, the fastest in "
                f"{fastest:.3g} ms; the table promises too much: raise `latency_ms`, or stop other programs"
            )
        return fitting[: plan.trials]

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report.sections import search_over_epochs, searched_from_scratch

        return searched_from_scratch(source, search_over_epochs)

    def proposals(self, job: FitJob, problem: Problem, plan: SearchPlan) -> Search:
        """The search's generator, with the settings of the user and of the plan."""
        weights_part, theta_part = job.search_parts()
        recipe, seed = job.recipe(), job.options.seed
        # label-preserving augmentation alone: a search sees each image a few times only
        light = replace(recipe, augmentation=replace(recipe.augmentation, mixup=0.0, randaugment_layers=0))
        share = plan.search_images / len(job.data.train)
        weights, theta = (
            training_batches(job, _share_of(part, share, recipe.batch_size, seed), light)
            for part in (weights_part, theta_part)
        )
        decay = math.exp(-PAPER_TAU_DECAY * PAPER_EPOCHS / plan.search_epochs)
        settings = replace(
            self,
            epochs=plan.search_epochs,
            warmup_epochs=plan.search_warmup_epochs,
            tau_decay=decay if self.tau_decay is None else self.tau_decay,
            branches=self.branches_on(job.accelerator) or Branches.ALL,
            draws=plan.draws,
        )
        return settings.search(
            problem,
            seed,
            supernet=self.supernet(job.space),
            weight_batches=weights,
            theta_batches=theta,
            accelerator=job.accelerator,
            checkpoint=job.run.checkpoint("search"),
            clock=job.clock,
            log=job.log,
            progress=job.listener.progress,
        )


def _notes(share: float, plan: SearchPlan, speed: Speed) -> list[str]:
    steps = steps_of_a_candidate(plan, speed.batch_size, share)
    if steps >= FEW_STEPS:
        return []
    return [
        f"this search trains each candidate block in {_about(steps)}; below about {FEW_STEPS} it hardly tells blocks "
        "apart, and its draws are near random ones within the budget. More `minutes` help; method random trains "
        "finalists instead"
    ]


def _about(steps: float) -> str:
    return f"about {several(round(steps), 'step')}" if steps >= 1 else "less than one step"


def run_share(branches: int | None, space: SearchSpace) -> float:
    """The part of a slot's candidates that one step of the search trains, on average."""
    counts = [len(node.options) for node in space.decisions.values() if isinstance(node.options[0], Block)]
    options = sum(counts) / max(1, len(counts))
    return 1.0 if branches is None else min(1.0, branches / max(1.0, options))


def steps_of_a_candidate(plan: SearchPlan, batch_size: int, share: float) -> float:
    """How often the search updates the weights of one candidate block, on average; `share`: see `run_share`."""
    return WEIGHT_SHARE * plan.search_epochs * plan.search_images / batch_size * share


def _share_of(split: Split, share: float, at_least: int, seed: int) -> Split:
    """`share` of the images of `split`, one batch at least."""
    count = min(len(split), max(at_least, round(len(split) * share)))
    return split if count == len(split) else subset(split, count, seed)
