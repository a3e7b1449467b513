"""What every stage of a run works with."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sculptnet import settings
from sculptnet.arch import Recipe, SearchSpace, to_json
from sculptnet.data import (
    EvaluationBatches,
    ImageData,
    InMemory,
    Preprocessing,
    Split,
    check_plausible,
    decoded,
    default_preprocessing,
)
from sculptnet.data.ahead import MOST_WORKERS
from sculptnet.data.loading import evaluation_batch_size
from sculptnet.devices import Device, Model, open_device
from sculptnet.devices.energy import POWERCAP
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.tables import reference_network
from sculptnet.errors import DataError, InvalidValue
from sculptnet.files import write_json
from sculptnet.flow.common_request import CommonRequest
from sculptnet.flow.parts import load_data
from sculptnet.flow.request import FitRequest, RunRequest
from sculptnet.flow.searched_run import searched_run
from sculptnet.flow.starting import normalised_as
from sculptnet.flow.unused import check_recipe, unused_crops
from sculptnet.machine_limits import cores
from sculptnet.runs import RunDirectory
from sculptnet.state import Event, Progress

LARGEST_NATIVE = 64  # pixels; images up to here are searched at their own size
CPU_RESOLUTION, CUDA_RESOLUTION = 96, 224


def _told_nobody(folder: Path) -> None:
    """For those who do not care where a run is kept."""


@dataclass(frozen=True, eq=False)
class Voice:
    """Whom the flow talks to: lines of text, progress of long work, and the run directory once it is open."""

    say: Callable[[str], None]
    progress: Progress
    opened: Callable[[Path], None] = _told_nobody


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A command at work on a run: the place on disk, whom to tell, and since when."""

    run: RunDirectory
    voice: Voice
    clock: Callable[[], float]
    started: float

    def log(self, event: Event) -> None:
        """Appends an event, with the time, to the run's log."""
        self.run.log({"time": round(time.time(), 3), **event})

    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return self.clock() - self.started


