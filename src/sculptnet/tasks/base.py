"""What a task is: how its data is opened, its networks trained, judged and shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from sculptnet.arch import Architecture, Candidate
from sculptnet.cost import FactoredCost
from sculptnet.devices import Model
from sculptnet.job import TaskJob
from sculptnet.option_groups import TaskName
from sculptnet.search import Evaluate
from sculptnet.stages.plan import SearchPlan, Speed

J = TypeVar("J", bound=TaskJob[Any])
F = TypeVar("F")
N = TypeVar("N")
R = TypeVar("R")


class Task(ABC, Generic[J, F, N, R]):
    """The stages of a run, in order, for one kind of data: `J` is its open run, `F` what is found, `N` its network.

    Each stage reads what the ones before it left; what earlier calls finished is read, not done again. The rest is what
    methods need that know candidates by their trials alone: they ask the run's task, whatever it is.

    Attributes:
        name: as the option `task` has it.
        size_option: the name of the option with the size of its input.
        metric: of networks, on training data that were kept back, 0 to 1; more is better.
    """

    name: ClassVar[TaskName]
    size_option: ClassVar[str]
    metric: ClassVar[str]

    @abstractmethod
    def look(self, job: J) -> None:
        """Says what is in the data, and every doubt about it."""

    @abstractmethod
    def find(self, job: J) -> F:
        """Finds the network to train."""

    @abstractmethod
    def train(self, job: J, found: F) -> N:
        """The network as it is shipped, on the CPU."""

    @abstractmethod
    def ship(self, job: J, found: F, network: N) -> None:
        """Writes `model/` and its card."""

    @abstractmethod
    def searched(self, job: J) -> bool:
        """Whether nothing is left that was asked of the search of a run that has shipped a model."""

    @abstractmethod
    def compared(self, job: J) -> bool:
        """Whether all is trained that was asked for to compare its network with."""

    @abstractmethod
    def compare(self, job: J, found: F) -> None:
        """Trains what was asked for to compare the network with."""

    @abstractmethod
    def report(self, job: J, found: F) -> Path:
        """Writes the page."""

    @abstractmethod
    def result(self, job: J, found: F | None) -> R:
        """The run as far as it went: with what its folder holds. `found` is None where all had been done before."""

    # ------------------------------------------------------------------ candidates
    @abstractmethod
    def images(self, job: J) -> int:
        """How many images a network is trained on."""

    @abstractmethod
    def whole(self, job: J) -> Callable[[Architecture], Model]:
        """What makes the graph that is timed, of a network that is not trained."""

    @abstractmethod
    def speed(self, job: J, architecture: Architecture) -> Speed:
        """Times trial steps of a network."""

    @abstractmethod
    def trial(self, job: J) -> Evaluate:
        """Trains a candidate briefly, and judges it by `metric` on training data that were kept back."""

    @abstractmethod
    def trained(self, job: J, candidate: Candidate, name: str) -> N:
        """A candidate trained from drawn weights, on the CPU; `name` keeps its checkpoints and events apart."""

    @abstractmethod
    def notes(self, job: J, plan: SearchPlan) -> list[str]:
        """What the trainings of a plan are too short for."""

    @abstractmethod
    def missing_comparisons(self, job: J) -> tuple[str, ...]:
        """The comparisons that are asked for, possible here, and not yet in the log of the run."""

    @abstractmethod
    def add_comparisons(self, job: J, cost: FactoredCost, epochs: int, each_s: float) -> None:
        """Trains and measures what is missing; `cost` predicts latencies, one training takes about `each_s` seconds."""
