"""The run directory: the only module that knows file names.

    run.json          verb, command, identity (settings, seed, data, device)
    plan.json         how long everything is          slowed.json       the device's speed when the search began
    space.json        the templates searched          table.json        the latency table
    energy.json       the power, where energy is limited
    trials.jsonl      one trial a line                metrics.jsonl     one event a line
    measurements.jsonl  timings already made          checkpoints/NAME/000012.safetensors + .json
    trials/000007/    what a trial left behind        model/            what is shipped
    report.html       figures/                        supernet/         weights, samples.jsonl
    predictor/        of accuracies, from trials      library/          of a trained network, to carve from
    specialized/DEVICE/BUDGET/   a run directory for each, with a table for each device

Files appear whole or not at all: they are written beside their place and renamed. Log lines are appended and flushed;
a last line that a kill tore is dropped when the log is read, and said so.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, final

from sculptnet.errors import InvalidValue, RunError
from sculptnet.files import read_json, write_atomic, write_json
from sculptnet.records import Event, TrialRecord
from sculptnet.records.codec import from_line, read_record, to_line, write_record
from sculptnet.records.events import event_from_line, event_to_line

if TYPE_CHECKING:
    from torch import Tensor

R = TypeVar("R")
RUN = "run.json"
SPECIALIZE = "specialize"  # the verb of what is kept inside another run
LOCK = ".lock"


def append_line(path: Path, value: Any) -> None:
    """Appends one JSON line and flushes it; a line that an earlier kill tore is removed first.

    Raises:
        RunError: it could not be written, for example on a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            _drop_torn_line(file)
            file.write(json.dumps(value).encode() + b"\n")
            file.flush()
    except OSError as error:
        raise RunError(f"{path} could not be written ({error.strerror}); what it held is still there") from error


def _drop_torn_line(file: BinaryIO) -> None:
    if file.tell() == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def append_record(path: Path, record: object) -> None:
    """Appends a record as a line; errors as of `append_line`."""
    append_line(path, to_line(record))


def read_records(path: Path, kind: type[R], warn: Callable[[str], None]) -> list[R]:
    """The records of one class that are the lines of a log; a torn last line is as in `read_lines`.

    Raises:
        RunError: a line holds something else; the message has everything that is wrong with it.
    """
    return _read(path, lambda line: from_line(line, kind), warn)


def read_lines(path: Path, warn: Callable[[str], None]) -> list[Mapping[str, Any]]:
    """The JSON lines of a log. A torn last line is left out and `warn` is told.

    Raises:
        RunError: a line before the last is no JSON object.
    """
    return _read(path, lambda line: line, warn)


def _read(path: Path, read: Callable[[Mapping[str, Any]], R], warn: Callable[[str], None]) -> list[R]:
    found = []
    for number, line in _objects(path, warn):
        try:
            found.append(read(line))
        except InvalidValue as error:
            remedy = "remove that line, or start anew with `fresh=True`"
            raise RunError(f"{path}, line {number}: {error}; {remedy}") from error
    return found


def _objects(path: Path, warn: Callable[[str], None]) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a log, and the numbers of their lines."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    values: list[tuple[int, Mapping[str, Any]]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("no object")
            values.append((number, value))
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise RunError(
                    f"{path}, line {number} is no JSON object; remove that line or start anew (`fresh=True`)"
                ) from error
            warn(f"{path.name}: the last line was cut off by a kill; recovered the {len(values)} whole lines before it")
    return values


