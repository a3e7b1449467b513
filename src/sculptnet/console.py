"""What people see while something runs: lines and progress bars on standard error, results on standard output."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sculptnet.files import printable

INTERRUPTED = 130  # the exit code
SHOW_AFTER_S = 2.0  # shorter work gets no bar


class Console:
    """Prints lines, and a progress bar with the remaining time for whatever takes longer than two seconds."""

    def __init__(self, as_json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.as_json, self.clock = as_json, clock
        self.rich = RichConsole(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=self.rich, transient=True)
        self.tasks: dict[str, TaskID] = {}
        self.begun: dict[str, float] = {}
        self.stopping = False

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

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """The first Ctrl-C waits for the end of a step, so that it can be saved; the second does not."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.say("Stopping after this step and saving; press Ctrl-C again to stop at once")

    def say(self, text: str) -> None:
        """Prints a line to standard error."""
        self.rich.print(printable(text), markup=False)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tells how far the work `what` is; its bar goes when it is done.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C. The work is between two steps, so it can save first.
        """
        if self.stopping:
            raise KeyboardInterrupt
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
        print(json.dumps(document, indent=1) if self.as_json else printable(text))
