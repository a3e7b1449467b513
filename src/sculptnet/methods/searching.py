"""What searches have in common: the table, the problem, the plan, and the way from a candidate to a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from sculptnet import settings, spaces
from sculptnet.arch import Candidate, Recipe, SearchSpace
from sculptnet.arch.choice import options_of
from sculptnet.cost import FactoredCost, LatencyTable
from sculptnet.data import ImageData
from sculptnet.errors import InvalidValue
from sculptnet.files import digest
from sculptnet.job import FitJob, FitTaskJob
from sculptnet.method import Found, Method, SpaceMaker
from sculptnet.named import find
from sculptnet.nets import Network
from sculptnet.options import FitOptions
from sculptnet.plain import unwritable
from sculptnet.records.card import Origin
from sculptnet.rules import raised, require
from sculptnet.search import Limit, Objective, Problem, TrialRecord
from sculptnet.spaces.named import NamedSpace, SpaceSettings
from sculptnet.stages.feasibility import budget_at_table_speed, budget_ms, check_feasibility, check_limits
from sculptnet.stages.limits import parse_limits
from sculptnet.stages.plan import Plan
from sculptnet.stages.table import check_table, limits_beside, measured_table
from sculptnet.stages.unused import names_of, recipe_problems
from sculptnet.stages.workers import as_workers

if TYPE_CHECKING:
    from sculptnet.report import ReportData, SectionMaker

P = TypeVar("P", bound=Plan)
J = TypeVar("J", bound=FitTaskJob, contravariant=True)
Q = TypeVar("Q", bound=Plan)
LARGEST_NATIVE = 64  # pixels; images up to here are searched at their own size
CPU_RESOLUTION, CUDA_RESOLUTION = 96, 224


# What not every search has a use for, and what is said where one has none
SERVED_BY_SOME: Mapping[str, str] = MappingProxyType(
    {
        "workers": "trains no trials that could be shared; leave it out",
        "full_trials": "trains no trials again in full; leave it out",
        "baselines": "trains no others to compare with; leave it out",
        "check_proxy": "compares no trials with longer training; leave it out",
        "recipe.epochs": "decides itself how long it trains; leave it out",
        "start": "starts from drawn weights; methods ofa and carve do not",
        "from_run": "uses no predictor; method fbnetv3 does",
    }
)


@dataclass(frozen=True, eq=False)
class Target:
    """What a search may propose.

    Attributes:
        problem: accuracy within the limits, at the budget that the device keeps now.
        table: predicts latencies.
        cost: the same, of whole populations.
    """

    problem: Problem
    table: LatencyTable
    cost: FactoredCost


class Searching(Method[FitOptions], Generic[P]):
    """A method that searches a space under a budget on a device.

    Attributes:
        default_space: what is searched unless the user says otherwise.
        serves: the options of `SERVED_BY_SOME` that do something here; the others are refused.
    """

    default_space: ClassVar[str] = "fbnet"
    serves: ClassVar[frozenset[str]] = frozenset()

    # ------------------------------------------------------------------ what differs between searches
    @abstractmethod
    def plan(self, job: FitJob, problem: Problem) -> P:
        """The run's plan: read if it is there, else made once from trial steps and the minutes left."""

    @abstractmethod
    def best(self, job: FitJob, target: Target, plan: P) -> TrialRecord:
        """The trial whose network is to be shipped; measured within the budget.

        Raises:
            Infeasible: nothing that the search proposed is.
        """

    @abstractmethod
    def trained(self, candidate: Candidate, plan: P) -> Candidate:
        """The candidate with the recipe that it is trained with last."""

    def check(self, job: FitJob) -> None:
        """Whether the method can search the space, and images can be set apart: said before anything is measured."""
        job.search_parts()

    def unserved(self, option: str) -> str:
        """Why an option of `SERVED_BY_SOME` does nothing here."""
        return SERVED_BY_SOME[option]

    def start_problems(self, options: FitOptions) -> list[str]:
        """What is wrong with the network to start from."""
        return []

    def opener(self, space: str | None) -> SpaceMaker:
        """What makes the space of that name, or the method's own; its arguments are the group `space`."""
        return find(space or self.default_space, spaces.BY_NAME, "space")

    def maker(self, options: FitOptions) -> SpaceMaker:
        """What makes the space of classes and a resolution."""
        chosen = options.space
        if chosen is None or isinstance(chosen, SpaceSettings):
            return NamedSpace(self.default_space, {} if chosen is None else chosen.settings)
        if isinstance(chosen, SearchSpace):
            return lambda num_classes, resolution: chosen
        return find(chosen, spaces.BY_NAME, "space") if isinstance(chosen, str) else chosen

    def recipe(self, resolution: int) -> Recipe:
        """The recipe of candidates, with what is open in it, where the space has none of its own."""
        return Recipe()

    # ------------------------------------------------------------------ what all searches do
    def problems(self, options: FitOptions) -> list[str]:
        """A missing budget; options of other methods; what is not there, or is not what it should be."""
        found = [] if options.latency_ms is not None else ["the budget is missing; give `latency_ms`, milliseconds"]
        found += [
            f"{given}: method {self.name} {self.unserved(option)}"
            for option, given in _given(options)
            if option not in self.serves
        ]
        if isinstance(options.method, Method):
            found += unwritable(options.method)
        found += self.start_problems(options)
        return list(dict.fromkeys(found + given_problems(options) + raised(lambda: self.maker(options))))

    def notes(self, options: FitOptions) -> list[str]:
        """The length of a whole recipe, where the method has its own."""
        if "recipe.epochs" in self.serves or not isinstance(options.recipe, Recipe):
            return []
        epochs = options.recipe.epochs
        return [
            f"Note: the {epochs} epochs of the recipe play no part: method {self.name} {self.unserved('recipe.epochs')}"
        ]

    def resolution(self, options: FitOptions, data: ImageData, accelerator: str) -> int:
        """The size of small images; for photographs 96 pixels on a CPU and 224 with CUDA."""
        if isinstance(options.space, SearchSpace):
            return int(max(options_of(options.space.architecture.resolution)))
        return native_resolution(data, accelerator)

    def subject(self, options: FitOptions, num_classes: int, resolution: int) -> SearchSpace:
        """The space, with what the user decided of the recipe."""
        space = self.maker(options)(num_classes, resolution)
        made = space.architecture
        if made.num_classes != num_classes or resolution not in options_of(made.resolution):
            raise InvalidValue(
                f"the space is for {made.num_classes} classes and {made.resolution} px, and the run has {num_classes} "
                f"classes at {resolution} px; make it for those, or give a function that makes it"
            )
        recipe = settings.decided(space.recipe, options.recipe, "recipe")
        require(recipe_problems(recipe, names_of(options.recipe)), "recipe")
        return replace(space, recipe=recipe)

    def identity(self, options: FitOptions) -> dict[str, Any]:
        """The table, the limits, how many trials are trained in full."""
        found: dict[str, Any] = {}
        if options.table is not None and options.table.exists():
            found["table"] = digest(options.table.read_text())
        if options.limits:
            found["limits"] = sorted(map(str, options.limits))
        if options.full_trials:
            found["full_trials"] = options.full_trials
        return found

    def origin(self, options: FitOptions) -> Origin:
        """The method."""
        return Origin(self.name)

    def target(self, job: FitTaskJob) -> Target:
        """The table, the problem at the speed of the device, and sentences on where the budget lies.

        Raises:
            Infeasible: the budget or the limits cannot be met.
        """
        at_most_ms = budget_ms(job.options)
        table = measured_table(job, at_most_ms)
        cost = check_feasibility(job, table)
        check_limits(job, problem_of(job, table, at_most_ms))
        return Target(problem_of(job, table, budget_at_table_speed(job, table, cost)), table, cost)

    def find(self, job: FitJob) -> Found:
        """Table, problem, plan and search; what earlier calls finished is read, not done again."""
        return found_by(self, job)

    def network(self, job: FitJob, found: Found) -> Network:
        """Trained from scratch."""
        network: Network = job.task.trained(job, found.candidate, "final")
        return network

    @abstractmethod
    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        """The sections of its page, in order."""


