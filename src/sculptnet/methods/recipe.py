"""The search for a recipe alone: the network is given, and what is searched is how it is trained (AutoTrain)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sculptnet.arch import Candidate
from sculptnet.files import read_json
from sculptnet.job import Job
from sculptnet.methods.finalists import Lasting, by_training, chosen, given, run_trials
from sculptnet.stages.data import look
from sculptnet.stages.plan import Plan
from sculptnet.result import FitResult
from sculptnet.methods.trials import of_one_length
from sculptnet.methods.planning import make_search, planned
from sculptnet.stages.ship import ship
from sculptnet.flow.stages import Stage
from sculptnet.stages.train import train_candidate
from sculptnet.stages.page import write_run_report
from sculptnet.report.recipe_sections import set_options
from sculptnet.search import Objective, Problem, TrialRecord
from sculptnet.train import rescaled


@dataclass(frozen=True, eq=False)
class FoundRecipe:
    """The best trial, and how the network is trained with its recipe."""

    record: TrialRecord
    candidate: Candidate
    plan: Plan

    def options(self) -> str:
        """The recipe as it can be typed."""
        return " ".join(f"--set {option}" for option in set_options(rescaled(self.candidate.recipe, self.plan.epochs)))


def search_recipe(job: Job, until: Stage) -> FitResult:
    """The stages up to `until`; there is no table, and latency plays no part in the search.

    Raises:
        Infeasible: no trial came out; the message says why.
    """
    run, request = job.run, job.options
    look(job)
    found = find_recipe(job)
    architecture, recipe = found.candidate.architecture, rescaled(found.candidate.recipe, found.plan.epochs)
    if until is Stage.SEARCH:
        return FitResult(run.folder, architecture, None, None)
    if not run.card.exists():
        job.say(f"Training {request.recipe_only} with the best recipe")
        network = train_candidate(job, found.candidate, found.plan)
        if until is Stage.TRAIN:
            return FitResult(run.folder, architecture, None, None)
        ship(job, network, recipe)
    card = read_json(run.card)
    if until is Stage.EXPORT:
        return FitResult(run.folder, architecture, card, None)
    return FitResult(run.folder, architecture, card, write_run_report(job, architecture, card))


def find_recipe(job: Job) -> FoundRecipe:
    """The most accurate trial; where there is time, of the best few, trained in full.

    Raises:
        Infeasible: no trial came out; the message says why.
    """
    problem = Problem(job.space, (Objective("top1"),))
    plan = planned(job, problem)
    training = Lasting(by_training(job), plan.trial_epochs)
    search = make_search(job, problem, plan)
    # one that ends by itself is asked for one trial more: so it is told what became of its last ones
    trials = plan.trials + (job.options.chosen_method()[0].planned is not None)
    records = run_trials(job, search, problem, training, trials, side_by_side=True)
    ranked = sorted(of_one_length(records), key=lambda record: -record.metrics["top1"])
    best = ranked[: plan.full_trials]
    if len(best) > 1:
        job.say(f"Training with the best {len(best)} of {len(records)} recipes for {plan.epochs} epochs")
        rows = np.array([record.choices for record in best])
        records = run_trials(job, given(rows, plan.epochs), problem, training, len(rows), side_by_side=True)
    record = chosen(job, of_one_length(records) or records)
    found = FoundRecipe(record, job.space.decode(record.choices), plan)
    job.say(f"Best recipe: {record.metrics['top1']:.2%} on held-back training images\n{found.options()}")
    return found
