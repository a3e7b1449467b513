"""A second interpreter that has imported what programs of tests import, and forks for each of them.

Importing torch takes seconds, longer than most questions that a test asks another process. The interpreter imports
once, computes nothing, and answers each question in a fork of its own, so that no question sees what another left.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

HASH_SEED = "4711"
IMPORTED = (
    *("sculptnet.data", "sculptnet.learn", "sculptnet.nets", "sculptnet.search", "sculptnet.spaces"),
    *("timm.data.mixup", "timm.optim", "timm.scheduler", "timm.utils.model_ema"),
)


@dataclass(frozen=True)
class Answer:
    """What became of a program: its exit status and what it wrote."""

    code: int
    stdout: str
    stderr: str


class Twin:
    """The interpreter. Where the system cannot fork, each program starts an interpreter anew.

    Args:
        path: where it finds modules.
    """

    def __init__(self, path: Sequence[str]) -> None:
        self._environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": HASH_SEED}
        self._process = self._started() if hasattr(os, "fork") else None

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from sculptnet.testing.twin import serve; serve()"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=self._environment)
        atexit.register(_stop, process)
        return process

    def answer(self, program: str, arguments: Sequence[str]) -> Answer:
        """Runs a program to its end, in the working directory of now."""
        if self._process is None:
            command = [sys.executable, "-c", program, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, env=self._environment, check=False)
            return Answer(done.returncode, done.stdout, done.stderr)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {"program": program, "arguments": list(arguments), "folder": os.getcwd()}
        print(json.dumps(question), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"the other process ended with code {self._process.wait()}"
        return Answer(**json.loads(line))


def _stop(process: subprocess.Popen[str]) -> None:
    process.communicate()  # its standard input ends, and so does it


@cache
def twin(path: tuple[str, ...]) -> Twin:
    """The interpreter that finds modules in `path`; one for all who ask."""
    return Twin(path)


def serve() -> None:
    """What the interpreter does: a line of JSON for each line of JSON, until its standard input ends."""
    for name in IMPORTED:
        import_module(name)
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def _forked(question: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(stdout.fileno(), 1)
            os.dup2(stderr.fileno(), 2)
            os._exit(_run(question))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        stdout.seek(0)
        stderr.seek(0)
        return {"code": code, "stdout": stdout.read(), "stderr": stderr.read()}


def _run(question: dict[str, Any]) -> int:
    os.chdir(question["folder"])
    sys.argv = ["-c", *question["arguments"]]
    try:
        exec(compile(question["program"], "<program>", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
