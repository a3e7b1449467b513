"""Measures a plan where only Python, numpy and a runtime are installed.

This module, the few that it imports and a plan travel as one zip file; `python3 FILE` runs it (`remote/start.py`). What
was measured is appended to a results file, one JSON object a line, flushed; started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeAlias, final

import numpy as np

from sculptnet.devices.plan import Device, Measurement, Model, Plan, Quality
from sculptnet.devices.runtimes import open_runtime
from sculptnet.errors import DeviceError, SculptNetError
from sculptnet.state import Progress

SCHEMA = 1
PLAN_FILE = "plan.json"
DOCUMENT = {"schema", "identity", "request", "runtime", "threads", "parts"}  # of a plan
REFUSED, CRASHED, INTERRUPTED = 2, 1, 130  # exit codes
TOLD_EVERY = 25
Chunk: TypeAlias = tuple[int, str, int]  # part of the plan, model, round
Row: TypeAlias = dict[str, Any]


def main(archive: str, words: Sequence[str]) -> int:
    """Runs one command on the plan in `archive`, a zip file or the folder it was unpacked to; returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python3 {archive}", description="Measures networks on this machine.")
    parser.add_argument("--results", metavar="FILE", help="where the results go; by default beside this file")
    parser.add_argument("--stream", action="store_true", help="print results too; read what is held from stdin")
    parser.add_argument("--describe", nargs=2, metavar=("RUNTIME", "THREADS"), help="say what this machine is")
    asked = parser.parse_args(words)
    try:
        if asked.describe:
            _print(device_row(_opened(asked.describe[0], int(asked.describe[1]))))
        else:
            results = Path(asked.results or f"{archive.removesuffix('.zip')}.results.jsonl")
            _measure(open_archive(Path(archive)), results, asked.stream)
    except SculptNetError as error:
        return refused(str(error))
    except BrokenPipeError:  # whoever listened is gone; the results file has everything
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CRASHED
    except KeyboardInterrupt:
        print("Interrupted; what was measured is kept. The same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Exception:  # the other side needs to hear of whatever went wrong
        traceback.print_exc()
        return CRASHED
    return 0


def refused(text: str) -> int:
    """Says to people and machines what is wrong."""
    print(f"Error: {text}", file=sys.stderr)
    _print({"event": "error", "text": text})
    return REFUSED


def device_row(device: Device) -> Row:
    """What a reader of results must know of the machine."""
    return {"event": "device", "name": device.name, "host": platform.node(), "details": dict(device.describe())}


def _print(row: Row) -> None:
    print(json.dumps(row), flush=True)


def _opened(runtime: str, threads: int) -> Device:
    try:
        return open_runtime(runtime, threads)
    except DeviceError as error:
        raise DeviceError(f"{runtime} with {sys.executable}: {error}") from error


# ---------------------------------------------------------------------- plans
@final
@dataclass(frozen=True)
class Archive:
    """The plan and its models in a zip file, or in the folder it was unpacked to."""

    path: Path
    root: Path | zipfile.Path

    def document(self) -> Row:
        """The plan.

        Raises:
            DeviceError: it was made for another version of this agent, or there is none.
        """
        try:
            document: Row = json.loads((self.root / PLAN_FILE).read_bytes())
        except Exception as error:  # of the zip file, its compression and JSON
            raise DeviceError(f"{self.path} holds no plan to measure ({error}); get the file anew") from error
        if not isinstance(document, dict) or not document.keys() >= DOCUMENT:
            raise DeviceError(f"{self.path} holds no whole plan to measure; get the file anew")
        if document["schema"] != SCHEMA:
            raise DeviceError(f"{self.path} has schema {document['schema']!r}, this agent measures {SCHEMA}")
        return document

    def model(self, row: Mapping[str, Any]) -> Model:
        """A model, put together from its pieces.

        Raises:
            DeviceError: it is not what the plan says, such as after a broken transfer.
        """
        try:
            onnx = b"".join((self.root / "pieces" / piece).read_bytes() for piece in row["pieces"])
            answer = None
            if row["answer"] is not None:
                file = io.BytesIO((self.root / "answers" / f"{row['answer']}.npy").read_bytes())
                answer = np.load(file, allow_pickle=False)
            model = Model(onnx, tuple(row["shape"]), answer, row["tolerance"])
            whole = model.digest() == row["digest"]
        except MemoryError:
            raise
        except Exception as error:  # of the zip file, its compression, numpy's files, and rows that lack something
            raise DeviceError(f"{self.path}: a model is damaged ({error}); get the file anew") from error
        if not whole:
            raise DeviceError(f"{self.path}: a model is not what the plan says, the file is damaged; get it anew")
        return model


def open_archive(path: Path) -> Archive:
    """The archive at `path`.

    Raises:
        DeviceError: it is none.
    """
    try:
        return Archive(path, path if path.is_dir() else zipfile.Path(path))
    except Exception as error:  # zipfile trusts the numbers that it reads
        raise DeviceError(f"{path} is damaged ({error}); get it anew") from error


@final
@dataclass(frozen=True, eq=False)
class _Models(Mapping[str, Model]):
    """The models of a part, each read when it is asked for: a phone cannot hold all of them."""

    archive: Archive
    rows: Mapping[str, Row]

    def __getitem__(self, name: str) -> Model:
        return self.archive.model(self.rows[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


# ---------------------------------------------------------------------- measuring
def _measure(archive: Archive, path: Path, stream: bool) -> None:
    document = archive.document()
    held = {(part, model, index) for part, model, index in json.load(sys.stdin)} if stream else set[Chunk]()
    device = _opened(document["runtime"], document["threads"])
    header = {"schema": SCHEMA, "plan": document["identity"], "request": document["request"], **device_row(device)}
    turn = _take_turn(path)
    kept = _kept(path, header)
    if stream:
        _print(header)
        for row in kept:
            if (row["part"], row["model"], row["round"]) not in held:
                _print(row)
    held |= {(row["part"], row["model"], row["round"]) for row in kept}
    with path.open("a", encoding="utf-8") as file:
        if file.tell() == 0:
            _append(file, header)
        for row in _chunks(archive, document, device, held, _tell_machines if stream else _tell_people):
            if turn() != os.getpid():
                raise DeviceError("another agent measures the same plan here; this one stops")
            _append(file, row)
            if stream:
                _print(row)
    _turn_file(path).unlink(missing_ok=True)
    if stream:
        _print({"event": "end"})
    else:
        print(f"Done. Send back this file: {path.resolve()}")


def _chunks(archive: Archive, document: Row, device: Device, held: set[Chunk], tell: Progress) -> Iterator[Row]:
    def prepare(what: str, done: int, total: int) -> None:
        if not what.startswith("measuring"):  # chunks are counted here, over all parts
            tell("preparing models", done, total)

    total = sum(len(part["models"]) * part["quality"]["rounds"] for part in document["parts"])
    done = len(held)
    for index, part in enumerate(document["parts"]):
        quality = Quality(**part["quality"])
        have = frozenset((model, turn) for number, model, turn in held if number == index)
        if len(have) == len(part["models"]) * quality.rounds:
            continue
        reference = archive.model(part["reference"])
        plan = Plan(_Models(archive, part["models"]), reference, quality, have, part["alternate"])
        start = time.perf_counter()
        for measurement in device.measure(plan, prepare):
            now = time.perf_counter()
            yield chunk_row(index, measurement, now - start)
            start, done = now, done + 1
            tell("measuring", done, total)


def chunk_row(part: int, measurement: Measurement, seconds: float) -> Row:
    """One chunk as it stands in results; `seconds` is what it took, its share of the preparation included."""
    return {"event": "chunk", "part": part, **vars(measurement), "seconds": seconds}


def _tell_people(what: str, done: int, total: int) -> None:
    if done % TOLD_EVERY == 0 or done == total:
        print(f"{what}: {done} of {total}", file=sys.stderr)


def _tell_machines(what: str, done: int, total: int) -> None:
    if what != "measuring":  # chunks tell of themselves
        _print({"event": "progress", "done": done, "total": total})


def _append(file: TextIO, row: Row) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()


def _kept(path: Path, header: Row) -> list[Row]:
    """The chunks that an earlier session left; a line torn by a kill is dropped."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    whole, newline, _ = text.rpartition("\n")
    if len(whole) + len(newline) < len(text):
        path.write_text(whole + newline, encoding="utf-8")
    try:
        rows: list[Row] = [json.loads(line) for line in whole.splitlines()]
    except (ValueError, RecursionError) as error:
        raise DeviceError(f"{path} is damaged ({error}); move it away, and all is measured anew") from error
    if rows and rows[0] != header:
        raise DeviceError(
            f"{path} holds results of another plan, runtime version or machine; move it away, or name another file "
            "by --results"
        )
    return rows[1:]


def _turn_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.turn")


def _take_turn(path: Path) -> Callable[[], int | None]:
    """Makes this process the one that may measure; tells later which one may.

    After a broken connection the agent of before may live on; it ends when another has taken its turn.
    """
    file = _turn_file(path)
    file.write_text(str(os.getpid()))

    def whose() -> int | None:
        text = file.read_text() if file.exists() else ""
        return int(text) if text.isdigit() else None

    return whose
