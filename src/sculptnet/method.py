"""What a method is: a way from an open run to a trained network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from sculptnet.arch import Architecture, Candidate, SearchSpace
from sculptnet.cost import LatencyTable
from sculptnet.data import ImageData, Preprocessing
from sculptnet.listening import Listener
from sculptnet.nets import Network
from sculptnet.options import ImageOptions
from sculptnet.records.card import Origin
from sculptnet.search import Limit

if TYPE_CHECKING:
    from sculptnet.job import Job, TaskJob
    from sculptnet.report import ReportData, SectionMaker

O = TypeVar("O", bound=ImageOptions)  # noqa: E741
Subject: TypeAlias = SearchSpace | Architecture
SpaceMaker: TypeAlias = Callable[..., SearchSpace]


@dataclass(frozen=True, eq=False)
class Found:
    """The network that a method settled on.

    Attributes:
        candidate: its architecture, and the recipe that it is trained with, its length included.
        table: what latencies were predicted with; None where nothing was predicted.
        limits: beside latency, that it keeps.
    """

    candidate: Candidate
    table: LatencyTable | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class NamedMethod:
    """A method by its name, or `package.module:name`, with settings as they are typed: `{"tau": "5"}`.

    Attributes:
        name: None is the method that would be taken without settings.
        settings: by name, dotted where they stand in a value.
    """

    name: str | None
    settings: Mapping[str, str]


class AnyTask(ABC):
    """A method that knows candidates by what the run's task says of them: how good after training, how fast.

    Attributes:
        name: of the method.
    """

    name: ClassVar[str]

    @abstractmethod
    def find(self, job: TaskJob[Any]) -> Found:
        """Finds the network to ship, or goes on where an earlier call stopped; raises `Infeasible`."""

    @abstractmethod
    def compare(self, job: TaskJob[Any], found: Found) -> None:
        """Trains what was asked for to compare the shipped network with."""

    @abstractmethod
    def searched(self, job: TaskJob[Any]) -> bool:
        """Whether nothing is left that was asked of its search."""

    @abstractmethod
    def compared(self, job: TaskJob[Any]) -> bool:
        """Whether all is trained that was asked for to compare the shipped network with."""

    @abstractmethod
    def longer_epochs(self, job: TaskJob[Any]) -> int | None:
        """How long the shipped network is trained; None where trials are trained as long, or there are none."""

    @abstractmethod
    def course(self) -> tuple[SectionMaker, ...]:
        """The sections of a page that tell how its search went."""


class Method(ABC, Generic[O]):
    """A published system, a baseline, or the training of one network: everything that differs between them.

    A method is a frozen dataclass; its fields are its settings, the group `search`. Nothing outside asks
    which method it is: what is special stands in its file.

    Attributes:
        name: what it is called where it is asked for.
    """

    name: ClassVar[str]

    @classmethod
    def address(cls) -> str:
        """What names it on a command line: its name, or where it is defined where that is not here."""
        ours = cls.__module__.startswith(f"{__package__}.")
        return cls.name if ours else f"{cls.__module__}:{cls.__qualname__}"

    def problems(self, options: O) -> list[str]:
        """What was asked for that plays no part here, or that contradicts the settings: a sentence each."""
        return []

    def notes(self, options: O) -> list[str]:
        """What of what was asked plays no part here and is no mistake: a sentence each, told as work begins."""
        return []

    def require(self) -> None:
        """Checks that optional packages are there; raises `MissingExtra`."""

    def asked(self, options: O) -> O:
        """The options with what the method decides for the user."""
        return options

    @abstractmethod
    def resolution(self, options: O, data: ImageData, accelerator: str) -> int:
        """Height and width of the input, pixels, where the user names none."""

    @abstractmethod
    def subject(self, options: O, num_classes: int, resolution: int) -> Subject:
        """The space that is searched, or the network that is trained."""

    def identity(self, options: O) -> dict[str, Any]:
        """What makes a run of it another run, beside data, device, budget, settings and subject."""
        return {}

    def begin(self, options: O, subject: Subject, data: ImageData) -> None:
        """Checks what only shows when work begins, before there is a run; raises `InvalidValue`."""

    def preprocessing(self, options: O, plain: Preprocessing, listener: Listener) -> Preprocessing:
        """How images are prepared: `plain`, by the images' own mean and deviation, or as for given weights."""
        return plain

    @abstractmethod
    def find(self, job: Job[O]) -> Found:
        """Finds the network to ship, or goes on where an earlier call stopped.

        Raises:
            Infeasible: nothing meets the limits.
        """

    @abstractmethod
    def network(self, job: Job[O], found: Found) -> Network:
        """The network as it is shipped: trained, on the CPU; goes on where an earlier call stopped."""

    def compare(self, job: Job[O], found: Found) -> None:
        """Trains what was asked for to compare the shipped network with."""

    def searched(self, job: Job[O]) -> bool:
        """Whether nothing is left that was asked of its search."""
        return True

    def compared(self, job: Job[O]) -> bool:
        """Whether all is trained that was asked for to compare the shipped network with."""
        return True

    def longer_epochs(self, job: Job[O]) -> int | None:
        """How long the shipped network is trained; None where trials are trained as long, or there are none."""
        return None

    @abstractmethod
    def origin(self, options: O) -> Origin:
        """Where the network comes from, as its card says."""

    @abstractmethod
    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        """The sections of its page, in order."""
