"""What nobody foresaw: one line for people, one document for machines, and the traceback in a file."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sculptnet.errors import told

TRACEBACK = "traceback.txt"  # in the run directory
AT_THE_START = "reading the command line"
NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc", "failed to allocate memory")


@final
class Stopped(Exception):  # no error of ours: it carries one that is not
    """A command stopped at something unforeseen, its `__cause__`.

    Attributes:
        stage: what it was doing, as people were told.
        folder: the run directory that was open, if one was.
    """

    def __init__(self, stage: str, folder: Path | None) -> None:
        super().__init__(stage)
        self.stage, self.folder = stage, folder


@dataclass(frozen=True)
class Failure:
    """What is told of an unforeseen error.

    Attributes:
        command: as it was typed, such as `sculptnet fit`.
        stage: what it was doing.
        error: its kind and its text.
        kind: the name of its class.
        traceback: the file that has it; None where no file could be written.
        remedy: what helps.
    """

    command: str
    stage: str
    error: str
    kind: str
    traceback: Path | None
    remedy: str

    def line(self) -> str:
        """For people."""
        where = "its traceback could not be saved" if self.traceback is None else f"traceback: {self.traceback}"
        return f"{self.command} stopped at {self.stage!r}: {self.error}; {self.remedy} ({where})"

    def document(self) -> Mapping[str, str | None]:
        """For machines."""
        file = None if self.traceback is None else str(self.traceback)
        place = {"command": self.command, "stage": self.stage, "traceback": file}
        return {"error": self.line(), "kind": self.kind, **place}


def failure_of(command: str, error: Exception) -> Failure:
    """What to tell of `error`; its traceback is put into the run directory, or else into a temporary file."""
    cause = error.__cause__ if isinstance(error, Stopped) and error.__cause__ is not None else error
    stage = error.stage if isinstance(error, Stopped) else AT_THE_START
    folder = error.folder if isinstance(error, Stopped) else None
    text = "".join(traceback.format_exception(cause)).encode(errors="backslashreplace")
    return Failure(command, stage, told(cause), type(cause).__name__, _saved(text, folder), _remedy(cause))


def _saved(text: bytes, folder: Path | None) -> Path | None:
    if folder is not None and folder.is_dir():
        with suppress(OSError):
            (folder / TRACEBACK).write_bytes(text)
            return folder / TRACEBACK
    with suppress(OSError):
        number, name = tempfile.mkstemp(prefix="sculptnet-", suffix=f"-{TRACEBACK}")
        with os.fdopen(number, "wb") as file:
            file.write(text)
        return Path(name)
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that there is not enough memory, in Python's words or in those of torch and its like."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
    )


def _remedy(error: BaseException) -> str:
    if is_out_of_memory(error):
        return (
            "there is not enough memory: take a smaller batch (`recipe.batch_size=16`), a lower `resolution` or "
            "fewer `workers`, and close other programs"
        )
    return "this was not foreseen, please report it with the traceback"