def _given(options: FitOptions) -> Iterator[tuple[str, str]]:
    """The options that some searches serve, where they were given, and as what."""
    for name in SERVED_BY_SOME:
        if name == "recipe.epochs":
            if "epochs" in names_of(options.recipe):
                yield name, f"`{name}`"
            continue
        value = getattr(options, name)
        if value not in (None, False) and not (name == "workers" and value in (1, "1")):
            yield name, f"`{name}`" if value is True else f"`{name}` {value}"


def found_by(method: _Searches[J, Q], job: J) -> Found:
    """Table, problem, plan and search; what earlier calls finished is read, not done again."""
    method.check(job)
    target = method.target(job)
    plan = method.plan(job, target.problem)
    record = method.best(job, target, plan)
    candidate = method.trained(job.space.decode(record.choices), plan)
    return Found(candidate, target.table, target.problem.limits[1:])


class _Searches(Protocol[J, Q]):
    """What `found_by` asks of a search, on a run that it can search."""

    def check(self, job: J) -> None: ...
    def target(self, job: J) -> Target: ...
    def plan(self, job: J, problem: Problem) -> Q: ...
    def best(self, job: J, target: Target, plan: Q) -> TrialRecord: ...
    def trained(self, candidate: Candidate, plan: Q) -> Candidate: ...


def image_recipe_problems(options: FitOptions) -> list[str]:
    """What is wrong with the recipe of a classifier, as far as options tell; the space is not looked at."""
    found = list[str]()
    problems = raised(lambda: found.extend(recipe_problems(settings.decided(Recipe(), options.recipe, "recipe"), ())))
    return problems + found


def given_problems(options: FitOptions) -> list[str]:
    """What is wrong with limits, workers, table and space, whatever the method is; as far as options tell."""
    table, space = options.table, options.space

    def space_by_name() -> None:
        if isinstance(space, str):
            find(space, spaces.BY_NAME, "space")

    return raised(
        lambda: parse_limits(options.limits, options.device),
        lambda: as_workers(options.workers),
        lambda: None if table is None else check_table(table),
        space_by_name,
    )


def native_resolution(data: ImageData, accelerator: str) -> int:
    """The size of small images; for photographs 96 pixels on a CPU and 224 with CUDA."""
    size = int(np.median(data.train.sizes.min(axis=1)))
    if size <= LARGEST_NATIVE:
        return size
    return CUDA_RESOLUTION if accelerator == "cuda" else CPU_RESOLUTION


def problem_of(job: FitTaskJob, table: LatencyTable, at_most_ms: float) -> Problem:
    """Accuracy, with at most `at_most_ms` by the table, and within the other limits."""
    limits = (Limit(table, at_most_ms), *limits_beside(job, table))
    return Problem(job.space, (Objective(job.task.metric),), limits)