@final
@dataclass(frozen=True)
class FileCheckpoint:
    """The checkpoints of one piece of work: the newest is kept, and replaced only by a whole one."""

    folder: Path

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Writes `tensors` and `state`, then removes older checkpoints.

        Raises:
            RunError: it could not be written, for example on a full disk; the last good checkpoint stays.
        """
        from safetensors.torch import save

        number = max(self._numbers(), default=0) + 1
        content = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
        try:
            write_atomic(self._path(number, "safetensors"), content)
            write_json(self._path(number, "json"), state)
        except RunError:
            with suppress(OSError):
                self._path(number, "safetensors").unlink(missing_ok=True)
            raise
        for old in self._numbers():
            if old < number:
                self._path(old, "json").unlink(missing_ok=True)
                self._path(old, "safetensors").unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        """The newest whole checkpoint, or None.

        Raises:
            RunError: it is damaged.
        """
        from safetensors.torch import load_file

        number = max(self._numbers(), default=None)
        if number is None:
            return None
        path = self._path(number, "safetensors")
        try:
            tensors = load_file(path)
        except MemoryError:
            raise
        except Exception as error:  # safetensors' own, and those of torch for kinds of numbers that it lacks
            raise RunError(f"{path} is damaged ({error}); restore it, or start anew with `fresh=True`") from error
        state = read_json(self._path(number, "json"))
        if not isinstance(state, dict):
            file = self._path(number, "json")
            raise RunError(f"{file} is damaged (no JSON object); restore it, or start anew with `fresh=True`")
        return tensors, state

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:06d}.{suffix}"

    def _numbers(self) -> list[int]:
        """The checkpoints whose both files are there; the JSON file is written last."""
        found = [int(path.stem) for path in self.folder.glob("[0-9]*.json")]
        return [number for number in found if self._path(number, "safetensors").exists()]


@final
@dataclass(frozen=True)
class RunInfo:
    """What a run is.

    Attributes:
        verb: what was called: `fit`, `train`, `search-recipe`, `detect` or `specialize`.
        identity: what makes it this run: its settings, space and data fingerprint; plain JSON.
        command: what was asked, in full; plain JSON.
    """

    verb: str
    identity: Mapping[str, Any]
    command: Mapping[str, Any]


def _refuse_older(folder: Path) -> None:
    """Raises `RunError` for a run of a version whose runs said their schema."""
    content = read_json(folder / RUN)
    if isinstance(content, dict) and "schema" in content:
        raise RunError(
            f"{folder} was begun by an older version of SculptNet, whose runs this one does not go on with; give "
            "another `run_dir`, or `fresh=True` to replace it. A model shipped there is read as before"
        )


@final
@dataclass(frozen=True)
class RunDirectory:
    """One run on disk."""

    folder: Path

    # ------------------------------------------------------------------ identity
    def open(self, info: RunInfo, *, fresh: bool) -> bool:
        """Makes the directory for a run, or checks that it holds the same one.

        Args:
            info: what it is; kept when the directory is made.
            fresh: remove what an earlier run left.

        Returns:
            Whether an earlier run is continued.

        Raises:
            RunError: the directory holds another run, one of another version, or is no run directory.
        """
        if fresh and self.exists():
            for path in self.folder.iterdir():
                if path.name != LOCK:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._refuse_foreign()
        if not self.exists():
            write_record(self.folder / RUN, info)
            return False
        there, here = ({"verb": one.verb, **one.identity} for one in (self.info(), info))
        if there != here:
            names = sorted(key for key in {*there, *here} if there.get(key) != here.get(key))
            lines = "".join(
                f"\n  - {name}: there {_short(there.get(name))}, now {_short(here.get(name))}" for name in names
            )
            raise RunError(
                f"{self.folder} holds another run; give another `run_dir`, or `fresh=True` to replace it{lines}"
            )
        begun, data = self.info(), info.command.get("data")
        if isinstance(data, str) and begun.command.get("data") != data:  # moved or renamed since
            write_record(self.folder / RUN, replace(begun, command={**begun.command, "data": data}))
        return True

    def _refuse_foreign(self) -> None:
        if self.folder.is_dir() and not self.exists() and any(path.name != LOCK for path in self.folder.iterdir()):
            raise RunError(f"{self.folder} is not empty and no run directory; give another `run_dir`")

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.folder / RUN).exists()

    def info(self) -> RunInfo:
        """What the run is.

        Raises:
            RunError: absent, damaged, or of another version.
        """
        if not self.exists():
            raise RunError(f"{self.folder} is no run directory (no {RUN}); `sculptnet fit` makes one")
        _refuse_older(self.folder)
        return read_record(self.folder / RUN, RunInfo)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out of this run.

        Raises:
            RunError: another process has it.
        """
        self._refuse_foreign()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{self.folder} is in use by another process; wait for it or give `run_dir`") from error
            yield

    # ------------------------------------------------------------------ logs
    def log(self, event: Event) -> None:
        """Appends an event to `metrics.jsonl`; raises `InvalidValue` for what is none."""
        append_line(self.folder / "metrics.jsonl", event_to_line(event))

    def events(self, warn: Callable[[str], None]) -> list[Event]:
        """All events, in order; those of kinds that are not SculptNet's are `OtherEvent`s. Errors as `read_records`."""
        return _read(self.folder / "metrics.jsonl", event_from_line, warn)

    def log_trial(self, record: TrialRecord) -> None:
        """Appends a trial to `trials.jsonl`."""
        append_record(self.folder / "trials.jsonl", record)

    def trials(self, warn: Callable[[str], None]) -> list[TrialRecord]:
        """All trials, in order; errors as `read_records`."""
        return read_records(self.folder / "trials.jsonl", TrialRecord, warn)

    # ------------------------------------------------------------------ places
    def checkpoint(self, name: str) -> FileCheckpoint:
        """The checkpoints of one piece of work, such as `search` or `final`."""
        return FileCheckpoint(self.folder / "checkpoints" / name)

    def trial_folder(self, trial: int) -> Path:
        """Where a trial leaves what it made."""
        return self.folder / "trials" / f"{trial:06d}"

    def record(self, name: str) -> Path:
        """What a stage decided once, such as `plan`."""
        return self.folder / f"{name}.json"

    @property
    def description(self) -> Path:
        """What the run is."""
        return self.folder / RUN

    @property
    def space(self) -> Path:
        """The templates that were searched."""
        return self.folder / "space.json"

    @property
    def table(self) -> Path:
        """The latency table."""
        return self.folder / "table.json"

    @property
    def energy(self) -> Path:
        """The processor's power, which makes energies of the table's latencies."""
        return self.folder / "energy.json"

    @property
    def measurements(self) -> Path:
        """Timings already made, one a line."""
        return self.folder / "measurements.jsonl"

    @property
    def supernet(self) -> FileCheckpoint:
        """The trained weights of a supernet that networks are cut out of."""
        return FileCheckpoint(self.folder / "supernet")

    @property
    def samples(self) -> Path:
        """How accurate networks cut out of the supernet are, one a line."""
        return self.folder / "supernet" / "samples.jsonl"

    @property
    def predictor(self) -> FileCheckpoint:
        """What a search has learned to predict accuracies with, so that another budget needs no trials."""
        return FileCheckpoint(self.folder / "predictor")

    @property
    def library(self) -> Path:
        """What can be made of a trained network without training."""
        return self.folder / "library"

    @property
    def origin(self) -> RunDirectory | None:
        """The run whose supernet the network in this folder was cut out of; None where it is a run of its own."""
        parents = self.folder.resolve().parents  # RUN/specialized/DEVICE/BUDGET
        if len(parents) < 3 or parents[1].name != "specialized":
            return None
        origin = RunDirectory(parents[2])
        return origin if origin.exists() else None

    @property
    def specialized(self) -> Path:
        """What was made of the supernet for other devices and budgets."""
        return self.folder / "specialized"

    @property
    def model(self) -> Path:
        """What is shipped."""
        return self.folder / "model"

    @property
    def card(self) -> Path:
        """What is known of the shipped model."""
        return self.model / "card.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
