"""What people see while something runs: lines and progress bars on standard error, results on standard output."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import typer
from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sculptnet.cli.spelling import spelled
from sculptnet.errors import SculptNetError
from sculptnet.failures import AT_THE_START, Stopped
from sculptnet.files import printable

INTERRUPTED = 130  # the exit code
SHOW_AFTER_S = 2.0  # shorter work gets no bar
FORESEEN = (SculptNetError, OSError, typer.Exit)
REMARKS = ("Note: ", "Warning: ")  # beside the work


def print_anything() -> None:
    """Lets standard output and error take what their encoding lacks: it is written as `\\xe9`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Console:
    """Prints lines, and a progress bar with the remaining time for whatever takes longer than two seconds."""

    def __init__(self, as_json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.as_json, self.clock = as_json, clock
        # names of files and classes may look like rich's markup; they are none
        self.rich = RichConsole(stderr=True, highlight=False, markup=False, emoji=False)
        what = TextColumn("{task.description}", markup=False)
        columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=self.rich, transient=True, disable=not self.rich.is_terminal)
        self.tasks: dict[str, TaskID] = {}
        self.begun: dict[str, float] = {}
        self.stopping = False
        self.stage = AT_THE_START
        self.folder: Path | None = None

    def __enter__(self) -> Console:
        self.stopping = False
        self.before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._interrupt)
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.before)
        if kind is KeyboardInterrupt:
            self.say("Interrupted; what was done is saved. The same command goes on from here")
            sys.exit(INTERRUPTED)
        if isinstance(error, Exception) and not isinstance(error, FORESEEN):
            raise Stopped(self.stage, self.folder) from error

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """The first Ctrl-C waits for the end of a step, so that it can be saved; the second does not."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.say("Stopping after this step and saving; press Ctrl-C again to stop at once")

    def say(self, text: str) -> None:
        """Prints lines to standard error; they are broken where a terminal ends, and not in files and pipes."""
        text = spelled(text)
        if not text.startswith(REMARKS):
            self.stage = text.partition("\n")[0]
        self.rich.print(printable(text), soft_wrap=not self.rich.is_terminal)

    def opened(self, folder: Path) -> None:
        """Takes note of the run directory, where the traceback of anything unforeseen is put."""
        self.folder = folder

    def progress(self, what: str, done: int, total: int) -> None:
        """Tells how far the work `what` is; its bar goes when it is done.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C. The work is between two steps, so it can save first.
        """
        if self.stopping:
            raise KeyboardInterrupt
        self.stage = what
        now = self.clock()
        begun = self.begun.setdefault(what, now)
        if done >= total:
            self.begun.pop(what, None)
            if what in self.tasks:
                self.bars.remove_task(self.tasks.pop(what))
            return
        if what not in self.tasks and now - begun >= SHOW_AFTER_S:
            self.tasks[what] = self.bars.add_task(what, total=total)
        if what in self.tasks:
            self.bars.update(self.tasks[what], completed=done, total=total)

    def finish(self, text: str, document: Any) -> None:
        """Prints the result: `document` as JSON if that was asked for, else `text`."""
        self.bars.stop()
        print(json.dumps(document, indent=1) if self.as_json else printable(spelled(text)))
