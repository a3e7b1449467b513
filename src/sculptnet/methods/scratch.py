"""Searches whose network is trained from scratch, once an architecture is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sculptnet import settings
from sculptnet.arch import Candidate, Recipe
from sculptnet.cost import FactoredCost
from sculptnet.job import FitJob
from sculptnet.learn import rescaled
from sculptnet.method import Found
from sculptnet.methods.planning import fixed_names
from sculptnet.methods.searching import Searching
from sculptnet.options import FitOptions
from sculptnet.stages.baselines import add_baselines, missing_baselines
from sculptnet.stages.plan import SearchPlan
from sculptnet.stages.proxy import newest_check

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker


class FromScratch(Searching[SearchPlan]):
    """A search that finds an architecture, which is then trained."""

    def problems(self, options: FitOptions) -> list[str]:
        found = super().problems(options)
        epochs = settings.decided(Recipe(), options.recipe, "recipe").epochs
        if (options.full_trials or 1) > 1 and "epochs" in fixed_names(options) and epochs == 1:
            found.append(
                f"full_trials {options.full_trials}: with recipe.epochs=1 every trial is trained in full; raise "
                "recipe.epochs, or leave full_trials out"
            )
        return found

    def trained(self, candidate: Candidate, plan: SearchPlan) -> Candidate:
        return replace(candidate, recipe=rescaled(candidate.recipe, plan.epochs))

    def compare(self, job: FitJob, found: Found) -> None:
        if job.options.baselines and missing_baselines(job):
            plan = job.kept("plan", SearchPlan)
            assert found.table is not None  # a search that has found something has both
            assert plan is not None
            cost = FactoredCost(job.space, found.table)
            add_baselines(job, cost, found.candidate.recipe.epochs, plan.seconds["training"])

    def complete(self, job: FitJob) -> bool:
        checked = not job.options.check_proxy or newest_check(job.events(), job.options.proxy_networks) is not None
        return checked and not missing_baselines(job)

    def longer_epochs(self, job: FitJob) -> int | None:
        plan = job.kept("plan", SearchPlan)
        return None if plan is None or plan.epochs == plan.trial_epochs else plan.epochs

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report.page import searched_from_scratch

        return searched_from_scratch(source)
