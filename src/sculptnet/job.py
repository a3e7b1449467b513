"""The open run: what was asked, the data as it is used, the device, and where everything is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from torch import Tensor

from sculptnet.arch import Architecture, Recipe, SearchSpace
from sculptnet.cost import Precision
from sculptnet.data import EvaluationBatches, ImageData, InMemory, Preprocessing, Split, decoded
from sculptnet.data.ahead import MOST_WORKERS
from sculptnet.data.detection import BoxBatches, BoxData, BoxPreprocessing
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.devices import Device, FileMemo, Model, Timing
from sculptnet.devices.measure import check_precision, graphs_of, times
from sculptnet.devices.tables import REFERENCE_RESOLUTION, reference_network
from sculptnet.errors import InvalidValue
from sculptnet.learn.detection import DetectorRecipe
from sculptnet.listening import Listener
from sculptnet.machine_limits import cores
from sculptnet.nets.ssdlite import DetectorSettings, SsdLite
from sculptnet.option_groups import RunOptions
from sculptnet.options import FitOptions, ImageOptions, TrialOptions
from sculptnet.records import Event
from sculptnet.records.base import require_event
from sculptnet.records.card import Origin
from sculptnet.records.codec import read_record, write_record
from sculptnet.runs import RunDirectory
from sculptnet.streams import stream_seed

if TYPE_CHECKING:
    from sculptnet.method import AnyTask, Method, Subject
    from sculptnet.tasks.base import Task

__all__ = [
    "FitJob",
    "ImageJob",
    "Job",
    "OpenRun",
    "Stage",
    "TrialJob",
]

O = TypeVar("O", bound=RunOptions, covariant=True)  # noqa: E741
I = TypeVar("I", bound=ImageOptions, covariant=True)  # noqa: E741
R = TypeVar("R")


class Stage(Enum):
    """How far a run goes. Each stage reads what the ones before it left, so any of them can be the last."""

    SEARCH = "search"
    TRAIN = "train"
    EXPORT = "export"
    REPORT = "report"


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A command at work on a run.

    Attributes:
        run: the place on disk.
        listener: whom to tell.
        clock: seconds.
        started: by `clock`, when the command began.
        powercap: the folder of this machine's energy counters.
    """

    run: RunDirectory
    listener: Listener
    clock: Callable[[], float]
    started: float
    powercap: Path

    def say(self, text: str) -> None:
        """Tells a sentence."""
        self.listener.say(text)

    def log(self, event: Event) -> None:
        """Appends an event, with the time, to the run's log."""
        require_event(event)
        self.run.log(replace(event, time=round(time.time(), 3)))

    def events(self) -> list[Event]:
        """The run's log."""
        return self.run.events(self.listener.say)

    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return self.clock() - self.started

    def kept(self, name: str, kind: type[R]) -> R | None:
        """What the run keeps under `name`; None if it is not there."""
        path = self.run.record(name)
        return read_record(path, kind) if path.exists() else None

    def once(self, name: str, kind: type[R], make: Callable[[], R]) -> R:
        """What the run keeps under `name`; made and kept if it is not there yet. All resumption between stages."""
        found = self.kept(name, kind)
        if found is not None:
            return found
        value = make()
        write_record(self.run.record(name), value)
        return value


@dataclass(frozen=True, eq=False)
class TaskJob(OpenRun, Generic[O]):
    """A run on data, opened: what is known of it whatever its networks are for.

    Attributes:
        options: what was asked.
        task: trains, judges and times its networks.
        subject: the space that is searched, or the network that is trained.
        device: what networks are measured on.
        accelerator: what torch trains on: `cpu` or `cuda`.
    """

    options: O
    task: Task[Any, Any, Any, Any]
    subject: Subject
    device: Device
    accelerator: str

    @property
    def space(self) -> SearchSpace:
        """The space that is searched.

        Raises:
            InvalidValue: the network of the run is given.
        """
        if not isinstance(self.subject, SearchSpace):
            raise InvalidValue("this run searches no space; its network is given")
        return self.subject

    def recipe(self) -> Recipe:
        """The recipe of comparisons: the space's, with the first option of whatever it leaves open."""
        first = dict.fromkeys(self.space.decisions, 0)
        recipe: Recipe = self.space.fill(self.space.recipe, "recipe", first)
        return recipe

    @property
    def precision(self) -> Precision:
        """Of the file that the budget judges."""
        return Precision.FP32

    def reference(self) -> Model:
        """The network whose time tells the device's speed, and between whose runs files are timed."""
        if isinstance(self.subject, Architecture):  # at a lower resolution where its own is high, as tables have theirs
            resolution = min(self.subject.resolution, REFERENCE_RESOLUTION)
            return graphs_of(self.precision).network(replace(self.subject, resolution=resolution))
        return graphs_of(self.precision).network(reference_network(self.subject))

    def timings(self, architectures: Mapping[str, Architecture], *, kept: bool = True) -> dict[str, Timing]:
        """Whole untrained networks timed now, between runs of the reference; `kept` ones are not timed twice."""
        check_precision(self.device, self.precision)
        whole = self.task.whole(self)
        return times(
            {name: whole(architecture) for name, architecture in architectures.items()},
            self.device,
            reference=self.reference(),
            alternate=True,
            memo=FileMemo(self.run.measurements) if kept else None,
            progress=self.listener.progress,
        )


