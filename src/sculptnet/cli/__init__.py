"""The command line: the only place that knows dashes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

from sculptnet.cli.app import app
from sculptnet.cli.console import INTERRUPTED, print_anything
from sculptnet.cli.spelling import spelled
from sculptnet.errors import SculptNetError
from sculptnet.failures import failure_of
from sculptnet.rules import REQUEST

__all__ = ["app", "main"]

UNFORESEEN, BAD_REQUEST = 1, 2


def main() -> None:
    """The entry point: library errors become one message and exit code 2, all others one line and exit code 1."""
    signal.signal(signal.SIGINT, _interrupted)  # outside of long work, which saves first (`Console`)
    print_anything()
    app.rich_markup_mode = "rich" if sys.stderr.isatty() else None  # boxes of 80 columns are for people
    try:
        app()
    except (SculptNetError, OSError) as error:  # a full disk, for one
        text = _told(error)
        _fail({"error": text, "kind": type(error).__name__}, f"Error: {text}", BAD_REQUEST)
    except SystemExit as stopped:
        _tell_misuse(stopped)
        raise
    except Exception as error:  # nobody foresaw it
        failure = failure_of(_command(), error)
        document = {**failure.document(), "error": spelled(failure.line())}
        _fail(document, f"Error: {document['error']}", UNFORESEEN)


def _told(error: Exception) -> str:
    """What went wrong as the command line spells it; of one problem with what was typed, the problem alone."""
    text = spelled(str(error))
    return text.removeprefix(f"{REQUEST}: ") if len(getattr(error, "problems", ())) == 1 else text


def _interrupted(number: int, frame: FrameType | None) -> None:
    sys.exit(INTERRUPTED)


def _tell_misuse(stopped: SystemExit) -> None:
    """A command line that cannot be parsed is explained by Typer on standard error; here for machines."""
    explain = getattr(stopped.__context__, "format_message", None)
    if explain is not None and "--json" in sys.argv:
        print(json.dumps({"error": explain(), "kind": "UsageError"}))


def _command() -> str:
    """What was typed, without its arguments."""
    return " ".join(["sculptnet", *(word for word in sys.argv[1:] if not word.startswith("-"))][:2])


def _fail(document: Mapping[str, str | None], line: str, code: int) -> NoReturn:
    if "--json" in sys.argv:
        print(json.dumps(document))
    print(line, file=sys.stderr)
    sys.exit(code)
