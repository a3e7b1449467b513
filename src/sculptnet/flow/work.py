"""The two ways from a problem to a trained network: trained from scratch, or cut out of a supernet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sculptnet.arch import Candidate, Recipe
from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.flow.baselines import add_baselines
from sculptnet.flow.context import Context
from sculptnet.flow.finalists import find_best
from sculptnet.flow.plan import Plan
from sculptnet.flow.proxy_check import check_lengths, check_proxy, found_check
from sculptnet.flow.reusing import find_refined, learned_predictor
from sculptnet.flow.searching import planned
from sculptnet.flow.supernet_learning import (
    check_space,
    fine_tuning,
    judge_of,
    learned,
    load_supernet,
    wanted_images,
)
from sculptnet.flow.supernet_plan import SupernetPlan
from sculptnet.flow.supernet_planning import supernet_planned
from sculptnet.flow.supernet_search import find_specialised
from sculptnet.flow.training import train_candidate, train_module
from sculptnet.nets import Network
from sculptnet.search import Problem, TrialRecord
from sculptnet.train import rescaled


@dataclass(frozen=True, eq=False)
class Work(ABC):
    """What a method does between the table and the export."""

    context: Context

    @abstractmethod
    def find(self, problem: Problem, table: LatencyTable) -> TrialRecord:
        """The trial whose network is to be shipped; measured within the budget.

        Raises:
            Infeasible: nothing that the search proposed is.
        """

    @abstractmethod
    def network(self, candidate: Candidate) -> Network:
        """The network of `candidate` as it is shipped."""

    @abstractmethod
    def recipe(self, candidate: Candidate) -> Recipe:
        """How it was trained last."""

    @abstractmethod
    def compare(self, cost: FactoredCost) -> None:
        """Trains the comparisons that were asked for."""


@dataclass(frozen=True, eq=False)
class TrainedFromScratch(Work):
    """The search finds an architecture, which is then trained."""

    plan: Plan

    def find(self, problem: Problem, table: LatencyTable) -> TrialRecord:
        unchecked = self.context.request.check_proxy and found_check(self.context) is None
        if unchecked:
            check_lengths(self.plan)  # before hours of trials
        find = find_best if self.context.request.from_run is None else find_refined
        best = find(self.context, problem, table, self.plan)
        if unchecked:
            check_proxy(self.context, problem, self.plan)
        return best

    def network(self, candidate: Candidate) -> Network:
        return train_candidate(self.context, candidate, self.plan)

    def recipe(self, candidate: Candidate) -> Recipe:
        return rescaled(candidate.recipe, self.plan.epochs)

    def compare(self, cost: FactoredCost) -> None:
        if self.context.request.baselines:
            add_baselines(self.context, cost, self.plan)


@dataclass(frozen=True, eq=False)
class CutFromSupernet(Work):
    """A supernet is trained first; the best of its networks is cut out and, where there is time, fine-tuned."""

    plan: SupernetPlan

    def find(self, problem: Problem, table: LatencyTable) -> TrialRecord:
        return find_specialised(self.context, problem, table, learned(self.context, self.plan))

    def network(self, candidate: Candidate) -> Network:
        context, architecture = self.context, candidate.architecture
        supernet, _ = load_supernet(context.run.supernet, context.space)
        supernet.to(context.accelerator)
        weights_part, held_out = context.search_parts()
        images = wanted_images(context, weights_part)
        network = judge_of(context, supernet, images, held_out).network(architecture).to("cpu")
        if self.plan.fine_tune_epochs:
            context.voice.say(f"Fine-tuning what was cut out of the supernet, {self.plan.fine_tune_epochs} epochs")
            train_module(context.at(architecture.resolution), network, self.recipe(candidate), "final")
        return network

    def recipe(self, candidate: Candidate) -> Recipe:
        """That of fine-tuning; without any, the supernet's."""
        if not self.plan.fine_tune_epochs:
            return rescaled(candidate.recipe, sum(self.plan.epochs.values()))
        return fine_tuning(candidate.recipe, self.plan.fine_tune_epochs)

    def compare(self, cost: FactoredCost) -> None:
        """There are none: requests for them are refused."""


def check_method(context: Context) -> None:
    """Whether the method can search the space, and images can be set apart: said before anything is measured.

    Raises:
        InvalidSpace: it cannot.
        InvalidValue: there are too few images for it, or the predictor that it should use is of another space.
        RunError: that predictor was learned on other images.
    """
    context.search_parts()
    if context.request.chosen_method()[0].shrinking is not None:
        check_space(context)
    if context.request.from_run is not None:
        learned_predictor(context)


def planned_work(context: Context, problem: Problem) -> Work:
    """The method's work, with its plan: read if it is there, else made once."""
    if context.request.chosen_method()[0].shrinking is not None:
        return CutFromSupernet(context, supernet_planned(context, problem))
    return TrainedFromScratch(context, planned(context, problem))