@dataclass(frozen=True, eq=False)
class Job(TaskJob[I], Generic[I]):
    """A run on images, opened.

    Attributes:
        method: how to get to a network.
        loaded, data: the images as they were read, and as they are used.
        preprocessing: for the resolution.
    """

    method: Method[Any]
    loaded: ImageData
    data: ImageData
    preprocessing: Preprocessing

    @property
    def precision(self) -> Precision:
        """Of the file that the budget judges."""
        return self.options.precision

    def at(self, resolution: int) -> Self:
        """The same run, seen by a network of another resolution."""
        return replace(self, preprocessing=self.preprocessing.at(resolution))

    def decoded_at(self, resolution: int) -> Self:
        """The same run for networks of another resolution alone: images are kept in memory for that one."""
        here = self.at(resolution)
        return replace(here, data=decoded(self.loaded, here.preprocessing, progress=self.listener.progress))

    def num_workers(self) -> int:
        """Processes that decode image files, at most: one per core, no more than four; none for images in memory."""
        return 0 if isinstance(self.data.train, InMemory) else min(MOST_WORKERS, cores())

    def in_order(self, split: Split) -> EvaluationBatches:
        """All images of `split`, to judge a network by."""
        size = evaluation_batch_size(self.preprocessing.resolution)
        return EvaluationBatches(split, self.preprocessing, size, self.num_workers())

    def search_parts(self) -> tuple[Split, Split]:
        """The training images for weights (80 %) and for architecture and selection (20 %)."""
        return self.data.hold_out(0.2, self.options.seed)

    def counted(self, batches: EvaluationBatches, what: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches, with progress in images."""
        done, total = 0, len(batches.split)
        for images, labels in batches:
            yield images, labels
            done += len(labels)
            self.listener.progress(what, done, total)


@dataclass(frozen=True, eq=False)
class BoxJob(TaskJob[O], Generic[O]):
    """A run on photographs with boxes, opened.

    Attributes:
        method: how to get to a network.
        data, preprocessing: the photographs, and how they are prepared.
        detector_recipe: how detectors are trained, its epochs aside where a plan sets them.
        settings: of detectors; the boxes that they start from are fitted to the training objects.
        met: how well those meet the training objects; None where they were given.
        first_weights: of the network that the shipped detector starts from; None draws them.
        origin: where the network comes from, as the card says.
    """

    method: AnyTask
    data: BoxData
    preprocessing: BoxPreprocessing
    detector_recipe: DetectorRecipe
    settings: DetectorSettings
    met: float | None
    first_weights: Callable[[], Mapping[str, Tensor] | None]
    origin: Origin

    def plan(self, backbone: Architecture) -> SsdLite:
        """The detector on a network."""
        return self.settings.on(backbone, len(self.data.classes))

    def num_workers(self) -> int:
        """Processes that decode and augment beside a GPU, at most; a CPU is busy with training."""
        return min(MOST_WORKERS, cores()) if self.accelerator == "cuda" else 0

    def batches(self, recipe: DetectorRecipe) -> BoxBatches:
        """The training photographs."""
        seed, train = stream_seed(self.options.seed, "detector/batches"), self.data.train
        return BoxBatches(train, self.preprocessing, recipe.augmentation, recipe.batch_size, seed, self.num_workers())


ImageJob: TypeAlias = Job[ImageOptions]
TrialJob: TypeAlias = Job[TrialOptions]
FitJob: TypeAlias = Job[FitOptions]
TrialTaskJob: TypeAlias = TaskJob[TrialOptions]
FitTaskJob: TypeAlias = TaskJob[FitOptions]
