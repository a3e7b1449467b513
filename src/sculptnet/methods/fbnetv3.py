"""FBNetV3 (Dai et al., CVPR 2021, arXiv 2006.02049): architecture and recipe together, by a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, final

from sculptnet.arch import Recipe
from sculptnet.files import digest
from sculptnet.job import FitTaskJob, Job, TrialTaskJob
from sculptnet.method import SpaceMaker
from sculptnet.methods.beyond import tried_beyond
from sculptnet.methods.finalists import Measured, best_of_finalists, measured_by
from sculptnet.methods.planning import planned_search
from sculptnet.methods.proxy_check import proxied
from sculptnet.methods.refining import learned_predictor, refined
from sculptnet.methods.searched_run import decided_by, reuse_problems, searched_run
from sculptnet.methods.searching import Target
from sculptnet.methods.trials import Trials
from sculptnet.networks import recipes_at, with_open_recipe
from sculptnet.options import FitOptions
from sculptnet.rules import raised
from sculptnet.search import Joint, Problem, Search, TrialRecord
from sculptnet.spaces.named import NamedSpace, SpaceSettings
from sculptnet.stages.plan import SearchPlan, Wishes

if TYPE_CHECKING:
    from sculptnet.report import SectionMaker

FEWEST = 12


@final
@dataclass(frozen=True, kw_only=True)
class FBNetV3(Joint, Trials):
    """A predictor learns from few trials which of all candidates to train; candidates are architectures with recipes.

    With `from_run`, the predictor of a run is searched for this budget and device, and nothing is learned. Rounds,
    their size and the number of finalists follow from the number of trials where they are open.

    Attributes:
        recipes: whether recipes are searched, too: FBNetV3's, unless the space has open ones.
    """

    name: ClassVar[str] = "fbnetv3"
    default_space: ClassVar[str] = "fbnetv3"
    serves: ClassVar[frozenset[str]] = Trials.serves | {"from_run"}

    recipes: bool = True

    def maker(self, options: FitOptions) -> SpaceMaker:
        made = super().maker(options)
        return with_open_recipe(made) if self.recipes else made

    def recipe(self, resolution: int) -> Recipe:
        return recipes_at(resolution) if self.recipes else Recipe()

    def asked(self, options: FitOptions) -> FitOptions:
        return options if options.from_run is None else decided_by(options.from_run, options)

    def problems(self, options: FitOptions) -> list[str]:
        found, space, folder = super().problems(options), options.space, options.from_run
        if isinstance(space, (NamedSpace, SpaceSettings)) and "open_recipe" in space.settings:
            found.append("`space.open_recipe`: method fbnetv3 opens recipes in any space; set `search.recipes` instead")
        if folder is not None:
            reused: list[str] = []
            found += raised(lambda: reused.extend(reuse_problems(folder, options, self)))
            found += reused
        return found

    def identity(self, options: FitOptions) -> dict[str, Any]:
        found = super().identity(options)
        if options.from_run is not None:
            found["from_run"] = digest(searched_run(options.from_run).identity)
        return found

    def check(self, job: FitTaskJob) -> None:
        super().check(job)
        if job.options.from_run is not None:
            assert isinstance(job, Job)  # other tasks refuse it
            learned_predictor(job)

    def wished_trials(self) -> int | None:
        return self.trials()

    def fewest_trials(self) -> int:
        """Two small rounds and as many finalists, or what the user has set."""
        fewest = self.planned(FEWEST).trials()
        assert fewest is not None  # nothing is open in what was planned
        return fewest

    def proposals(self, job: TrialTaskJob, problem: Problem, trials: int) -> Search:
        return self.planned(trials).search(problem, job.options.seed, checkpoint=job.run.predictor, log=job.log)

    def driven(self, trials: int) -> int:
        return trials + 1  # it ends by itself, and logs what became of its last round when it is asked once more

    def plan(self, job: FitTaskJob, problem: Problem) -> SearchPlan:
        if job.options.from_run is None:
            return super().plan(job, problem)
        wishes = Wishes(trials=self.finalists, searches=False, predicts=True, fewest_trials=self.fewest_trials())
        return planned_search(job, problem, wishes, partial(job.task.speed, job), lambda plan, speed: [])

    def best(self, job: FitTaskJob, target: Target, plan: SearchPlan) -> TrialRecord:
        if job.options.from_run is None:
            return super().best(job, target, plan)
        assert isinstance(job, Job)
        with proxied(job, target.problem, plan):
            evaluate = measured_by(job, target, plan.trial_epochs, job.task.trial(job))
            fitting = refined(job, target.problem, evaluate, plan, self.fine)
            return best_of_finalists(job, target.problem, evaluate, plan, fitting)

    def tried(self, job: FitTaskJob, problem: Problem, evaluate: Measured, plan: SearchPlan) -> Sequence[TrialRecord]:
        proposals = self.proposals(job, problem, plan.trials)
        return tried_beyond(job, proposals, problem, evaluate, self.driven(plan.trials))

    def course(self) -> tuple[SectionMaker, ...]:
        from sculptnet.report.sections import joint_rounds

        return (joint_rounds,)
