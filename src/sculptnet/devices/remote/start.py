"""What Python runs first in the zip file of an agent (there it is `__main__.py`). Python 3.6 can read it, to say so."""

import json
import os
import sys

OLDEST = (3, 11)


def run() -> int:
    """Hands over to the agent, or says what keeps it from running."""
    archive = os.path.dirname(os.path.abspath(__file__))
    if sys.version_info < OLDEST:
        version = ".".join(str(number) for number in sys.version_info[:3])
        wanted = ".".join(str(number) for number in OLDEST)
        return _refused(f"Python {wanted} or newer is needed, {sys.executable} is Python {version}")
    try:
        from sculptnet.devices.agent import main
    except ImportError as error:
        name = error.name or str(error)
        return _refused(f"{name} is not installed for {sys.executable}; run `{sys.executable} -m pip install {name}`")
    return main(archive, sys.argv[1:])


def _refused(text: str) -> int:
    sys.stderr.write(f"Error: {text}\n")
    sys.stdout.write(json.dumps({"event": "error", "text": text}) + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(run())
