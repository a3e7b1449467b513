"""The search for a recipe alone: the network is given, and what is searched is how it is trained (AutoTrain)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from sculptnet import settings
from sculptnet.arch import Candidate, Recipe, SearchSpace
from sculptnet.arch.choice import first_open
from sculptnet.data import ImageData
from sculptnet.job import Job
from sculptnet.learn import rescaled
from sculptnet.method import Found, Method
from sculptnet.methods.finalists import Lasting, chosen, given, run_trials
from sculptnet.methods.given import sections_of_a_training
from sculptnet.methods.scratch import full_trials_problems
from sculptnet.methods.searching import native_resolution
from sculptnet.methods.trials import Evolution, Trials
from sculptnet.nets import Network
from sculptnet.networks import LARGE_BATCH_RESOLUTION, name_of, published_of, recipes_at, recipes_of
from sculptnet.options import RecipeOptions
from sculptnet.plain import plain_of, unwritable
from sculptnet.records.card import Origin
from sculptnet.report.recipe_options import set_options
from sculptnet.rules import raised, require
from sculptnet.search import Objective, Problem
from sculptnet.search.records import of_one_length
from sculptnet.stages.plan import SearchPlan
from sculptnet.stages.train import train_candidate
from sculptnet.stages.unused import names_of, recipe_problems
from sculptnet.stages.workers import as_workers
from sculptnet.words import several

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker


@final
@dataclass(frozen=True)
class SearchRecipe(Method[RecipeOptions]):
    """Searches how one network is trained; there is no table, and latency plays no part.

    Attributes:
        trials: how to search: a method that learns from trials alone.
    """

    name: ClassVar[str] = "recipe"

    trials: Trials = field(default_factory=Evolution)

    def problems(self, options: RecipeOptions) -> list[str]:
        found = [*self.trials.recipe_problems()]
        if isinstance(options.method, Method):
            found += unwritable(options.method)

        def recipe() -> None:
            found.extend(recipe_problems(settings.decided(Recipe(), options.recipe, "recipe"), ()))
            if first_open(settings.decided(recipes_at(LARGE_BATCH_RESOLUTION), options.recipe, "recipe")) is None:
                found.append("`recipe`: all of it is decided, which leaves nothing to search; leave some of it out")

        found += raised(lambda: published_of(options.network), lambda: as_workers(options.workers), recipe)
        return [*found, *full_trials_problems(options, self.trials.wished_trials())]

    def require(self) -> None:
        self.trials.require()

    def resolution(self, options: RecipeOptions, data: ImageData, accelerator: str) -> int:
        return native_resolution(data, accelerator)

    def subject(self, options: RecipeOptions, num_classes: int, resolution: int) -> SearchSpace:
        space = recipes_of(options.network)(num_classes, resolution)
        recipe = settings.decided(space.recipe, options.recipe, "recipe")
        require(recipe_problems(recipe, names_of(options.recipe)), "recipe")
        return replace(space, recipe=recipe)

    def identity(self, options: RecipeOptions) -> dict[str, Any]:
        found = {"trials": plain_of(self.trials)}
        return {**found, "full_trials": options.full_trials} if options.full_trials else found

    def find(self, job: Job[RecipeOptions]) -> Found:
        """The most accurate trial; where there is time, of the best few, trained in full.

        Raises:
            Infeasible: no trial came out; the message says why.
        """
        job.search_parts()  # data errors come first
        metric = job.task.metric
        problem = Problem(job.space, (Objective(metric),))
        plan = self.trials.planned_trials(job, problem)
        training = Lasting(job.task.trial(job), plan.trial_epochs)
        search, number = self.trials.proposals(job, problem, plan.trials), self.trials.driven(plan.trials)
        records = run_trials(job, search, problem, training, number, side_by_side=True)
        ranked = sorted(of_one_length(records, metric), key=lambda record: -record.metrics[metric])
        best = ranked[: plan.full_trials]
        if len(best) > 1:
            job.say(f"Training with the best {len(best)} of {len(records)} recipes for {several(plan.epochs, 'epoch')}")
            rows = np.array([record.choices for record in best])
            records = run_trials(job, given(rows, plan.epochs), problem, training, len(rows), side_by_side=True)
        record = chosen(job, of_one_length(records, metric) or records)
        candidate = job.space.decode(record.choices)
        recipe = rescaled(candidate.recipe, plan.epochs)
        typed = " ".join(f"`{option}`" for option in set_options(recipe))
        job.say(f"Best recipe: {record.metrics[metric]:.2%} on held-back training images\n{typed}")
        return Found(Candidate(candidate.architecture, recipe))

    def network(self, job: Job[RecipeOptions], found: Found) -> Network:
        job.say(f"Training {name_of(job.options.network)} with the best recipe")
        return train_candidate(job, found.candidate)

    def longer_epochs(self, job: Job[RecipeOptions]) -> int | None:
        plan = job.kept("plan", SearchPlan)
        return None if plan is None or plan.epochs == plan.trial_epochs else plan.epochs

    def origin(self, options: RecipeOptions) -> Origin:
        return Origin(self.trials.name, name_of(options.network))

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        from sculptnet.report.sections import goes_in_rounds, joint_rounds, recipes

        rounds = (joint_rounds,) if goes_in_rounds(source) else ()
        return (recipes, *rounds, *sections_of_a_training())
