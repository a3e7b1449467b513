"""What several suites need: the same question in another process, and the text of an error that was due."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

from sculptnet.testing.twin import twin

_CODE = """
import importlib.util, json, sys
path, name, method = sys.argv[1:]
spec = importlib.util.spec_from_file_location("sculptnet_suite", path)
module = importlib.util.module_from_spec(spec)
sys.modules["sculptnet_suite"] = module
spec.loader.exec_module(module)
suite = module
for part in name.split("."):
    suite = getattr(suite, part)
print(json.dumps(getattr(suite(), method)()))
"""


def elsewhere(suite: object, method: str) -> Any:
    """What `method` of `suite`, without arguments and with a JSON value as its result, returns in another process.

    Hash seeds, import order and global generators differ there.
    The file that defines the suite's class is loaded there by its path, so the class stands at the top of a file that
    can be imported alone.
    """
    kind = type(suite)
    try:
        told = run_elsewhere(_CODE, inspect.getfile(kind), kind.__qualname__, method)
    except AssertionError as error:
        raise AssertionError(f"{kind.__qualname__}.{method} failed in another process:\n{error}") from None
    return json.loads(told.splitlines()[-1])


def run_elsewhere(program: str, *arguments: str) -> str:
    """What a Python program prints in another process, whose hash seed differs from this one's.

    Args:
        program: its text.
        arguments: what it finds in `sys.argv` behind its name.

    Raises:
        AssertionError: it failed, with what it wrote to its standard error.
    """
    answer = twin(tuple(filter(None, sys.path))).answer(program, arguments)
    assert answer.code == 0, answer.stderr
    return answer.stdout


def error_text(kind: type[Exception], call: Callable[[], object]) -> str:
    """The message of the error of that kind that `call` raises; raising none is a failure."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised, and one was due")
