"""Searches whose network is trained from scratch, once an architecture is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from sculptnet.arch import Candidate
from sculptnet.cost import FactoredCost
from sculptnet.job import FitTaskJob
from sculptnet.learn import rescaled
from sculptnet.method import Found
from sculptnet.methods.searching import Searching
from sculptnet.options import FitOptions, TrialOptions
from sculptnet.stages.plan import SearchPlan
from sculptnet.stages.proxy import newest_check

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker


def full_trials_problems(options: TrialOptions, wished: int | None) -> list[str]:
    """What is wrong with the number of trials in full, where the settings of a search make `wished` trials."""
    found = []
    if (options.full_trials or 1) > 1 and _one_epoch(options):
        found.append(
            f"`full_trials` {options.full_trials}: with `recipe.epochs=1` every trial is trained in full; raise "
            "`recipe.epochs`, or leave `full_trials` out"
        )
    if wished is not None and options.full_trials is not None and wished < options.full_trials:
        found.append(
            f"`full_trials` {options.full_trials}: the settings of search make only {wished} trials; raise them, or "
            "leave one of the two out"
        )
    return found


def _one_epoch(options: TrialOptions) -> bool:
    """Whether the user wants all to be trained for one epoch."""
    given = options.recipe
    if isinstance(given, Mapping):
        return str(given.get("epochs")) == "1"
    return given is not None and given.epochs == 1


class FromScratch(Searching[SearchPlan]):
    """A search that finds an architecture, which is then trained."""

    serves: ClassVar[frozenset[str]] = frozenset(
        {"workers", "full_trials", "baselines", "check_proxy", "recipe.epochs"}
    )

    def problems(self, options: FitOptions) -> list[str]:
        return super().problems(options) + full_trials_problems(options, self.wished_trials())

    def wished_trials(self) -> int | None:
        """How many networks the settings would train; None leaves it to the plan."""
        return None

    def trained(self, candidate: Candidate, plan: SearchPlan) -> Candidate:
        return replace(candidate, recipe=rescaled(candidate.recipe, plan.epochs))

    def compare(self, job: FitTaskJob, found: Found) -> None:
        if job.task.missing_comparisons(job):
            plan = job.kept("plan", SearchPlan)
            assert found.table is not None  # a search that has found something has both
            assert plan is not None
            cost = FactoredCost(job.space, found.table)
            job.task.add_comparisons(job, cost, found.candidate.recipe.epochs, plan.seconds["training"])

    def searched(self, job: FitTaskJob) -> bool:
        return not job.options.check_proxy or newest_check(job.events(), job.options.proxy_networks) is not None

    def compared(self, job: FitTaskJob) -> bool:
        return not job.task.missing_comparisons(job)

    def longer_epochs(self, job: FitTaskJob) -> int | None:
        plan = job.kept("plan", SearchPlan)
        return None if plan is None or plan.epochs == plan.trial_epochs else plan.epochs

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report.sections import searched_from_scratch

        return searched_from_scratch(source)
