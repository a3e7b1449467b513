"""The search for a recipe alone: the network is given, and what is searched is how it is trained (AutoTrain)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sculptnet.arch import Candidate
from sculptnet.files import read_json
from sculptnet.flow.context import Context
from sculptnet.flow.finalists import Lasting, by_training, chosen, given, run_trials
from sculptnet.flow.looking import look
from sculptnet.flow.plan import Plan
from sculptnet.flow.result import FitResult
from sculptnet.flow.sampling import of_one_length
from sculptnet.flow.searching import make_search, planned
from sculptnet.flow.shipping import ship
from sculptnet.flow.stages import Stage
from sculptnet.flow.training import train_candidate
from sculptnet.flow.writing import write_run_report
from sculptnet.learn import rescaled
from sculptnet.report.recipe_sections import set_options
from sculptnet.search import Objective, Problem, TrialRecord


@dataclass(frozen=True, eq=False)
class FoundRecipe:
    """The best trial, and how the network is trained with its recipe."""

    record: TrialRecord
    candidate: Candidate
    plan: Plan

    def options(self) -> str:
        """The recipe as it can be typed."""
        return " ".join(f"--set {option}" for option in set_options(rescaled(self.candidate.recipe, self.plan.epochs)))


def search_recipe(context: Context, until: Stage) -> FitResult:
    """The stages up to `until`; there is no table, and latency plays no part in the search.

    Raises:
        Infeasible: no trial came out; the message says why.
    """
    run, request = context.run, context.request
    look(context)
    found = find_recipe(context)
    architecture, recipe = found.candidate.architecture, rescaled(found.candidate.recipe, found.plan.epochs)
    if until is Stage.SEARCH:
        return FitResult(run.folder, architecture, None, None)
    if not run.card.exists():
        context.voice.say(f"Training {request.recipe_only} with the best recipe")
        network = train_candidate(context, found.candidate, found.plan)
        if until is Stage.TRAIN:
            return FitResult(run.folder, architecture, None, None)
        ship(context, network, recipe)
    card = read_json(run.card)
    if until is Stage.EXPORT:
        return FitResult(run.folder, architecture, card, None)
    return FitResult(run.folder, architecture, card, write_run_report(context, architecture, card))


def find_recipe(context: Context) -> FoundRecipe:
    """The most accurate trial; where there is time, of the best few, trained in full.

    Raises:
        Infeasible: no trial came out; the message says why.
    """
    problem = Problem(context.space, (Objective("top1"),))
    plan = planned(context, problem)
    training = Lasting(by_training(context), plan.trial_epochs)
    search = make_search(context, problem, plan)
    # one that ends by itself is asked for one trial more: so it is told what became of its last ones
    trials = plan.trials + (context.request.chosen_method()[0].planned is not None)
    records = run_trials(context, search, problem, training, trials, side_by_side=True)
    ranked = sorted(of_one_length(records), key=lambda record: -record.metrics["top1"])
    best = ranked[: plan.full_trials]
    if len(best) > 1:
        context.voice.say(f"Training with the best {len(best)} of {len(records)} recipes for {plan.epochs} epochs")
        rows = np.array([record.choices for record in best])
        records = run_trials(context, given(rows, plan.epochs), problem, training, len(rows), side_by_side=True)
    record = chosen(context, of_one_length(records) or records)
    found = FoundRecipe(record, context.space.decode(record.choices), plan)
    context.voice.say(f"Best recipe: {record.metrics['top1']:.2%} on held-back training images\n{found.options()}")
    return found
