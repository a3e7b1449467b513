"""What a remote device needs of a machine: a way to run commands there and to know when the way there is broken."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, NamedTuple, Protocol

from sculptnet.devices.agent import Row
from sculptnet.errors import DeviceError
from sculptnet.state import Progress

NOT_RUN = (126, 127)  # what a shell answers about a program that it cannot run
SHOWN_LINES = 5
BLOCK_BYTES = 1 << 18


class Ended(NamedTuple):
    """How a command ended, and what it said last."""

    code: int
    text: str


class Lost(Exception):
    """The connection could not be made, or broke."""


class Machine(Protocol):
    """A machine that runs commands of a POSIX shell.

    Attributes:
        label: what names of devices call it.
        address: how the user named it.
        python: the Python there.
        folder: where work folders are made.
    """

    @property
    def label(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def python(self) -> str: ...
    @property
    def folder(self) -> str: ...

    def command(self, words: str) -> list[str]:
        """The program here, with its arguments, that runs `words` there."""
        ...

    def send(self, content: bytes, path: str, progress: Progress) -> Ended:
        """Writes a file there, whole or not at all; its folder exists."""
        ...

    def why_lost(self, ended: Ended) -> str | None:
        """Why `ended` is no answer of the machine, with the remedy; None if it is one."""
        ...


def call(machine: Machine, words: str) -> Ended:
    """Runs `words` there and waits.

    Raises:
        Lost: the machine was not reached.
        DeviceError: the program that reaches it is not installed here.
    """
    return answered(machine, ended(machine.command(words)))


def answered(machine: Machine, how: Ended) -> Ended:
    """`how`, if that is an answer of the machine.

    Raises:
        Lost: it is not.
    """
    lost = machine.why_lost(how)
    if lost is not None:
        raise Lost(f"{machine.address}: {lost}")
    return how


def ended(arguments: list[str], content: bytes = b"", progress: Progress | None = None, what: str = "") -> Ended:
    """Runs a program here with `content` as its input, told to `progress` in KiB."""
    with tempfile.TemporaryFile() as said, started(arguments, said.fileno(), said.fileno()) as process:
        with suppress(BrokenPipeError):  # it ended early, and says why
            for start in range(0, len(content), BLOCK_BYTES):
                _input(process).write(content[start : start + BLOCK_BYTES])
                if progress is not None:
                    progress(what, min(start + BLOCK_BYTES, len(content)) // 1024, len(content) // 1024)
            _input(process).close()
        code = process.wait()
        said.seek(0)
        return Ended(code, _last_lines(said.read()))


def rows(machine: Machine, words: str, content: bytes = b"") -> Iterator[Row]:
    """The JSON lines that an agent writes there.

    Raises:
        Lost: the connection broke.
        DeviceError: the agent says what is wrong, cannot run, or ended without a word.
    """
    with tempfile.TemporaryFile() as errors:
        with started(machine.command(f"{words}; exit $?"), subprocess.PIPE, errors.fileno()) as process:
            try:
                with suppress(BrokenPipeError):
                    _input(process).write(content)
                    _input(process).close()
                others: deque[str] = deque(maxlen=SHOWN_LINES)
                for line in process.stdout or ():
                    row = _row(line)
                    if row is None:  # what a login shell prints
                        others.append(line.decode(errors="replace").strip())
                    elif row["event"] == "error":
                        raise DeviceError(f"{machine.address}: {row['text']}")
                    else:
                        yield row
                code = process.wait()
            finally:
                process.kill()
        errors.seek(0)
        how = answered(machine, Ended(code, "\n".join([*others, _last_lines(errors.read())]).strip()))
    if how.code in NOT_RUN:
        raise DeviceError(
            f"{machine.address}: {machine.python} cannot be run there ({how.text}); give a Python of 3.11 or newer by "
            "?python=PATH"
        )
    if how.code != 0:
        raise DeviceError(
            f"{machine.address}: the agent crashed with exit status {how.code} while it measured; it said last: "
            f"{how.text or 'nothing'}"
        )


def started(arguments: list[str], output: int, errors: int) -> subprocess.Popen[bytes]:
    """A running program, which Ctrl-C does not reach: this process ends it.

    Raises:
        DeviceError: it is not installed.
    """
    try:
        return subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=output, stderr=errors, start_new_session=True, bufsize=0
        )
    except FileNotFoundError:
        raise DeviceError(f"{arguments[0]} is not installed here; it is what reaches the device") from None


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None  # it was opened as a pipe
    return process.stdin


def _last_lines(said: bytes) -> str:
    return "\n".join(said.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:])


def _row(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("event"), str) else None
