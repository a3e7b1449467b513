"""Once-for-All (Cai et al., ICLR 2020, arXiv 1908.09791): one elastic network, specialised without training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, final

from sculptnet import search
from sculptnet.arch import Candidate
from sculptnet.job import FitJob
from sculptnet.learn import rescaled
from sculptnet.method import Found, SpaceMaker
from sculptnet.methods.searching import Target
from sculptnet.methods.shrinking import Shrinking
from sculptnet.methods.started import Started
from sculptnet.methods.supernet_learning import (
    check_space,
    fine_tuning,
    judge_of,
    learned,
    load_supernet,
    wanted_images,
)
from sculptnet.methods.supernet_plan import SupernetPlan
from sculptnet.methods.supernet_planning import supernet_planned
from sculptnet.methods.supernet_search import find_specialised
from sculptnet.nets import Network
from sculptnet.options import FitOptions
from sculptnet.search import Problem, TrialRecord
from sculptnet.spaces.named import SpaceSettings
from sculptnet.stages.train import train_module
from sculptnet.words import several
from sculptnet.zoo.starting import parse_start, space_around

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker


@final
@dataclass(frozen=True, kw_only=True)
class OnceForAll(Shrinking, search.Evolution, Started[SupernetPlan]):
    """A supernet is trained first; the best of its networks is cut out and, where there is time, fine-tuned.

    Evolution looks for it among predicted accuracies; its settings stand beside those of the supernet's training.
    """

    name: ClassVar[str] = "ofa"
    default_space: ClassVar[str] = "ofa_mobilenet_v3"
    source: ClassVar[str] = "a supernet"
    lengths: ClassVar[str] = "a supernet for search.epochs, and what it ships for search.fine_tune_epochs"

    def __post_init__(self) -> None:
        Shrinking.__post_init__(self)
        search.Evolution.__post_init__(self)

    def maker(self, options: FitOptions) -> SpaceMaker:
        if options.start is None:
            return super().maker(options)
        given = options.space.settings if isinstance(options.space, SpaceSettings) else {}
        return space_around(parse_start(options.start), dict(given))

    def check(self, job: FitJob) -> None:
        super().check(job)
        check_space(job, self)

    def plan(self, job: FitJob, problem: Problem) -> SupernetPlan:
        return supernet_planned(job, self, problem)

    def best(self, job: FitJob, target: Target, plan: SupernetPlan) -> TrialRecord:
        return find_specialised(job, target, learned(job, self, plan), self.draws, self)

    def trained(self, candidate: Candidate, plan: SupernetPlan) -> Candidate:
        """With the recipe of fine-tuning; without any, the supernet's."""
        if plan.fine_tune_epochs:
            recipe = fine_tuning(candidate.recipe, plan.fine_tune_epochs)
        else:
            recipe = rescaled(candidate.recipe, sum(plan.epochs.values()))
        return replace(candidate, recipe=recipe)

    def network(self, job: FitJob, found: Found) -> Network:
        architecture, plan = found.candidate.architecture, job.kept("plan", SupernetPlan)
        assert plan is not None  # a run that has found something has one
        supernet, _ = load_supernet(job.run.supernet, job.space)
        supernet.to(job.accelerator)
        weights_part, held_out = job.search_parts()
        judge = judge_of(job, supernet, wanted_images(self, weights_part), held_out)
        network = judge.network(architecture).to("cpu")
        if plan.fine_tune_epochs:
            job.say(f"Fine-tuning what was cut out of the supernet, {several(plan.fine_tune_epochs, 'epoch')}")
            train_module(job.at(architecture.resolution), network, found.candidate.recipe, "final")
        return network

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report import sections

        return (
            sections.accuracy_over_latency,
            sections.nothing_compared,
            sections.network,
            sections.classes_apart,
            sections.budget_in_space,
            sections.table_checked,
            sections.supernet_phases,
            sections.accuracies_predicted,
            sections.fine_tuning,
            sections.what_was_used,
        )