@dataclass(frozen=True, eq=False)
class RunContext(OpenRun, ABC):
    """One run on images, opened: what was asked, the data as loaded and as used, the device."""

    request: RunRequest
    loaded: ImageData
    data: ImageData
    preprocessing: Preprocessing
    device: Device
    accelerator: str

    @abstractmethod
    def reference(self) -> Model:
        """The network whose time tells the device's speed, and between whose runs files are timed."""

    def at(self, resolution: int) -> Self:
        """The same run, seen by a network of another resolution."""
        return replace(self, preprocessing=self.preprocessing.at(resolution))

    def workers(self) -> int:
        """Processes that decode image files, at most: one per core, no more than four; none for images in memory."""
        return 0 if isinstance(self.data.train, InMemory) else min(MOST_WORKERS, cores())

    def in_order(self, split: Split) -> EvaluationBatches:
        """All images of `split`, to judge a network by."""
        size = evaluation_batch_size(self.preprocessing.resolution)
        return EvaluationBatches(split, self.preprocessing, size, self.workers())

    def counted(self, batches: EvaluationBatches, what: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches, with progress in images."""
        done, total = 0, len(batches.split)
        for images, labels in batches:
            yield images, labels
            done += len(labels)
            self.voice.progress(what, done, total)


@dataclass(frozen=True, eq=False)
class Context(RunContext):
    """A run that searches, with its space, and the folder of this machine's energy counters."""

    request: FitRequest
    space: SearchSpace
    powercap: Path = POWERCAP

    def search_parts(self) -> tuple[Split, Split]:
        """The training images for weights (80 %) and for architecture and selection (20 %)."""
        return self.data.hold_out(0.2, self.request.seed)

    def reference(self) -> Model:
        """As in the table."""
        return graphs_of(self.request.precision).network(reference_network(self.space))

    def recipe(self) -> Recipe:
        """The recipe of comparisons: the space's, with the first option of whatever it leaves open."""
        first = dict.fromkeys(self.space.decisions, 0)
        recipe: Recipe = self.space.fill(self.space.recipe, "recipe", first)
        return recipe


def open_context(
    request: FitRequest,
    voice: Voice,
    clock: Callable[[], float],
    powercap: Path = POWERCAP,
    run: RunDirectory | None = None,
) -> Context:
    """Loads the data, makes the space, opens the run directory; with `run`, files go there and none is made."""
    started = clock()
    limit_threads()
    data = load_for(request, voice)
    accelerator = choose_accelerator(request.accelerator)
    resolution = request.resolution or native_resolution(data, accelerator)
    maker, arguments = request.space_maker()
    made = maker(len(data.classes), resolution, **arguments)
    space = replace(made, recipe=settings.apply(made.recipe, request.given()["recipe"], "recipe"))
    given = request.given()["recipe"]
    check_recipe(space.recipe, given)
    device = open_device(request.device, request.threads)
    if run is None:
        run = open_run(request, data, identity_of(request, data, resolution) | searched(request, space), voice)
        with run.locked():
            write_json(run.space, templates_of(space))
    preprocessing, start = default_preprocessing(data, resolution), request.chosen_start()
    if start is not None:
        file = start.weights if isinstance(start.weights, Path) else None
        preprocessing = normalised_as(preprocessing, start.published.name, file, start.published, voice.say)
    for note in unused_crops(preprocessing, given):
        voice.say(note)
    return Context(
        request=request,
        run=run,
        loaded=data,
        data=decoded(data, preprocessing, progress=voice.progress),
        space=space,
        preprocessing=preprocessing,
        device=device,
        accelerator=accelerator,
        voice=voice,
        clock=clock,
        started=started,
        powercap=powercap,
    )


def limit_threads() -> None:
    """Torch computes with no more threads than this process may use cores: it knows of no quota of a container."""
    if torch.get_num_threads() > cores():
        torch.set_num_threads(cores())


def load_for(request: RunRequest, voice: Voice) -> ImageData:
    """The data set of a request.

    Raises:
        DataError: it cannot be used as it is, or nothing can be learned from it.
    """
    check_still_there(request.data, request.run_dir)
    data = load_data(
        request.data,
        root=request.root,
        test_fraction=request.test_fraction,
        seed=request.seed,
        skip_broken=request.skip_broken,
        progress=voice.progress,
    )
    check_plausible(data)
    return data


def check_still_there(data: str, run_dir: Path | None) -> None:
    """Raises `DataError` where the data of a run that was begun have been moved, with what to do."""
    if run_dir is not None and RunDirectory(run_dir).exists() and Path(data).is_absolute() and not Path(data).exists():
        raise DataError(
            f"the data of {run_dir} lay in {data}, which does not exist any more; if they were moved or renamed, give "
            f"the command again with the new folder and --run-dir {run_dir}"
        )


def run_directory(request: CommonRequest, data_name: str, identity: Mapping[str, Any]) -> RunDirectory:
    """Where a request's run is kept, whether it was begun or not.

    An unnamed run is known by the hash of its identity: its folder keeps the name that the data had at its beginning.
    """
    if request.run_dir is not None:
        return RunDirectory(request.run_dir)
    known = digest(dict(identity))[:8]
    begun = [path for path in sorted(request.runs.glob(f"*-{known}")) if RunDirectory(path).exists()]
    return RunDirectory(begun[0] if begun else request.runs / f"{data_name}-{known}")


def open_run(request: RunRequest, data: ImageData, identity: Mapping[str, Any], voice: Voice) -> RunDirectory:
    """The run directory of a request, made or found."""
    run = run_directory(request, data.name, identity)
    with run.locked():
        continued = run.open(identity, request.command(), fresh=request.fresh)
    voice.opened(run.folder)
    voice.say(f"{'Continuing' if continued else 'Starting'} {run.folder}")
    return run


def choose_accelerator(wanted: str) -> str:
    """`cpu` or `cuda`.

    Raises:
        InvalidValue: CUDA was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise InvalidValue("--accelerator cuda: torch sees no CUDA device here; use --accelerator cpu")
    return ("cuda" if available else "cpu") if wanted == "auto" else wanted


def native_resolution(data: ImageData, accelerator: str) -> int:
    """The size of small images; for photographs 96 pixels on a CPU and 224 with CUDA."""
    size = int(np.median(data.train.sizes.min(axis=1)))
    if size <= LARGEST_NATIVE:
        return size
    return CUDA_RESOLUTION if accelerator == "cuda" else CPU_RESOLUTION


def identity_of(request: RunRequest, data: ImageData, resolution: int) -> dict[str, Any]:
    """What makes a run this run, whatever it does: of the data their contents, and not what their folder is called."""
    return {
        "data_fingerprint": data.fingerprint,
        "latency_ms": request.latency_ms,
        "device": request.device,
        "threads": request.threads,
        "precision": request.precision.value,
        "resolution": resolution,
        "minutes": request.minutes,
        "seed": request.seed,
        "settings": sorted(request.settings),
    }


def templates_of(space: SearchSpace) -> dict[str, Any]:
    """The space as plain JSON."""
    return {"architecture": to_json(space.architecture), "recipe": to_json(space.recipe)}


def searched(request: FitRequest, space: SearchSpace) -> dict[str, Any]:
    """What makes a search this one. Comparisons may be added to a run later, so `baselines` is no part of it."""
    return {
        "space": digest(templates_of(space)),
        "method": request.method,
        **({"start": request.start} if request.start else {}),
        "table": digest(request.table.read_text()) if request.table and request.table.exists() else None,
        **({"limits": sorted(request.limits)} if request.limits else {}),
        **({"from_run": digest(searched_run(request.from_run)["identity"])} if request.from_run else {}),
        **({"full_trials": request.full_trials} if request.full_trials else {}),
    }


def digest(value: Any) -> str:
    """A short hash of plain JSON data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
