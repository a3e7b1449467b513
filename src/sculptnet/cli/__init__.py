"""The command line: the only place that knows dashes."""

from __future__ import annotations

import json
import signal
import sys
from types import FrameType

from sculptnet.cli.app import app
from sculptnet.cli.console import INTERRUPTED
from sculptnet.errors import SculptNetError

BAD_REQUEST = 2


def main() -> None:
    """The entry point: library errors become one message and exit code 2."""
    signal.signal(signal.SIGINT, _interrupted)  # outside of long work, which saves first (`Console`)
    try:
        app()
    except (SculptNetError, OSError) as error:  # a full disk, for one
        _fail(error)
    except SystemExit as stopped:
        _tell_misuse(stopped)
        raise


def _interrupted(number: int, frame: FrameType | None) -> None:
    sys.exit(INTERRUPTED)


def _tell_misuse(stopped: SystemExit) -> None:
    """A command line that cannot be parsed is explained by Typer on standard error; here for machines."""
    explain = getattr(stopped.__context__, "format_message", None)
    if explain is not None and "--json" in sys.argv:
        print(json.dumps({"error": explain(), "kind": "UsageError"}))


def _fail(error: Exception) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"error": str(error), "kind": type(error).__name__}))
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(BAD_REQUEST)
