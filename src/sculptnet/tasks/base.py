"""What a task is: how its data is opened, its networks trained, judged and shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

from sculptnet.job import OpenRun

J = TypeVar("J", bound=OpenRun)
F = TypeVar("F")
N = TypeVar("N")
R = TypeVar("R")


class Task(ABC, Generic[J, F, N, R]):
    """The stages of a run, in order, for one kind of data: `J` is its open run, `F` what is found, `N` its network.

    Each stage reads what the ones before it left; what earlier calls finished is read, not done again.
    """

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
