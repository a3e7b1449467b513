"""Searches that learn from trials, without a supernet; random search, evolution, NSGA-II and Optuna's samplers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, final

from sculptnet import search
from sculptnet.job import FitTaskJob, TrialTaskJob
from sculptnet.method import AnyTask, Found
from sculptnet.methods.finalists import Measured, best_in_full, measured_by, run_logged
from sculptnet.methods.planning import planned_search
from sculptnet.methods.proxy_check import proxied
from sculptnet.methods.scratch import FromScratch
from sculptnet.methods.searching import Target, found_by
from sculptnet.search import Problem, Search, TrialRecord
from sculptnet.search.optuna_samplers import require_optuna
from sculptnet.stages.plan import SearchPlan, Speed, Wishes

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker

FEWEST_TRIALS = 2


class Trials(FromScratch, AnyTask):
    """A search that proposes candidates, is told how good they are, and learns from that: whatever they are for.

    Every proposal is measured whole and trained briefly; what is over the budget when it is measured is not trained.
    """

    def check(self, job: FitTaskJob) -> None:
        job.task.trial(job)

    @abstractmethod
    def search(self, problem: Problem, seed: int) -> Search:
        """Proposals within the limits of `problem`; `seed` is that of all draws."""

    def fewest_trials(self) -> int:
        """How many trials it needs, however few the minutes."""
        return FEWEST_TRIALS

    def trial_cost(self, problem: Problem, seed: int) -> float:
        """What a trial costs over what one within the limits does."""
        return 1.0

    def proposals(self, job: TrialTaskJob, problem: Problem, trials: int) -> Search:
        """The search for so many trials."""
        return self.search(problem, job.options.seed)

    def recipe_problems(self) -> list[str]:
        """Why it cannot search how a given network is trained; nothing where it can."""
        return []

    def driven(self, trials: int) -> int:
        """How many trials a driver asks the search for, of so many."""
        return trials

    def find(self, job: FitTaskJob) -> Found:
        return found_by(self, job)

    def plan(self, job: FitTaskJob, problem: Problem) -> SearchPlan:
        return self.planned_trials(job, problem)

    def planned_trials(self, job: TrialTaskJob, problem: Problem) -> SearchPlan:
        """The plan of a run that learns from trials, whatever is open."""
        wishes = Wishes(
            trials=self.wished_trials(),
            searches=False,
            trial_cost=self.trial_cost(problem, job.options.seed),
            fewest_trials=self.fewest_trials(),
        )
        return planned_search(job, problem, wishes, partial(job.task.speed, job), _no_notes)

    def best(self, job: FitTaskJob, target: Target, plan: SearchPlan) -> TrialRecord:
        with proxied(job, target.problem, plan):
            evaluate = measured_by(job, target, plan.trial_epochs, job.task.trial(job))
            records = self.tried(job, target.problem, evaluate, plan)
            return best_in_full(job, target.problem, evaluate, plan, records)

    def course(self) -> tuple[SectionMaker, ...]:
        return ()

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report.sections import searched_from_scratch

        return searched_from_scratch(source, *self.course())

    def tried(self, job: FitTaskJob, problem: Problem, evaluate: Measured, plan: SearchPlan) -> Sequence[TrialRecord]:
        """The trials."""
        return run_logged(job, self.proposals(job, problem, plan.trials), problem, evaluate, self.driven(plan.trials))


def _no_notes(plan: SearchPlan, speed: Speed) -> list[str]:
    return []


@final
@dataclass(frozen=True, kw_only=True)
class Random(search.RandomSearch, Trials):
    """Random search: the baseline that every method has to beat."""

    name: ClassVar[str] = "random"


@final
@dataclass(frozen=True, kw_only=True)
class Evolution(search.Evolution, Trials):
    """Evolution with mutation and crossover, on trials."""

    name: ClassVar[str] = "evolution"


@final
@dataclass(frozen=True, kw_only=True)
class Nsga2(search.Nsga2, Trials):
    """NSGA-II, on trials."""

    name: ClassVar[str] = "nsga2"


@final
@dataclass(frozen=True, kw_only=True)
class Optuna(search.OptunaSearch, Trials):
    """Optuna's samplers, on trials."""

    name: ClassVar[str] = "optuna"

    def require(self) -> None:
        require_optuna()
