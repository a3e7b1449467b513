"""What several suites need: the same question in another process, and the text of an error that was due."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

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
    """What `method` of `suite`, without arguments and with a JSON value as its result, returns in a fresh process.

    Hash seeds, import order and global generators differ there.
    The file that defines the suite's class is loaded there by its path, so the class stands at the top of a file that
    can be imported alone.
    """
    kind = type(suite)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", _CODE, inspect.getfile(kind), kind.__qualname__, method]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{kind.__qualname__}.{method} failed in another process:\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def error_text(kind: type[Exception], call: Callable[[], object]) -> str:
    """The message of the error of that kind that `call` raises; raising none is a failure."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised, and one was due")
